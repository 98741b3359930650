"""What a run of a part of the experiment says of the report at its end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from pmd_pipeline import shell
from pmd_pipeline.hooks.console import ConsoleHook

OLDER = (
    "The report, data/mine/08_reporting/report.html, is older than these results: kedro run --env "
    "mine makes it again, with tables and figures, and what else is missing.\n"
)


def said(
    capsys: pytest.CaptureFixture[str],
    *,
    has_report: bool,
    outdated: list[str],
    params: Any = None,
    node: Node | None = None,
) -> str:
    """Return what is printed after the run of one node, a phase of training by default.

    Commands are named as a shell finds them, which another test looks at.
    """
    resume: Any = SimpleNamespace(
        state=SimpleNamespace(files={"report": {}} if has_report else {}),
        outdated=lambda stage: outdated if stage == "reporting" else [],
    )
    hook = ConsoleHook(resume)
    context: Any = SimpleNamespace(
        env="mine",
        project_path=Path("/p"),
        data_root=Path("/p/data/mine"),
        config_loader=SimpleNamespace(runtime_params=params),
    )
    hook.after_context_created(context)
    train = Node(len, "prompts", "policy", name="train", tags=["training"])
    hook.after_pipeline_run(Pipeline([node or train]), DataCatalog())
    return capsys.readouterr().out.replace(shell.command("kedro"), "kedro")


def test_a_part_says_that_the_report_is_older_and_what_renews_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said(capsys, has_report=True, outdated=["reporting.compare"]) == OLDER
    assert said(capsys, has_report=True, outdated=[]) == ""
    told = said(capsys, has_report=True, outdated=["x"], params={"training": {"seeds": [0, 1]}})
    assert "kedro run --env mine with the same --params makes it again" in told
    report = Node(len, "comparison_by_seed", "report", name="write_report", tags=["reporting"])
    assert said(capsys, has_report=True, outdated=["x"], node=report) == ""


def test_where_there_is_no_report_training_says_what_makes_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = said(capsys, has_report=False, outdated=[])
    assert told == "There is no report yet: kedro run --env mine makes it, and what it lacks.\n"
    data = Node(len, "raw_problems", "clean_problems", name="clean", tags=["data_preparation"])
    assert said(capsys, has_report=False, outdated=[], node=data) == ""
