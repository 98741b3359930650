"""What a run does with results that are there already, on an experiment of trivial nodes."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_experiment import EVERYTHING, SmallExperiment

from pmd_pipeline import pipeline_registry
from pmd_pipeline.files import read_sealed_json_and_seal, write_sealed_json
from pmd_pipeline.hooks.intent import Intent, RunnerError
from pmd_pipeline.hooks.run_state import Change, ResumeError, RunState, load_run_state


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallExperiment:
    experiment = SmallExperiment(tmp_path / "data")
    experiment.folder.mkdir()
    monkeypatch.setattr(
        pipeline_registry, "register_pipelines", lambda: {"__default__": experiment.pipeline()}
    )
    return experiment


# What a run of the whole experiment ends with.
COMPARISON = 12


@pytest.mark.parametrize("intent", [Intent.CONTINUE, Intent.DEFAULT])
def test_one_command_begins_goes_on_and_has_nothing_left_to_do(
    experiment: SmallExperiment, intent: Intent
) -> None:
    experiment.kill("before", "problems", lambda: experiment.run(intent=intent))
    assert experiment.run(intent=intent) == EVERYTHING
    assert experiment.comparison == COMPARISON
    assert experiment.run(intent=intent) == []


def test_a_run_that_goes_on_on_another_machine_says_what_differs(
    experiment: SmallExperiment, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.kill("after", "a.seed_0.policy")
    state = load_run_state(experiment.folder)
    assert state is not None
    known = dict(state.machine)
    state.machine |= {"torch": "1.0", "instructions": "default"}
    state.save(experiment.folder)
    experiment.run()
    (warning,) = [r.message for r in caplog.records if "not as before" in r.message]
    assert f"torch {known['torch']}, before 1.0" in warning
    assert f"instructions {known['instructions']}, before default" in warning
    assert "threads" not in warning
    assert experiment.comparison == COMPARISON
    caplog.clear()
    experiment.run()
    assert "not as before" not in caplog.text
    state = load_run_state(experiment.folder)
    assert state is not None
    assert state.machine == known


DATASETS = [
    "problems",
    "prompts",
    "a.seed_0.rounds",
    "a.seed_0.policy",
    "b.seed_0.policy",
    "a.seed_0.scores",
    "comparison",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_killed_at_any_save_the_same_command_ends_with_the_same_comparison(
    experiment: SmallExperiment, when: str, dataset: str
) -> None:
    experiment.kill(when, dataset)
    done = list(experiment.ran)
    ran = experiment.run()
    assert experiment.comparison == COMPARISON
    assert len(set(done) & set(ran)) <= 1, "only what was interrupted runs again"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_written_again_by_a_killed_run_does_not_count_as_damaged(
    experiment: SmallExperiment, when: str
) -> None:
    experiment.kill("after", "a.seed_0.policy")
    experiment.noise = 1  # its tables have another content now, as wall times have
    experiment.kill(when, "a.seed_0.rounds")
    experiment.run()
    assert experiment.comparison == COMPARISON + 4


def test_killed_between_the_removal_of_old_results_and_the_new_ones(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    experiment.gold = 5
    again = lambda: experiment.run(intent=Intent.OVERWRITE)  # noqa: E731
    experiment.kill("before", "a.seed_0.policy", again)
    assert experiment.run() == [
        "a.seed_0.train",
        "b.seed_0.train",
        "a.seed_0.evaluate",
        "b.seed_0.evaluate",
        "compare",
    ]
    assert experiment.comparison == COMPARISON + 24


def test_results_of_other_data_are_refused_by_name_before_anything_is_written(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    experiment.gold = 2
    before = (experiment.folder / "comparison.csv").read_bytes()
    first = "data_preparation.load_problems"
    assert experiment.run(first, intent=Intent.DEFAULT) == [first]
    for names in (["a.seed_0.train", "a.seed_0.evaluate"], ["compare"], []):
        with pytest.raises(ResumeError, match="made from other data") as caught:
            experiment.run(*names, intent=Intent.DEFAULT)
        assert "problems: " in str(caught.value)
        assert experiment.ran == []
    assert (experiment.folder / "comparison.csv").read_bytes() == before
    experiment.run(intent=Intent.OVERWRITE)
    assert experiment.comparison == COMPARISON + 6


def test_a_stage_left_out_between_new_data_and_its_user_is_refused_in_the_same_run(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    experiment.gold = 2
    names = ["data_preparation.load_problems", "a.seed_0.train"]
    with pytest.raises(
        ResumeError, match=r"load_problems has come out .* select_prompts"
    ) as caught:
        experiment.run(*names, intent=Intent.OVERWRITE)
    assert str(caught.value).endswith("--env small"), "of the environment whose results they are"
    with pytest.raises(ResumeError, match="made from other data"):
        experiment.run("a.seed_0.evaluate", intent=Intent.DEFAULT)


def test_the_same_data_made_again_is_no_other_data(experiment: SmallExperiment) -> None:
    experiment.run()
    experiment.run("data_preparation.load_problems", intent=Intent.DEFAULT)
    experiment.run("a.seed_0.train", intent=Intent.OVERWRITE)  # its wall times differ
    assert experiment.run("compare", intent=Intent.DEFAULT) == ["compare"]
    assert experiment.run() == []


def test_a_report_follows_what_it_is_made_from(experiment: SmallExperiment) -> None:
    experiment.run()
    experiment.noise = 1
    experiment.run(
        "a.seed_0.train",
        "b.seed_0.train",
        "a.seed_0.evaluate",
        "b.seed_0.evaluate",
        intent=Intent.OVERWRITE,
    )
    assert experiment.run() == ["compare"]
    assert experiment.comparison == COMPARISON + 4


def test_a_part_needs_what_comes_before_it(experiment: SmallExperiment) -> None:
    with pytest.raises(ResumeError, match="rollout_generation: prompts"):
        experiment.run("a.seed_0.train")


@pytest.mark.parametrize("name", ["problems.parquet", "a.seed_0/round_1.parquet", "comparison.csv"])
def test_a_flipped_byte_is_named(experiment: SmallExperiment, name: str) -> None:
    experiment.run()
    path = experiment.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(ResumeError, match=name):
        experiment.run()
    path.unlink()
    experiment.run()
    assert experiment.comparison == COMPARISON


def test_a_part_is_not_built_on_a_damaged_table(experiment: SmallExperiment) -> None:
    experiment.run()
    table = experiment.folder / "b.seed_0" / "round_2.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(ResumeError, match=r"round_2\.parquet: its SHA-256"):
        experiment.run("b.seed_0.evaluate", intent=Intent.DEFAULT)


def test_a_phase_whose_tables_are_gone_begins_again(experiment: SmallExperiment) -> None:
    experiment.run()
    (experiment.folder / "a.seed_0" / "round_1.parquet").unlink()
    assert experiment.run() == ["a.seed_0.train"]


@pytest.mark.parametrize("position", [0, 30, 400, -2])
def test_any_byte_of_the_run_state_counts(experiment: SmallExperiment, position: int) -> None:
    experiment.run()
    path = experiment.folder / "run_state.json"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(ResumeError, match=r"run_state\.json is damaged"):
        experiment.run()
    experiment.run(intent=Intent.OVERWRITE)
    assert experiment.run() == []


def test_results_without_a_run_state_are_not_replaced(experiment: SmallExperiment) -> None:
    experiment.run()
    (experiment.folder / "run_state.json").unlink()
    for intent in (Intent.DEFAULT, Intent.CONTINUE):
        with pytest.raises(ResumeError, match="which run made them"):
            experiment.run(intent=intent)
    assert experiment.run(intent=Intent.OVERWRITE) == EVERYTHING


@pytest.mark.parametrize("intent", [Intent.DEFAULT, Intent.CONTINUE])
@pytest.mark.parametrize("is_finished", [True, False])
def test_results_of_other_parameters_are_named_and_replaced_only_on_demand(
    experiment: SmallExperiment, intent: Intent, is_finished: bool
) -> None:
    if is_finished:
        experiment.run()
    else:
        experiment.kill("after", "a.seed_0.rounds")
    before = load_run_state(experiment.folder)
    with pytest.raises(ResumeError) as caught:
        experiment.run(intent=intent, a={"tau": 0.1})
    assert "algorithms.a.tau: 0.5 -> 0.1" in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert "data_root" in str(caught.value)
    assert load_run_state(experiment.folder) == before
    experiment.run(intent=Intent.OVERWRITE, a={"tau": 0.1})
    assert experiment.run(a={"tau": 0.1}) == []


def test_a_parameter_of_what_has_not_begun_may_still_change(experiment: SmallExperiment) -> None:
    experiment.kill("after", "a.seed_0.policy")
    experiment.run(b={"tau": 0.1})
    state = load_run_state(experiment.folder)
    assert state is not None
    assert state.stage_parameters["training.b.seed_0"]["algorithms.b.tau"] == 0.1


def test_stages_without_training_are_made_again_when_asked_for(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    evaluations = ["a.seed_0.evaluate", "b.seed_0.evaluate"]
    assert experiment.run(*evaluations, intent=Intent.DEFAULT) == evaluations
    assert experiment.run(*evaluations, intent=Intent.CONTINUE) == []
    assert experiment.run("a.seed_0.train", intent=Intent.DEFAULT) == []


def test_a_session_of_pythons_own_does_not_repeat_training(experiment: SmallExperiment) -> None:
    experiment.run(intent=None, only_missing_outputs=False)
    with pytest.raises(ResumeError, match="only_missing_outputs=True"):
        experiment.run(intent=None, only_missing_outputs=False)
    assert experiment.run(intent=None, only_missing_outputs=True) == []


def test_only_the_report_is_drawn_again_for_its_own_parameters(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    assert experiment.run(reporting={"title": "Another"}) == ["compare"]


def test_speed_and_memory_may_change_and_it_is_said(
    experiment: SmallExperiment, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.kill("after", "a.seed_0.policy")
    experiment.run(
        training={"micro_batch_tokens": 128, "gradient_checkpointing": True},
        compute={"num_threads": 1},
        rewards={"num_workers": 1},
    )
    assert experiment.comparison == COMPARISON
    said = "\n".join(caplog.messages)
    assert "training.micro_batch_tokens: 3072 -> 128: changes no result" in said
    assert "rewards.num_workers: 2 -> 1: changes no result; the bytes stay the same" in said


def test_training_may_be_longer_where_the_learning_rate_does_not_depend_on_its_length(
    experiment: SmallExperiment,
) -> None:
    constant = {"optimizer": {"decay": "constant"}}
    experiment.run(training=constant)
    assert experiment.run(training={**constant, "num_phases": 9}) == []
    linear = {"optimizer": {"decay": "linear"}}
    experiment.run(training=linear, intent=Intent.OVERWRITE)
    with pytest.raises(ResumeError, match=r"training\.optimizer\.decay is 'linear'.*--overwrite"):
        experiment.run(training={**linear, "num_phases": 9})


def test_an_algorithm_may_join_and_only_it_and_the_report_are_made(
    experiment: SmallExperiment,
) -> None:
    experiment.run()
    experiment.algorithms = ("a", "b", "c")
    assert experiment.run() == ["c.seed_0.train", "c.seed_0.evaluate", "compare"]
    assert experiment.comparison == COMPARISON * 3 // 2
    experiment.algorithms = ("a", "c")
    assert experiment.run() == ["compare"]
    assert experiment.comparison == COMPARISON


def test_a_training_seed_may_join_or_leave_and_the_others_stay(
    experiment: SmallExperiment, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.run()
    experiment.seeds = (3, 0)
    new = ["a.seed_3.train", "b.seed_3.train", "a.seed_3.evaluate", "b.seed_3.evaluate"]
    assert experiment.run() == [*new, "compare"]
    assert experiment.comparison == 2 * COMPARISON
    said = "training.seeds: [0] -> [3, 0]: the seeds that are trained stay as they are"
    assert said in "\n".join(caplog.messages)
    experiment.seeds = (3,)
    assert experiment.run() == ["compare"]
    assert experiment.comparison == COMPARISON
    experiment.seeds = (0, 3)
    assert experiment.run() == ["compare"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_the_second_training_seed_only_what_was_interrupted_runs_again(
    experiment: SmallExperiment, when: str
) -> None:
    experiment.seeds = (0, 1)
    experiment.kill(when, "a.seed_1.policy")
    done = list(experiment.ran)
    ran = experiment.run()
    assert experiment.comparison == 2 * COMPARISON
    assert set(done) & set(ran) == {"a.seed_1.train"}


def test_results_of_a_version_with_other_names_are_refused_and_replaced_on_demand(
    experiment: SmallExperiment, caplog: pytest.LogCaptureFixture
) -> None:
    """As they were before there were training seeds."""
    experiment.run()
    path = experiment.folder / "run_state.json"
    values, _ = read_sealed_json_and_seal(path)
    del values["layout"]
    write_sealed_json(path, values)
    for intent in (Intent.DEFAULT, Intent.CONTINUE):
        with pytest.raises(ResumeError, match="made by another version of pmd_pipeline"):
            experiment.run(intent=intent)
    assert experiment.run(intent=Intent.OVERWRITE) == EVERYTHING
    assert "Starting afresh" in caplog.text
    assert experiment.run() == []


def test_a_problem_file_that_has_changed_is_named(
    experiment: SmallExperiment, tmp_path: Path
) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text('{"problem": "1+1", "answer": "2"}')
    columns = {"problem": "problem", "answer": "answer"}
    data: dict[str, Any] = {
        "train": {"kind": "table", "path": str(file), "columns": columns, "num_problems": None,
                  "widths": None},
        "prompt_template": "boxed",
    }  # fmt: skip
    policy = {"policy_initialisation": {"policy": {"kind": "pretrained", "path": str(tmp_path)}}}
    experiment.run(data_preparation=data, **policy)
    assert experiment.run(data_preparation=data, **policy) == []
    file.write_text('{"problem": "1+1", "answer": "3"}')
    with pytest.raises(ResumeError, match=r"data_preparation\.train\.path"):
        experiment.run(data_preparation=data, **policy)


@pytest.mark.parametrize("runner", ["ThreadRunner", "<kedro.runner.ParallelRunner object>"])
def test_runners_that_run_nodes_at_once_are_refused(
    experiment: SmallExperiment, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pmd_pipeline.hooks.resume import ResumeHook

    hook = ResumeHook()
    with pytest.raises(RunnerError, match="does not work here"):
        hook.before_pipeline_run({"runner": runner}, experiment.pipeline(), experiment.catalog())
    assert not list(experiment.folder.iterdir())


def test_a_killed_run_leaves_its_folder_to_the_next(experiment: SmallExperiment) -> None:
    experiment.kill("before", "a.seed_0.policy")
    assert "a.seed_0.train" in experiment.run()


def test_a_state_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    RunState(version="1").save(tmp_path)
    with pytest.raises(TypeError, match="not JSON serializable"):
        RunState(version="2", stage_parameters={"a": {"b": object()}}).save(tmp_path)
    assert json.loads((tmp_path / "run_state.json").read_text())["version"] == "1"


def test_equal_tables_have_equal_digests_whatever_their_wall_times(tmp_path: Path) -> None:
    from pmd_pipeline.datasets.results import table_digest

    def digest(name: str, **save: Any) -> str:
        table = pd.DataFrame({"value": [1, 2], "grading_seconds": save.pop("seconds", [0.1, 0.2])})
        table.assign(**save.pop("columns", {})).to_parquet(tmp_path / name, **save)
        return table_digest(tmp_path / name)

    first = digest("first.parquet")
    assert digest("second.parquet", seconds=[0.3, 0.4], compression="gzip") == first
    assert digest("third.parquet", columns={"value": [1, 3]}) != first
    assert digest("fourth.parquet", columns={"value": [2, 1]}) != first


def num_bytes_of_a_round(state: RunState, folder: Path, number: int) -> int:
    """Return how many bytes are written when a round's table has been saved."""
    before = {path: path.stat() for path in folder.iterdir()}
    records = {f"a/round_{number:05d}.parquet": ("0" * 64, "1" * 64)}
    state.note(
        Change(files={"a.seed_0.rounds": records}, node_seconds={"a.seed_0.train": 0.5}), folder
    )
    return sum(
        path.stat().st_size - (before[path].st_size if path in before else 0)
        for path in folder.iterdir()
        if path not in before or path.stat() != before[path]
    )


