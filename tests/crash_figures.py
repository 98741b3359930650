"""The figures of the last `make test-crash`: a JSON file, and the table in docs/reliability.md."""

import json
import os
import platform
from typing import Any

from helpers import PROJECT

_FILE = PROJECT / "docs" / "reliability.json"
_PAGE = PROJECT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def write_figures(scenarios: dict[str, dict[str, Any]], *, seed: int) -> None:
    """Write the figures of the scenarios that have run; those of others stay as they were."""
    former = json.loads(_FILE.read_text())["scenarios"] if _FILE.is_file() else {}
    figures = {
        "seed": seed,
        "machine": f"{os.cpu_count()} CPU cores, {platform.system()}",
        "scenarios": {**former, **scenarios},
    }
    _FILE.write_text(json.dumps(figures, indent=1) + "\n")
    text = _PAGE.read_text()
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    _PAGE.write_text(before + _BEGIN + _table(figures["scenarios"]) + _END + after)


def _table(scenarios: dict[str, dict[str, Any]]) -> str:
    rows = ["| accident | figures |", "| --- | --- |"]
    for name, figures in scenarios.items():
        texts = [f"{key.replace('_', ' ')}: {value}" for key, value in figures.items()]
        rows.append(f"| {name} | {'; '.join(texts)} |")
    return "\n".join(rows) + "\n"
