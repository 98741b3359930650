"""From a trial's values to the parameters of its run."""

import pytest
from study_helpers import make_experiment, make_study

from pmd_pipeline.config.experiment import parse_parameters
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.parameters import check_names, trial_parameters
from pmd_pipeline.studies.search_space import (
    check_search_space,
    current_values,
    is_conditional,
    widest_trial,
)


@pytest.mark.parametrize(("group_size", "prompts"), [(4, 256), (8, 128), (16, 64), (32, 32)])
def test_every_group_size_gets_the_same_rollouts(group_size: int, prompts: int) -> None:
    parameters, _ = make_experiment()
    values = {"algorithm.tau": 0.1, "training.group_size": group_size}
    training = trial_parameters(parameters, make_study(), values)["training"]
    assert training["prompts_per_round"] == prompts
    # 6 rounds: as many rollouts as the budget says.
    assert 6 * prompts * group_size == 6144


def test_an_algorithms_own_group_size_and_mini_batches_count() -> None:
    parameters, _ = make_experiment(
        training={"algorithms": ["pmd_mean"]},
        algorithms={"pmd_mean": {"group_size": 16, "num_mini_batches": 64}},
    )
    result = trial_parameters(parameters, make_study(), {"algorithm.tau": 0.1})
    assert result["training"]["prompts_per_round"] == 64
    with pytest.raises(StudyError, match="32 prompts a round, which 64 mini-batches do not divide"):
        trial_parameters(parameters, make_study(budget={"rollouts": 3072}), {})


def test_the_budget_covers_all_that_a_refill_may_draw() -> None:
    """With one extra round each, half as many prompts: at most as many rollouts as the others."""
    refill = {"low": -1.0, "refill": {"max_extra_rounds": 1}}
    parameters, _ = make_experiment(
        training={"algorithms": ["grpo"]}, algorithms={"grpo": {"prompt_filter": refill}}
    )
    values = {"training.group_size": 8}
    result = trial_parameters(parameters, make_study(algorithms=["grpo"]), values)
    assert result["training"]["prompts_per_round"] == 64
    small = make_study(algorithms=["grpo"], budget={"rollouts": 48})
    with pytest.raises(
        StudyError, match="which a refill may draw 2 times; choose a multiple of 96"
    ):
        trial_parameters(parameters, small, values)


def test_a_trial_trains_its_own_algorithm_with_its_values() -> None:
    parameters, _ = make_experiment()
    study = make_study(algorithms=["pmd_mean", "pmd_part"])
    values = {"algorithm": "pmd_part", "algorithm.tau": 0.25, "training.group_size": 8}
    experiment = parse_parameters(trial_parameters(parameters, study, values))
    assert experiment.training.algorithms == ("pmd_part",)
    assert experiment.algorithms["pmd_part"].model_dump()["tau"] == 0.25
    assert experiment.algorithms["pmd_mean"].model_dump()["tau"] == 0.5
    # What the caller has stays as it was.
    assert parameters["algorithms"]["pmd_part"]["tau"] == 0.5


def test_the_validation_problems_stand_beside_the_reported_sets() -> None:
    parameters, _ = make_experiment()
    result = trial_parameters(parameters, make_study(), {"algorithm.tau": 0.1})
    assert list(result["data_preparation"]["evals"]) == ["addition", "validation"]


def test_a_reported_set_may_not_be_the_validation_set() -> None:
    _, experiment = make_experiment(
        data_preparation={
            "evals": {"validation": {"kind": "generated_addition", "num_problems": 8}}
        }
    )
    with pytest.raises(StudyError, match="a reported set may not decide between trials"):
        check_names(make_study(), experiment)


def _search(*names: str) -> dict[str, object]:
    return {name: {"kind": "float", "low": 0.1, "high": 0.2} for name in names}


def test_an_unknown_parameter_is_named_with_the_most_similar_one() -> None:
    _, experiment = make_experiment()
    study = make_study(search_space=_search("training.optimizer.learning_rat"))
    with pytest.raises(StudyError, match=r"did you mean 'training\.optimizer\.learning_rate'"):
        check_names(study, experiment)


@pytest.mark.parametrize("name", ["training.num_phases", "training.sampling.temperature"])
def test_what_all_trials_share_cannot_be_searched(name: str) -> None:
    _, experiment = make_experiment()
    with pytest.raises(StudyError, match="cannot be searched"):
        check_names(make_study(search_space=_search(name)), experiment)


def test_an_unknown_algorithm_is_refused() -> None:
    _, experiment = make_experiment()
    with pytest.raises(ValueError, match="no algorithm is labelled 'pmd_men'"):
        check_names(make_study(algorithms=["pmd_men"]), experiment)


def test_a_value_that_no_run_takes_is_refused_before_any_trial() -> None:
    parameters, experiment = make_experiment()
    study = make_study(search_space={"algorithm.tau": {"kind": "float", "low": -1.0, "high": 1.0}})
    with pytest.raises(StudyError, match=r"search_space\.algorithm\.tau: -1\.0 is not a"):
        check_search_space(study, experiment, parameters)


def test_a_budget_that_some_combination_cannot_use_is_refused_before_any_trial() -> None:
    parameters, experiment = make_experiment()
    study = make_study(
        search_space={
            "training.group_size": {"kind": "choice", "choices": [4, 32]},
            "training.num_mini_batches": {"kind": "choice", "choices": [8, 64]},
        }
    )
    # 4 with either and 32 with 8 fit; only 32 with 64 does not.
    with pytest.raises(StudyError, match=r"with group_size 32, .* which 64 mini-batches"):
        check_search_space(study, experiment, parameters)


def test_problems_that_cannot_fill_a_trials_rounds_are_refused_before_any_trial() -> None:
    """The fewer rollouts a prompt gets, the more prompts a trial needs."""
    train = {"train": {"num_problems": 200}}
    parameters, experiment = make_experiment(data_preparation=train)
    with pytest.raises(
        StudyError,
        match=r"with group_size 4, budget\.rollouts 6144 gives 256 prompts a round, but "
        r"data_preparation\.train\.num_problems is 200",
    ):
        check_search_space(make_study(), experiment, parameters)


def test_what_trials_share_is_made_for_the_one_that_needs_the_most_problems() -> None:
    parameters, experiment = make_experiment()
    study = make_study(
        algorithms=["grpo", "pmd_mean"],
        search_space={"algorithm.group_size": {"kind": "choice", "choices": [32, 4, 8]}},
    )
    trial = widest_trial(study, experiment, parameters)
    assert trial["training"]["prompts_per_round"] == 6144 // (6 * 4)
    assert set(trial["data_preparation"]["evals"]) == {"addition", "validation"}


def test_the_base_study_can_be_searched() -> None:
    parameters, experiment = make_experiment()
    check_search_space(make_study(), experiment, parameters)


def test_tau_applies_to_the_algorithms_that_have_it() -> None:
    _, experiment = make_experiment()
    assert not is_conditional(make_study(algorithms=["pmd_mean", "pmd_part"]), experiment)
    assert is_conditional(make_study(algorithms=["pmd_mean", "grpo"]), experiment)


def test_the_experiments_own_values_are_tried_where_the_space_holds_them() -> None:
    parameters, experiment = make_experiment()
    assert current_values(make_study(), experiment, parameters) == {
        "algorithm.tau": 0.5,
        "training.group_size": 8,
    }
    narrow = make_study(search_space={"algorithm.tau": {"kind": "float", "low": 0.02, "high": 0.4}})
    assert current_values(narrow, experiment, parameters) is None
