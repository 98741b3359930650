"""Bad input: one clear error each, naming file or key, value and remedy; nothing is lost."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers import shared_folder

from pmd_pipeline.config.experiment import ParameterError

AIME = [
    {
        "problem": f"What is {i} plus {i}? Think of it as a sum of equal numbers.",
        "answer": str(2 * i),
    }
    for i in range(3)
]


def _pretrained(**fields: str) -> dict[str, Any]:
    """Return a pretrained policy, merged over the embedded one of the environment."""
    embedded = ("hidden_size", "num_heads", "feed_forward_size", "warm_start")
    return {"kind": "pretrained", **dict.fromkeys(embedded), **fields}


PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt parameter": (
        {"training": {"group_sise": 8}},
        "training.group_sise: unknown parameter; did you mean 'group_size'?",
    ),
    "unknown section": (
        {"trainning": {}},
        "trainning: unknown parameter; did you mean 'training'?",
    ),
    "tau of zero": (
        {"algorithms": {"pmd_mean": {"tau": 0}}},
        "algorithms.pmd_mean.tau: Input should be greater than 0 (found 0)",
    ),
    "a group of one": (
        {"training": {"group_size": 1}},
        "algorithms.pmd_mean: needs a group_size of at least 2, found 1",
    ),
    "more prompts a round than problems": (
        {"training": {"prompts_per_round": 64}},
        "training.prompts_per_round is 64, but data_preparation.train.num_problems is 12",
    ),
    "mini-batches that do not divide": (
        {"training": {"num_mini_batches": 3}},
        "3 mini-batches do not divide training.prompts_per_round 4",
    ),
    "top_p with the sampler's log-probs": (
        {"training": {"behaviour_log_probs": "sampler", "sampling": {"top_p": 0.9}}},
        "behaviour_log_probs: sampler needs top_p 1",
    ),
    "an algorithm without definition": (
        {"training": {"algorithms": ["pmd_median"]}},
        "no algorithm is labelled 'pmd_median'",
    ),
    "an algorithm twice": (
        {"training": {"algorithms": ["grpo", "grpo"]}},
        "algorithms names a label twice",
    ),
    "a negative temperature": (
        {"evaluation": {"sampling": {"temperature": -1.0}}},
        "sampling.temperature: Input should be greater than or equal to 0.01 (found -1.0)",
    ),
    "a convention that the prompt does not ask for": (
        {"rewards": {"convention": "answer_line"}},
        "rewards.convention is 'answer_line', but prompt_template 'embedded'",
    ),
    "rewards the wrong way round": (
        {"rewards": {"correct_reward": -2.0}},
        "correct_reward -2.0 must be above incorrect_reward -1.0",
    ),
    "real problems for the embedded policy": (
        {
            "data_preparation": {
                "train": {"kind": "dapo", "path": "x.parquet", "num_problems": None}
            }
        },
        "the embedded policy can only read additions",
    ),
    "a hub model without a revision": (
        {"policy_initialisation": {"policy": _pretrained(hub_name="a/b")}},
        "hub_name 'a/b' needs revision",
    ),
    "bounds the wrong way round": (
        {"rollout_generation": {"min_mean_reward": 1.0, "max_mean_reward": -1.0}},
        "min_mean_reward 1.0 must be below max_mean_reward -1.0",
    ),
}


@pytest.mark.filterwarnings(r"ignore:\s*register_new_resolver")  # Kedro's own, on omegaconf
@pytest.mark.parametrize("mistake", PARAMETERS)
def test_wrong_parameters_are_named_before_anything_runs(unused: Any, mistake: str) -> None:
    params, message = PARAMETERS[mistake]
    with pytest.raises(ParameterError) as caught, unused.session(**params) as session:
        session.run(to_outputs=["comparison"])
    assert message in str(caught.value)
    assert not (unused.data / "run_state.json").exists()


def test_the_command_line_prints_one_message_and_no_traceback(project: Any) -> None:
    result = project.command("run", "--env", "tiny", "--params", "algorithms.pmd_mean.tau=-1")
    assert result.returncode == 1
    assert "Error: the parameters in conf/" in result.stderr
    assert "tau: Input should be greater than 0 (found -1)" in result.stderr
    assert "Traceback (most recent call last)" not in result.stderr
    assert "Traceback" in (project.path / "data" / "last_error.log").read_text()


def test_a_part_that_does_not_exist_is_refused_on_the_command_line(unused: Any) -> None:
    """Of this environment's training runs the nearest is named."""
    result = unused.command("run", "--env", "tiny", "--namespaces", "theory,pmd_mean.seed_4")
    assert result.returncode == 1
    assert "there is no 'pmd_mean.seed_4'; did you mean pmd_mean.seed_0?" in result.stderr
    assert not (unused.data / "run_state.json").exists()


