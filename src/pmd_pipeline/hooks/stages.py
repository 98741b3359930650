"""Which stage a node belongs to, and which parameters decide a stage's results."""

from collections.abc import Mapping
from typing import Any

from kedro.pipeline.node import Node

from pmd_pipeline.flat_parameters import flatten

_SHARED_STAGES = (
    "data_preparation",
    "policy_initialisation",
    "rollout_generation",
    "theory",
    "reporting",
    "study_report",
)

# Made again in seconds from results that stay, so nobody is asked first.
QUICK_STAGES = frozenset({"theory", "reporting", "study_report"})

# The node that reads the problem files.
READS_SOURCES = "load_problems"


def stage_of(node: Node) -> str:
    """Return the node's stage; those of training and evaluation have the algorithm's label."""
    for kind in ("training", "evaluation"):
        if kind in node.tags:
            return f"{kind}.{str(node.namespace).split('.')[0]}"
    return next(stage for stage in _SHARED_STAGES if stage in node.tags)


def is_training(node: Node) -> bool:
    """Return True for a phase of training."""
    return "training" in node.tags


def upstream_stages(stage: str, algorithms: tuple[str, ...]) -> set[str]:
    """Return all stages that ``stage`` builds on, directly or indirectly."""
    direct = _direct_upstream(stage, algorithms)
    return direct.union(*(upstream_stages(name, algorithms) for name in direct))


def stage_parameters(
    stage: str, parameters: Mapping[str, Any], algorithms: tuple[str, ...]
) -> dict[str, Any]:
    """Return the flat parameters that decide a stage's results, those of its upstream included."""
    prefixes = {
        prefix
        for name in {stage} | upstream_stages(stage, algorithms)
        for prefix in _own_parameters(name)
    }
    return {
        key: value
        for key, value in flatten(parameters).items()
        if any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)
        # Which algorithms are compared matters to reporting only and changes no other result.
        and (key != "training.algorithms" or stage == "reporting")
    }


def _direct_upstream(stage: str, algorithms: tuple[str, ...]) -> set[str]:
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
        case "evaluation":
            return {f"training.{label}"}
        case "reporting":
            return {f"evaluation.{name}" for name in ("initial", *algorithms)} | {"theory"}
        case _:
            return set()


def _own_parameters(stage: str) -> tuple[str, ...]:
    kind, _, label = stage.partition(".")
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
        "reporting": ("reporting", "comparison", "training.algorithms"),
        "study_report": (),
    }[kind]
