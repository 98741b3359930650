"""The reference of parameters, the schema for editors, and what the site is made from."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import PROJECT
from jsonschema import Draft202012Validator
from markdown import Markdown

PARAMETER_FILES = sorted((PROJECT / "conf").glob("*/parameters*.yml"))
SCHEMA = PROJECT / "conf" / "parameters.schema.json"


def test_reference_and_schema_are_as_the_configuration_says() -> None:
    run = subprocess.run(
        [sys.executable, str(PROJECT / "docs_site" / "parameters.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "")


def test_every_parameter_has_a_meaning_and_every_line_four_cells() -> None:
    rows = [
        line.replace("\\|", "")
        for line in (PROJECT / "docs" / "parameters.md").read_text("utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 200
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 4, row
        assert cells[1], f"no type: {row}"
        assert cells[3], f"no meaning: {row}"


@pytest.mark.parametrize(
    "path", PARAMETER_FILES, ids=[f"{path.parent.name}/{path.name}" for path in PARAMETER_FILES]
)
def test_the_schema_takes_every_file_of_parameters(path: Path) -> None:
    if path.parent.name == "claims":
        pytest.skip("a file of claims: not of an experiment's parameters")
    content = yaml.safe_load(path.read_text("utf-8"))
    found = list(Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).iter_errors(content))
    assert [error.message for error in found] == []


def test_the_schema_refuses_what_is_misspelt_and_what_is_out_of_range() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert validator.is_valid({"training": {"lag": 1}})
    assert not validator.is_valid({"training": {"lga": 1}})
    assert not validator.is_valid({"training": {"lag": -1}})


def test_every_page_is_in_the_sites_navigation() -> None:
    site = tomllib.loads((PROJECT / "zensical.toml").read_text("utf-8"))

    def pages(entries: list[Any]) -> Iterator[str]:
        for entry in entries:
            for target in entry.values():
                yield from [target] if isinstance(target, str) else pages(target)

    listed = list(pages(site["project"]["nav"]))
    assert len(listed) == len(set(listed))
    assert set(listed) == {path.name for path in (PROJECT / "docs").glob("*.md")}


@pytest.mark.parametrize("name", ["algorithms.md", "theory.md", "lag.md"])
def test_formulas_are_drawn_without_a_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "docs_site"))
    extensions = ["mathml", "docstrings", "tables", "pymdownx.superfences"]
    page = (PROJECT / "docs" / name).read_text("utf-8")
    shown = Markdown(extensions=extensions).convert(page)
    assert "<math xmlns" in shown
    assert "wzxhzdk" not in shown, "a formula that Markdown has lost"
    assert "\\frac" not in shown
    assert "$$" not in shown
