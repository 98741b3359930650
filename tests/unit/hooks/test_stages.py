"""Which parameters decide which stage's results."""

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.stages import stage_parameters, upstream_stages

RUNS = (TrainingRun("pmd_mean", 0), TrainingRun("pmd_mean", 1), TrainingRun("grpo", 0))
PARAMETERS = {
    "seed": 0,
    "data_preparation": {"train": {"kind": "x"}},
    "policy_initialisation": {"policy": {"kind": "embedded"}},
    "training": {"algorithms": ("pmd_mean", "grpo"), "seeds": (0, 1), "group_size": 8},
    "algorithms": {"pmd_mean": {"tau": 0.5}, "grpo": {"clip_low": 0.2}},
    "evaluation": {"num_samples": 4},
    "reporting": {"title": "t"},
}


def of(stage: str) -> dict[str, object]:
    return stage_parameters(stage, flatten(PARAMETERS), RUNS)


def test_training_depends_on_its_own_algorithm_and_on_all_before_it() -> None:
    keys = set(of("training.pmd_mean.seed_1"))
    assert {"algorithms.pmd_mean.tau", "training.group_size", "seed", "data_preparation.train.kind",
            "policy_initialisation.policy.kind"} <= keys  # fmt: skip
    assert "algorithms.grpo.clip_low" not in keys
    assert "evaluation.num_samples" not in keys


def test_the_embedded_policy_depends_on_the_problems_that_its_warm_start_demonstrates() -> None:
    assert "data_preparation.train.kind" in of("policy_initialisation")
    pretrained = PARAMETERS | {"policy_initialisation": {"policy": {"kind": "pretrained"}}}
    keys = stage_parameters("policy_initialisation", flatten(pretrained), RUNS)
    assert set(keys) == {"seed", "policy_initialisation.policy.kind"}


def test_a_models_evaluation_depends_on_the_problems_and_on_nothing_of_other_models() -> None:
    models = {"evaluate_models": {"models": {"base": {"path": "a"}, "other": {"path": "b"}}}}
    keys = set(stage_parameters("evaluate_models.base", flatten(PARAMETERS | models), RUNS))
    assert {"evaluate_models.models.base.path", "evaluation.num_samples", "seed"} <= keys
    assert "evaluate_models.models.other.path" not in keys
    assert "training.group_size" not in keys


def test_which_training_runs_are_compared_matters_to_reporting_alone() -> None:
    assert {"training.algorithms", "training.seeds"}.isdisjoint(of("training.pmd_mean.seed_1"))
    assert of("reporting")["training.algorithms"] == ["pmd_mean", "grpo"]
    assert of("reporting")["training.seeds"] == [0, 1]


def test_reporting_depends_on_everything() -> None:
    assert set(of("reporting")) == set(flatten(PARAMETERS))


def test_the_initial_evaluation_needs_no_training() -> None:
    assert upstream_stages("evaluation.initial", RUNS) == {
        "data_preparation",
        "policy_initialisation",
    }
