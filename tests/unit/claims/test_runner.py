"""A unit whose training breaks off."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from claims_helpers import PARAMETERS

from pmd_pipeline.claims import runner
from pmd_pipeline.claims.results import SeedPair
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.config.experiment import parse_parameters
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.rounds import run_rounds
from pmd_pipeline.training.update import NonFiniteUpdateError


def _unit(**training: int) -> Unit:
    """Return a unit of GRPO with the smallest policy."""
    parameters = deepcopy(PARAMETERS)
    parameters["training"] |= {"algorithms": ["grpo"], **training}
    parameters["policy_initialisation"]["policy"] = {
        "kind": "embedded",
        "hidden_size": 16,
        "num_heads": 1,
        "feed_forward_size": 16,
        "warm_start": {"num_steps": 2},
    }
    return Unit(experiment=parse_parameters(parameters), seeds=SeedPair(warm_start=1, training=1))


def test_a_unit_with_lag_trains_on_rollouts_of_earlier_rounds(tmp_path: Path) -> None:
    unit = _unit(num_phases=1, rounds_per_phase=4, lag=2)
    result = runner.UnitRunner(tmp_path).run(unit)
    assert [row["staleness_rounds"] for row in result.rounds] == [0, 1, 2, 2]
    assert [evaluation.round for evaluation in result.evaluations] == [0, 4]


def test_after_a_loss_that_is_not_finite_no_response_counts_as_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off_in_round_2(*arguments: Any, **options: Any) -> Iterator[RoundResult]:
        yield next(run_rounds(*arguments, **options))
        raise NonFiniteUpdateError("the loss is nan")

    monkeypatch.setattr(runner, "run_rounds", break_off_in_round_2)
    result = runner.UnitRunner(tmp_path).run(_unit())
    assert result.diverged_in_round == 2
    assert [evaluation.round for evaluation in result.evaluations] == [0, 1, 2]
    assert result.final.num_right == (0, 0, 0, 0)
    assert len(result.rounds) == 1
