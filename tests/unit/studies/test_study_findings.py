"""What a study's trials say."""

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from study_helpers import memory_study

from pmd_pipeline.studies.findings import (
    best_trial,
    curves_table,
    find_optimum,
    importances,
    interval,
    trials_table,
)

_SPACE = {
    "algorithm.tau": FloatDistribution(0.01, 10, log=True),
    "training.group_size": CategoricalDistribution((4, 8)),
}


def _study(
    *rows: tuple[float, int, list[float]], state: TrialState = TrialState.COMPLETE
) -> optuna.Study:
    """Return a study of trials: tau, group size, and the values of their repeats."""
    study = memory_study()
    for tau, group_size, values in rows:
        study.add_trial(
            create_trial(
                state=state,
                value=sum(values) / len(values),
                params={"algorithm.tau": tau, "training.group_size": group_size},
                distributions=_SPACE,
                user_attrs={"repeat_values": values, "interval": [0.4, 0.6]},
            )
        )
    return study


def test_the_interval_over_repeats_is_students() -> None:
    """Values 0.4, 0.5, 0.6: mean 0.5, standard error 0.1 / sqrt 3, t(0.975, 2) = 4.302653."""
    low, high, over = interval(_study((1.0, 4, [0.4, 0.5, 0.6])).trials[0], level=0.95)
    half = 4.302652729911275 * 0.1 / math.sqrt(3)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), rel=1e-9)
    assert over == "repeats"


def test_a_single_repeat_has_the_interval_over_problems() -> None:
    assert interval(_study((1.0, 4, [0.5])).trials[0], level=0.95) == (0.4, 0.6, "problems")


def test_the_first_of_equally_good_trials_is_best() -> None:
    best = best_trial(_study((1.0, 4, [0.5]), (2.0, 4, [0.7]), (3.0, 4, [0.7])))
    assert best is not None
    assert best.number == 1


def test_a_flat_optimum_is_told_by_the_parameters_that_are_as_good() -> None:
    optimum = find_optimum(
        _study((0.1, 8, [0.45]), (0.2, 4, [0.5]), (0.8, 8, [0.52]), (5.0, 4, [0.3])), level=0.95
    )
    assert optimum is not None
    # The interval [0.4, 0.6] allows 0.1 less than 0.52; 0.3 is out.
    assert optimum.tolerance == pytest.approx(0.1)
    assert (optimum.trial, optimum.num_close, optimum.num_finished) == (2, 3, 4)
    # All four have the interval [0.4, 0.6].
    assert optimum.num_not_told == 3
    assert optimum.close_ranges == {"algorithm.tau": (0.1, 0.8), "training.group_size": (4, 8)}


def test_a_trial_is_told_from_the_best_where_its_interval_ends_below_that_ones() -> None:
    """Repeats 0.79 to 0.81 and 0.29 to 0.31 part; 0.2 and 1.0 reach anywhere."""
    best, apart, anywhere = [0.79, 0.80, 0.81], [0.29, 0.30, 0.31], [0.2, 1.0]
    optimum = find_optimum(_study((0.1, 8, best), (1.0, 4, apart), (2.0, 4, anywhere)), level=0.95)
    assert optimum is not None
    assert (optimum.trial, optimum.num_not_told) == (0, 1)


def test_nothing_is_found_before_a_trial_has_finished() -> None:
    study = memory_study()
    assert find_optimum(study, level=0.95) is None
    assert importances(study, seed=0) == {}
    assert trials_table(study, level=0.95).empty


def test_the_parameter_that_decides_is_the_important_one() -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("a", 0, 1) + 0.01 * trial.suggest_float("b", 0, 1)

    assert importances(memory_study(objective, 19), seed=0) == {}
    shares = importances(memory_study(objective, 20), seed=0)
    assert list(shares) == ["a", "b"]
    assert shares["a"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


def test_the_table_names_state_value_and_error_of_every_trial() -> None:
    study = _study((1.0, 4, [0.5]))
    trial = study.ask()
    trial.report(0.2, 1)
    study.tell(trial, state=TrialState.PRUNED)
    trial = study.ask()
    trial.set_user_attr("error", "ValueError: nan")
    study.tell(trial, state=TrialState.FAIL)
    study.tell(study.ask(), state=TrialState.FAIL)
    table = trials_table(study, level=0.95)
    assert list(table["state"]) == ["finished", "pruned", "failed", "failed"]
    assert list(table["value"][:2]) == [0.5, 0.2]
    assert list(table["error"]) == ["", "", "ValueError: nan", "its worker died"]


def test_the_curves_count_phases_anew_in_every_repeat() -> None:
    study = memory_study()
    trial = study.ask()
    for step in range(1, 5):
        trial.report(step / 10, step)
    curves = curves_table(study, num_phases=2)
    assert list(zip(curves["repeat"], curves["phase"], strict=True)) == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
    ]


def test_the_curves_of_two_objectives_are_those_that_the_trial_kept() -> None:
    """Optuna takes no intermediate values with two objectives."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.ask().set_user_attr("step_values", {"1": 0.2, "2": 0.4})
    assert list(curves_table(study, num_phases=2)["value"]) == [0.2, 0.4]
