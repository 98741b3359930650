"""Which stage a node belongs to, and which parameters decide a stage's results."""

from collections.abc import Mapping, Sequence
from typing import Any

from kedro.pipeline.node import Node

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS
from pmd_pipeline.config.training_runs import TrainingRun

_SHARED_STAGES = (
    "data_preparation",
    "policy_initialisation",
    "rollout_generation",
    "theory",
    "reporting",
    "study_report",
    "model_reporting",
)

# Made again in seconds from results that stay, so nobody is asked first.
QUICK_STAGES = frozenset({"theory", "reporting", "study_report", "model_reporting"})

# They decide which training runs there are, and no result of one of them.
_WHAT_IS_COMPARED = ("training.algorithms", "training.seeds")

_POLICY_KIND = "policy_initialisation.policy.kind"

# The node that reads the problem files.
READS_SOURCES = "data_preparation.load_problems"


def stage_of(node: Node) -> str:
    """Return the node's stage; each training run has stages of its own.

    They are ``training.pmd_mean.seed_1`` and ``evaluation.pmd_mean.seed_1``, and the initial
    policy's is ``evaluation.initial``. So does each model that is evaluated without training:
    ``evaluate_models.base``.
    """
    model = evaluated_model(node)
    if model is not None:
        return f"{EVALUATE_MODELS}.{model}"
    for kind in ("training", "evaluation"):
        if kind in node.tags:
            run = TrainingRun.containing(str(node.namespace))
            return f"{kind}.{run.namespace if run is not None else node.namespace}"
    return next(stage for stage in _SHARED_STAGES if stage in node.tags)


def is_training(node: Node) -> bool:
    """Return True for a phase of training."""
    return "training" in node.tags


def evaluated_model(node: Node) -> str | None:
    """Return which model a node of the pipeline ``evaluate_models`` evaluates, None for others."""
    return (
        str(node.namespace).removeprefix(f"{EVALUATE_MODELS}.")
        if EVALUATE_MODELS in node.tags
        else None
    )


def is_kept(node: Node) -> bool:
    """Return True for what takes long: asked for again, it is not made again unless told to."""
    return is_training(node) or evaluated_model(node) is not None


def upstream_stages(stage: str, runs: Sequence[TrainingRun]) -> set[str]:
    """Return all stages that ``stage`` builds on, directly or indirectly."""
    direct = _direct_upstream(stage, runs)
    return direct.union(*(upstream_stages(name, runs) for name in direct))


def stage_parameters(
    stage: str, flat: Mapping[str, Any], runs: Sequence[TrainingRun]
) -> dict[str, Any]:
    """Return the parameters that decide a stage's results, those of its upstream included.

    Args:
        stage: Its name.
        flat: All parameters, by dotted key.
        runs: The training runs that are compared.
    """
    stages = {stage} | upstream_stages(stage, runs)
    sections = {f"{section}." for name in stages for section in _own_parameters(name)}
    if "policy_initialisation" in stages and flat.get(_POLICY_KIND) == "embedded":
        sections.add("data_preparation.train.")  # whose task the warm start demonstrates
    prefixes = tuple(sections)
    return {
        key: value
        for key, value in flat.items()
        if f"{key}.".startswith(prefixes)
        # What is compared matters to reporting only and changes no other result.
        and (key not in _WHAT_IS_COMPARED or stage == "reporting")
    }


def _direct_upstream(stage: str, runs: Sequence[TrainingRun]) -> set[str]:
    kind, _, label = stage.partition(".")
    match kind:
        case "data_preparation":
            return {"policy_initialisation"}  # its tokenizer counts and encodes the prompts
        case "rollout_generation":
            return {"data_preparation", "policy_initialisation"}
        case "training":
            return {"rollout_generation"}
        case "evaluation" if label == "initial":
            return {"data_preparation", "policy_initialisation"}
        case "evaluate_models":
            return {"data_preparation"}
        case "evaluation":
            return {f"training.{label}"}
        case "reporting":
            evaluated = ("initial", *(run.namespace for run in runs))
            return {f"evaluation.{name}" for name in evaluated} | {"theory"}
        case _:
            return set()


def _own_parameters(stage: str) -> tuple[str, ...]:
    kind, _, name = stage.partition(".")
    label = name.partition(".")[0]
    if kind == EVALUATE_MODELS:
        return ("compute", "evaluation", "rewards", f"{EVALUATE_MODELS}.models.{label}")
    return {
        # Some rewards need a reference answer, and problems without one are dropped for them.
        "data_preparation": (
            "seed",
            "data_preparation",
            "rewards.kind",
            "rewards.needs_answer",
            "rewards.parts",
        ),
        "policy_initialisation": ("seed", "compute", "policy_initialisation"),
        "rollout_generation": ("rollout_generation", "rewards", "training.sampling"),
        "training": ("training", f"algorithms.{label}"),
        "evaluation": ("evaluation", "rewards"),
        "theory": ("seed", "theory"),
        "reporting": ("reporting", "comparison", *_WHAT_IS_COMPARED),
        "study_report": (),
        "model_reporting": ("comparison", f"{EVALUATE_MODELS}.models"),
    }[kind]