def real_model_project(project: Any, model: Path, aime: Path) -> Any:
    """Point the project's environment at a real model and an AIME file."""
    path = project.path / "conf" / "tiny" / "parameters.yml"
    parameters = yaml.safe_load(path.read_text())
    source = {"kind": "aime", "path": str(aime), "num_problems": None}
    parameters["data_preparation"] = {
        "train": source,
        "evals": {"addition": None, "aime": source},
        "prompt_template": "boxed",
        "max_prompt_tokens": 200,
    }
    parameters["policy_initialisation"]["policy"] = {"kind": "pretrained", "path": str(model)}
    path.write_text(yaml.safe_dump(parameters))
    return project


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")


def not_an_integer(path: Path) -> None:
    write_jsonl(path, [*AIME, {"problem": "x", "answer": "1/2"}])


def wrong_columns(path: Path) -> None:
    write_jsonl(path, [{"question": "x", "solution": "1"}])


def truncated_line(path: Path) -> None:
    path.write_text('{"problem": "x", "ans')


def nothing(path: Path) -> None:
    del path


def empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (not_an_integer, r"row 3 (from 0):"),
        (wrong_columns, "missing ['problem', 'answer'], found ['question', 'solution']"),
        (truncated_line, "line 1: no valid JSON"),
        (nothing, "there is no file"),
        (empty, "is empty (0 bytes)"),
    ],
)
def test_a_bad_problem_file_is_named_before_any_model_is_loaded(
    project: Any,
    capfd: pytest.CaptureFixture[str],
    arrange: Callable[[Path], None],
    message: str,
) -> None:
    model = shared_folder("models") / "stories260K-hf"
    aime = project.path / "aime.jsonl"
    arrange(aime)
    real_model_project(project, model, aime)
    assert project.run() == 1
    errors = capfd.readouterr().err
    assert message in errors
    assert str(aime) in errors
    assert not (project.data / "06_models" / "initial").exists()


TABLES: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "no such column": (
        "t.jsonl",
        [{"question": "x"}],
        "missing columns ['q', 'id'], found ['question']",
    ),
    "an id twice": (
        "t.jsonl",
        [{"q": "x", "id": 1}, {"q": "y", "id": 1}],
        "row 1 (from 0): the problem_id '1' is that of row 0 too",
    ),
    "turns after text": (
        "t.jsonl",
        [{"q": "x", "id": 1}, {"q": [{"role": "user", "content": "y"}], "id": 2}],
        "row 1 (from 0): the problem is chat turns, but that of row 0 is text",
    ),
    "turns for a tokenizer without chat template": (
        "t.parquet",
        [{"q": [{"role": "user", "content": "y"}], "id": 2}],
        "t.parquet, problem 'train/2': the problem is given as chat turns, but the policy's "
        "tokenizer has no chat template",
    ),
    "no answers for the grader": (
        "t.parquet",
        [{"q": "x", "id": 1}],
        "'missing_answer': 1}; the reward compares with reference answers: name their column",
    ),
}


