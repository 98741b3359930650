"""The preflight makes the reward and has it score one made-up response."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.preflight import check_reward
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.rewards.choice import close_rewards


@pytest.fixture(autouse=True)
def _no_processes_left() -> Iterator[None]:
    yield
    close_rewards()


def experiment_with(rewards: dict[str, Any], **data: Any) -> ExperimentConfig:
    loader = VariantConfigLoader(
        str(PROJECT / "conf"),
        base_env="base",
        default_run_env="local",
        merge_strategy={"parameters": "soft"},
    )
    parameters = {**loader["parameters"], "rewards": rewards}
    if data:
        policy = {"kind": "pretrained", "path": "/models/m"}
        parameters["policy_initialisation"] = {"policy": policy}
        own = {"train": data, "prompt_template": "boxed"}
        parameters["data_preparation"] = {**parameters["data_preparation"], **own}
    return parse_parameters(parameters)


@pytest.fixture
def in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finding_of(rewards: dict[str, Any], **data: Any) -> Finding:
    (finding,) = check_reward(experiment_with(rewards, **data))
    return finding


def test_the_default_reward_grades_a_response_to_the_first_problem() -> None:
    finding = finding_of({"kind": "math", "incorrect_reward": -0.5})
    assert finding.verdict == "ok"
    assert finding.subject == "math"
    assert "a made-up response to problem train/" in finding.value
    assert "gets -0.5 (wrong)" in finding.value


def test_a_users_own_reward_says_what_it_gives(in_a_project: Path) -> None:
    (in_a_project / "own.py").write_text(
        "def make():\n    return lambda prompts, responses: [len(p.problem) for p in prompts]\n"
    )
    finding = finding_of({"kind": "import", "import_path": "own:make"})
    assert finding.verdict == "ok"
    assert finding.subject == "own:make"
    assert "(neither right nor wrong)" in finding.value


def test_the_parts_of_a_sum_are_named() -> None:
    math = {"kind": "math"}
    finding = finding_of({"kind": "sum", "parts": {"a": math, "b": {**math, "weight": 2}}})
    assert finding.subject == "sum of a, b"
    assert "gets -3 (wrong, a -1, b -1)" in finding.value


def test_a_reward_that_cannot_be_made_stops_the_run(in_a_project: Path) -> None:
    finding = finding_of({"kind": "import", "import_path": "not_there:make"})
    assert finding.verdict == "failure"
    assert "there is no module 'not_there'" in finding.remedy


def test_a_reward_that_raises_stops_the_run(in_a_project: Path) -> None:
    (in_a_project / "own2.py").write_text(
        "def make():\n    return lambda prompts, _: [p.metadata['tests'] for p in prompts]\n"
    )
    finding = finding_of({"kind": "import", "import_path": "own2:make"})
    assert finding.verdict == "failure"
    assert "KeyError: 'tests'" in finding.remedy


@pytest.mark.parametrize("row", ['{"q": "1 + 1"}', '{"q": " ", "a": "2"}', '{"q": "1", "a": ""}'])
def test_a_first_row_that_will_be_dropped_says_nothing_of_the_reward(
    in_a_project: Path, row: str
) -> None:
    file = in_a_project / "problems.jsonl"
    file.write_text(f'{row}\n{{"q": "2 + 2", "a": "4"}}\n')
    columns = {"problem": "q", "answer": "a"}
    finding = finding_of({"kind": "math"}, kind="table", path=str(file), columns=columns)
    assert finding.verdict == "ok"
    assert "a made-up response to a made-up problem" in finding.value


HUB = {"kind": "table", "hub_name": "a/b", "revision": "0123456", "columns": {"problem": "q"}}


def test_metadata_that_a_made_up_problem_lacks_only_warns(in_a_project: Path) -> None:
    """Problems on a hub are not downloaded for the check."""
    (in_a_project / "own3.py").write_text(
        "def make():\n    return lambda prompts, _: [p.metadata['tests'] for p in prompts]\n"
    )
    finding = finding_of({"kind": "import", "import_path": "own3:make"}, **HUB)
    assert finding.verdict == "warning"
    assert "KeyError: 'tests'" in finding.remedy


def test_a_reward_that_cannot_be_made_stops_the_run_whatever_the_data(in_a_project: Path) -> None:
    finding = finding_of({"kind": "import", "import_path": "not_here:make"}, **HUB)
    assert finding.verdict == "failure"
    assert "there is no module 'not_here'" in finding.remedy