def test_a_round_writes_as_much_about_itself_after_hundreds_of_others(tmp_path: Path) -> None:
    state = RunState(version="1", consumed={"a.seed_0.train": {"prompts": "2" * 64}})
    state.save(tmp_path)
    written = [num_bytes_of_a_round(state, tmp_path, number) for number in range(300)]
    assert set(written) == {written[0]}
    assert load_run_state(tmp_path) == RunState(
        version="1",
        files={
            "a.seed_0.rounds": {
                f"a/round_{number:05d}.parquet": ["0" * 64, "1" * 64]  # type: ignore[dict-item]
                for number in range(300)
            }
        },
        consumed={"a.seed_0.train": {"prompts": "2" * 64}},
        node_seconds={"a.seed_0.train": 0.5},
    )
    state.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run_state.json"]


def test_a_damaged_journal_of_a_killed_run_is_noticed(experiment: SmallExperiment) -> None:
    experiment.kill("before", "b.seed_0.policy")
    (journal,) = experiment.folder.glob("run_state.*.jsonl")
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    with pytest.raises(ResumeError, match=rf"is damaged \({re.escape(journal.name)}, line"):
        experiment.run()
    experiment.run(intent=Intent.OVERWRITE)
    assert experiment.run() == []


def test_a_journal_of_a_state_that_has_been_replaced_counts_for_nothing(tmp_path: Path) -> None:
    state = RunState(version="1")
    state.save(tmp_path)
    state.note(Change(started_nodes={"a.seed_0.train": "1"}), tmp_path)
    (journal,) = tmp_path.glob("run_state.*.jsonl")
    content = journal.read_bytes()
    RunState(version="2").save(tmp_path)
    journal.write_bytes(content)  # as if killed before it was removed
    assert load_run_state(tmp_path) == RunState(version="2")


def test_results_that_others_have_outrun_are_known(experiment: SmallExperiment) -> None:
    """After a part of the experiment: made from other results, or without a training run."""
    experiment.run()
    assert experiment.hook.outdated("reporting") == []
    experiment.noise = 3
    experiment.run("a.seed_0.train", "a.seed_0.evaluate", intent=Intent.OVERWRITE)
    assert experiment.hook.outdated("reporting") == ["compare"]
    assert experiment.run() == ["compare"]
    assert experiment.hook.outdated("reporting") == []
    experiment.seeds = (0, 1)
    experiment.run("a.seed_1.train", "a.seed_1.evaluate")
    assert experiment.hook.outdated("reporting") == ["compare"]