@pytest.mark.parametrize("mistake", TABLES)
def test_a_bad_table_of_the_users_own_is_named_before_any_model_is_loaded(
    project: Any, capfd: pytest.CaptureFixture[str], mistake: str
) -> None:
    name, rows, message = TABLES[mistake]
    path = project.path / name
    aime = project.path / "aime.jsonl"
    write_jsonl(aime, AIME)
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        write_jsonl(path, rows)
    real_model_project(project, shared_folder("models") / "stories260K-hf", aime)
    environment = project.path / "conf" / "tiny" / "parameters.yml"
    parameters = yaml.safe_load(environment.read_text())
    parameters["data_preparation"]["train"] = {
        "kind": "table",
        "path": str(path),
        "columns": {"problem": "q", "problem_id": "id"},
    }
    if mistake != "no answers for the grader":
        parameters["rewards"] = {"kind": "import", "import_path": "textwrap:dedent"}
    environment.write_text(yaml.safe_dump(parameters))
    assert project.run(pipeline_names=["data_preparation"]) == 1
    errors = capfd.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (project.data / "06_models" / "initial").exists()


def test_a_truncated_parquet_file_is_named(project: Any, capfd: pytest.CaptureFixture[str]) -> None:
    model = shared_folder("models") / "stories260K-hf"
    path = project.path / "aime.parquet"
    pd.DataFrame(AIME).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    real_model_project(project, model, path)
    assert project.run() == 1
    assert f"{path} cannot be read" in capfd.readouterr().err


def test_a_model_folder_without_weights_is_named_before_anything_runs(
    project: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    write_jsonl(project.path / "aime.jsonl", AIME)
    real_model_project(project, model, project.path / "aime.jsonl")
    assert project.run() == 1
    assert "has no weights: no *.safetensors file among ['config.json']" in capfd.readouterr().err
    assert not (project.data / "run_state.json").exists()


def test_a_data_folder_that_cannot_be_written_is_named(
    project: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def read_only() -> None:
        import tempfile

        def refuse(**_: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        tempfile.TemporaryFile = refuse  # type: ignore[assignment]

    assert project.run(before=read_only) == 1
    errors = capfd.readouterr().err
    assert "the data folder cannot be written to (Read-only file system)" in errors
    assert str(project.data) in errors


def test_a_full_disk_loses_nothing_and_the_run_can_go_on(
    project: Any, finished: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        replace = Path.replace

        def fails(self: Path, target: Path) -> Path:
            if "eval_completions" in str(target):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
            return replace(self, target)

        Path.replace = fails  # type: ignore[method-assign, assignment]

    compared = ["comparison"]
    assert project.run(before=full, to_outputs=compared) == 1
    assert "No space left on device" in capfd.readouterr().err
    assert project.run(only_missing_outputs=True, to_outputs=compared) == 0
    assert project.comparison == finished.comparison


def test_prompts_that_do_not_fill_a_round_are_found_when_selected_and_lose_nothing(
    project: Any, finished: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Known once problems are selected: the run ends there and keeps the former results."""
    shutil.copytree(finished.data, project.data)
    state = project.data / "run_state.json"
    former = json.loads(state.read_text())
    # The tiny policy is always wrong.
    bounded = {"rollout_generation": {"min_mean_reward": -1.0}}
    assert project.run(overwrite=True, params=bounded) == 1
    error = capfd.readouterr().err
    assert "no prompt has a mean reward strictly between -1.0 and None" in error
    assert "training.prompts_per_round is 4" in error
    assert json.loads(state.read_text())["version"] != former["version"], "it began"
    assert project.comparison == finished.comparison


@pytest.mark.slow
def test_what_cannot_be_chosen_is_refused_in_words(
    finished: Any, unused: Any, tmp_path: Path
) -> None:
    """Nothing is written then."""
    destination = tmp_path / "model"
    nothing = unused.command("export-policy", "--best", str(destination), "--env", "tiny")
    assert "there is no run in" in nothing.stderr
    assert re.search(r"begin with \S*kedro run --env tiny$", nothing.stderr, re.MULTILINE)
    partial = finished.command("export-policy", "--best", str(destination), "--env", "tiny")
    remedy = r"data_report yet; finish it with \S*kedro run --only-missing-outputs --env tiny"
    assert re.search(remedy, partial.stderr)
    occupied = finished.command("export-policy", "--best", str(tmp_path.parent), "--env", "tiny")
    assert "is not empty; name a new folder" in occupied.stderr
    for result in (nothing, partial, occupied):
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
    assert not destination.exists()
