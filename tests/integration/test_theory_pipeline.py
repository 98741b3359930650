"""The stage theory as a user runs it, alone."""

import json
from typing import Any

import pandas as pd
import plotly.io
import pytest

FIGURES = ["theory_figure_1", "theory_figure_2", "theory_figure_3", "theory_laboratory"]
TABLES = ["estimation_error", "laboratory", "log_partition", "log_ratio", "simplex"]

pytestmark = pytest.mark.slow


def test_the_stage_alone_leaves_every_table_and_figure(project: Any) -> None:
    """With the parameters of the paper's figures, in a fresh project."""
    result = project.command("run", "--pipelines", "theory")
    assert result.returncode == 0, result.stderr[-3000:]
    reporting = project.path / "data" / "08_reporting"
    left = sorted(path.relative_to(reporting) for path in reporting.rglob("*") if path.is_file())
    assert [str(path) for path in left] == sorted(
        [f"theory/{name}.csv" for name in TABLES]
        + [f"figures/theory/{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")]
        + [f"figures/interactive/{name}.json" for name in FIGURES]
    )
    assert all((reporting / path).stat().st_size > 1000 for path in left)
    for name in FIGURES:
        figure = plotly.io.read_json(reporting / "figures" / "interactive" / f"{name}.json")
        assert len(figure.data) > 3
        assert figure.layout.title.text
        png = (reporting / "figures" / "theory" / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert "<svg" in (reporting / "figures" / "theory" / f"{name}.svg").read_text()[:600]
    error = pd.read_csv(reporting / "theory" / "estimation_error.csv")
    assert error["p"].min() == pytest.approx(0.01)
    assert error["p"].max() == pytest.approx(0.2)


def test_another_seed_changes_the_stages_draws_and_is_recorded(project: Any) -> None:
    """The stage depends on its own parameters and the seed alone."""
    table = project.data / "08_reporting" / "theory" / "laboratory.csv"
    nodes = ["theory.build_theory_tables"]
    assert project.run(node_names=nodes) == 0
    first = table.read_bytes()
    assert project.run(node_names=nodes) == 0
    assert table.read_bytes() == first
    assert project.run(node_names=nodes, params={"seed": 1}) == 0
    assert table.read_bytes() != first
    state = json.loads((project.data / "run_state.json").read_text())
    recorded = state["stage_parameters"]["theory"]
    assert {key.partition(".")[0] for key in recorded} == {"seed", "theory"}
    assert recorded["seed"] == 1
