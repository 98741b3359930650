"""Which parameters decide which stage's results."""

from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.stages import stage_parameters, upstream_stages

ALGORITHMS = ("pmd_mean", "grpo")
PARAMETERS = {
    "seed": 0,
    "data_preparation": {"train": {"kind": "x"}},
    "policy_initialisation": {"policy": {"kind": "embedded"}},
    "training": {"algorithms": ("pmd_mean", "grpo"), "group_size": 8},
    "algorithms": {"pmd_mean": {"tau": 0.5}, "grpo": {"clip_low": 0.2}},
    "evaluation": {"num_samples": 4},
    "reporting": {"title": "t"},
}


def of(stage: str) -> dict[str, object]:
    return stage_parameters(stage, PARAMETERS, ALGORITHMS)


def test_training_depends_on_its_own_algorithm_and_on_all_before_it() -> None:
    keys = set(of("training.pmd_mean"))
    assert {"algorithms.pmd_mean.tau", "training.group_size", "seed", "data_preparation.train.kind",
            "policy_initialisation.policy.kind"} <= keys  # fmt: skip
    assert "algorithms.grpo.clip_low" not in keys
    assert "evaluation.num_samples" not in keys


def test_which_algorithms_are_compared_matters_to_reporting_alone() -> None:
    assert "training.algorithms" not in of("training.pmd_mean")
    assert of("reporting")["training.algorithms"] == ["pmd_mean", "grpo"]


def test_reporting_depends_on_everything() -> None:
    assert set(of("reporting")) == set(flatten(PARAMETERS))


def test_the_initial_evaluation_needs_no_training() -> None:
    assert upstream_stages("evaluation.initial", ALGORITHMS) == {
        "data_preparation",
        "policy_initialisation",
    }
