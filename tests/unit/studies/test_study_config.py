"""What a study's section in the parameters accepts."""

from typing import Any

import pytest
from pydantic import ValidationError
from study_helpers import base_parameters, make_experiment, make_study, merged

from pmd_pipeline.config.experiment import ParameterError, parse_parameters


def _space(**dimension: Any) -> dict[str, Any]:
    return {"search_space": {"algorithm.tau": dimension}}


def test_bounds_the_wrong_way_round_are_refused_with_the_remedy() -> None:
    with pytest.raises(
        ValidationError, match=r"wrong way round: low 2 is not below high 0\.02; sw"
    ):
        make_study(**_space(kind="float", low=2, high=0.02))


def test_a_logarithmic_range_must_be_positive() -> None:
    with pytest.raises(ValidationError, match="log: true needs a low above 0, found 0"):
        make_study(**_space(kind="float", low=0, high=2, log=True))


def test_a_choice_may_not_stand_twice() -> None:
    with pytest.raises(ValidationError, match="a choice appears twice"):
        make_study(**_space(kind="choice", choices=[1, 1]))


def test_a_dimension_set_to_null_is_taken_away() -> None:
    study = make_study(
        search_space={
            "algorithm.tau": {"kind": "float", "low": 0.1, "high": 1.0},
            "training.group_size": None,
        }
    )
    assert list(study.search_space) == ["algorithm.tau"]


def test_two_objectives_cannot_be_pruned() -> None:
    with pytest.raises(ValidationError, match="set it to none"):
        make_study(objective="accuracy_and_seconds")
    make_study(objective="accuracy_and_seconds", pruner={"kind": "none"})


def test_a_grid_needs_points_for_a_range() -> None:
    with pytest.raises(ValidationError, match=r"search_space\.algorithm\.tau: .* num_points"):
        make_study(sampler={"kind": "grid"})


@pytest.mark.parametrize(
    "storage",
    [
        {"kind": "postgresql"},
        {"kind": "postgresql", "credentials": "a", "environment_variable": "B"},
        {"kind": "sqlite", "credentials": "a"},
        {"kind": "journal", "heartbeat_seconds": 30, "grace_seconds": 30},
    ],
)
def test_a_storage_that_cannot_work_is_refused(storage: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_study(storage=storage)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({}, "it names nothing to reserve"),
        (
            {"CPU": 2, "GPU": 0},
            "GPU: 0 cannot be reserved; give a number above 0, or leave GPU out",
        ),
    ],
)
def test_workers_that_reserve_nothing_are_refused(
    resources: dict[str, float], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        make_study(workers={"resources": resources})


def test_a_mistake_in_a_study_is_named_by_its_key() -> None:
    study = {"algorithms": ["pmd_mean"], "budget": {"rollouts": 8}, "num_trails": 3}
    with pytest.raises(
        ParameterError, match=r"num_trails: unknown parameter; did you mean 'num_tr"
    ):
        parse_parameters(merged(base_parameters(), {"studies": {"a": study}}))


def test_no_run_records_the_studies() -> None:
    _, experiment = make_experiment(
        studies={"a": make_study().model_dump(mode="json", exclude_none=True)}
    )
    assert "a" in experiment.studies
    assert "studies" not in experiment.model_dump(mode="json")
