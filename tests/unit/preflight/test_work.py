"""Tokens, times and disk space, against counts by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers import PROJECT, make_algorithm, make_setup

from pmd_pipeline.config.data_preparation import AimeSource, GeneratedAdditionSource
from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.preflight.storage import check_disk, disk_need
from pmd_pipeline.preflight.workload import (
    Assumptions,
    max_problems,
    round_work,
    run_work,
)
from pmd_pipeline.training.setup import BehaviourSource

PAPER: dict[str, Any] = {
    "prompts_per_round": 512,
    "group_size": 16,
    "num_mini_batches": 16,
    "sampling": SamplingConfig(max_new_tokens=8192),
}


def test_the_papers_round_by_hand() -> None:
    setup = make_setup(make_algorithm(), **PAPER)
    work = round_work(setup, "own_then_trainer", max_prompt_tokens=2048, known=Assumptions())
    assert work.num_rollouts == 512 * 16
    assert work.sampled_tokens == 512 * 16 * 8192
    assert work.updated_tokens == 512 * 16 * 10_240
    # All but the first mini-batch before the updates, every fourth group after them.
    assert work.measured_tokens == (15 / 16 + 1 / 4) * 512 * 16 * 10_240
    assert work.num_updates == 16


def test_stated_lengths_take_the_place_of_the_limits() -> None:
    setup = make_setup(make_algorithm(), **PAPER)
    known = Assumptions(mean_prompt_tokens=100, mean_response_tokens=1000)
    work = round_work(setup, "own_then_sampler", max_prompt_tokens=2048, known=known)
    assert (work.sampled_tokens, work.updated_tokens) == (8192 * 1000, 8192 * 1100)
    assert not known.lengths_are_bounds
    assert Assumptions(mean_prompt_tokens=100).lengths_are_bounds


@pytest.mark.parametrize(
    ("source", "measured", "share"),
    [
        ("trainer", "round", 2),
        ("own_then_trainer", "last_mini_batch", 1),
        ("own_then_sampler", "last_mini_batch", 1 / 16),
        ("sampler", "sample", 1 / 4),
    ],
)
def test_passes_without_an_update_are_those_that_are_needed(
    source: BehaviourSource, measured: str, share: float
) -> None:
    setup = make_setup(make_algorithm(), measured_rollouts=measured, **PAPER)
    work = round_work(setup, source, max_prompt_tokens=2048, known=Assumptions())
    assert work.measured_tokens == work.updated_tokens * share


def test_an_algorithms_own_group_size_counts() -> None:
    setup = make_setup(make_algorithm(group_size=4), **PAPER)
    work = round_work(setup, "sampler", max_prompt_tokens=1, known=Assumptions())
    assert work.num_rollouts == 512 * 4


def test_a_refilled_round_samples_and_measures_more_than_it_trains_on() -> None:
    refill = {"low": -1, "refill": {"max_extra_rounds": 2}}
    setup = make_setup(make_algorithm(prompt_filter=refill), **PAPER)
    work = round_work(setup, "sampler", max_prompt_tokens=2048, known=Assumptions())
    assert work.num_rollouts == 3 * 512 * 16
    assert work.sampled_tokens == 3 * 512 * 16 * 8192
    assert work.updated_tokens == 512 * 16 * 10_240
    assert work.measured_tokens == 3 * work.updated_tokens / 4


def test_the_embedded_experiment_by_hand() -> None:
    """5 algorithms, 3 seeds, 3 phases, 6 rounds; 46 evaluations of 128 x 4; first 1024 x 8."""
    experiment = _base()
    rounds = dict.fromkeys(
        experiment.training.algorithms,
        round_work(
            make_setup(make_algorithm(), **PAPER),
            "sampler",
            max_prompt_tokens=2048,
            known=Assumptions(),
        ),
    )
    work = run_work(experiment, rounds, Assumptions())
    assert work.sampled_tokens == 5 * 3 * 6 * 512 * 16 * 8192
    assert work.evaluated_tokens == 46 * 128 * 4 * 60
    assert work.selection_tokens == 1024 * 8 * 60


def test_problems_are_counted_where_they_can_be(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.jsonl", tmp_path / "a.parquet"
    lines.write_text("".join(json.dumps({"problem": str(i)}) + "\n" for i in range(7)) + "\n")
    pd.DataFrame({"problem": ["a", "b", "c"]}).to_parquet(table)
    hub = {"kind": "aime", "hub_name": "a/b", "revision": "0" * 40}
    assert max_problems(GeneratedAdditionSource(kind="generated_addition", num_problems=5)) == 5
    assert max_problems(AimeSource(kind="aime", path=str(lines))) == 7
    assert max_problems(AimeSource(kind="aime", path=str(lines), limit=2)) == 2
    assert max_problems(AimeSource(kind="aime", path=str(table))) == 3
    assert max_problems(AimeSource.model_validate(hub)) is None
    assert max_problems(AimeSource.model_validate({**hub, "limit": 4})) == 4


def test_a_damaged_file_has_no_count(tmp_path: Path) -> None:
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"PAR1 no more")
    assert max_problems(AimeSource(kind="aime", path=str(broken))) is None


def test_checkpoints_by_hand() -> None:
    """Initial weights (4 bytes), 45 phases' states and one in the making (12 bytes)."""
    experiment = _base()
    rounds = dict.fromkeys(
        experiment.training.algorithms,
        round_work(
            make_setup(make_algorithm(), **PAPER),
            "sampler",
            max_prompt_tokens=1,
            known=Assumptions(),
        ),
    )
    need = disk_need(
        experiment, rounds, num_parameters=1000, num_trained=1000, keeps_all_moments=True
    )
    assert need.checkpoints == 4 * 1000 + 46 * 12 * 1000
    # Of an adapter in bfloat16: its weights (2), their masters (4) and moments (8).
    compute = experiment.compute.model_copy(update={"weights": "bfloat16"})
    in_bfloat16 = experiment.model_copy(update={"compute": compute})
    adapted = disk_need(
        in_bfloat16, rounds, num_parameters=1000, num_trained=10, keeps_all_moments=True
    )
    assert adapted.checkpoints == 2 * 1000 + 46 * 14 * 10
    # The moments (8 bytes) of 15 training runs, and of the state in the making.
    last_alone = disk_need(
        experiment, rounds, num_parameters=1000, num_trained=1000, keeps_all_moments=False
    )
    assert last_alone.checkpoints == 47 * 4 * 1000 + 16 * 8 * 1000
    assert need.less_with_last_moments == need.checkpoints - last_alone.checkpoints
    assert last_alone.less_with_last_moments == 0
    assert need.rollouts == 4 * 15 * 6 * 512 * 16 * 8192


def test_a_full_disk_stops_the_run_and_what_is_there_already_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pmd_pipeline.preflight import storage

    class Usage:
        free = 3000

    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: Usage)
    need = storage.DiskNeed(checkpoints=4000, rollouts=10)
    [checkpoints, rollouts] = check_disk(need, tmp_path / "not" / "there")
    assert (checkpoints.verdict, rollouts.verdict) == ("failure", "ok")
    assert "data_root" in checkpoints.remedy
    assert "keep_optimizer_states" not in checkpoints.remedy
    keeping_all = replace(need, less_with_last_moments=3 * 2**20)
    [checkpoints, _] = check_disk(keeping_all, tmp_path / "not" / "there")
    saves = "keep_optimizer_states: last in globals.yml saves 3.0 MiB; or free space"
    assert checkpoints.remedy.startswith(saves)

    (tmp_path / "06_models").mkdir()
    (tmp_path / "06_models" / "state").write_bytes(b"." * 1005)
    [checkpoints, rollouts] = check_disk(need, tmp_path)
    assert (checkpoints.verdict, rollouts.verdict) == ("ok", "warning")


def _base() -> ExperimentConfig:
    parameters: dict[str, Any] = {}
    for file in (PROJECT / "conf" / "base").glob("parameters*.yml"):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return parse_parameters(parameters)
