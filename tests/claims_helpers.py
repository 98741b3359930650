"""Claims and parameters that tests share; nothing here is ever trained."""

from typing import Any

from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.results import Evaluation, UnitResult
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.config.claims import chosen_claims, parse_claims

_ADDITION = {"kind": "generated_addition", "num_problems": 4}

PARAMETERS: dict[str, Any] = {
    "seed": 0,
    "compute": {"device": "cpu", "num_threads": 1},
    "data_preparation": {
        "train": _ADDITION,
        "evals": {"addition": _ADDITION},
        "prompt_template": "embedded",
        "max_prompt_tokens": 16,
    },
    "policy_initialisation": {"policy": {"kind": "embedded"}},
    "rollout_generation": {"num_samples": 2},
    "rewards": {"kind": "math", "convention": "boxed"},
    "training": {
        "algorithms": ["pmd_mean", "grpo"],
        "num_phases": 2,
        "rounds_per_phase": 1,
        "prompts_per_round": 2,
        "group_size": 2,
        "num_mini_batches": 1,
        "sampling": {"max_new_tokens": 8},
        "optimizer": {"learning_rate": 1e-3},
    },
    "algorithms": {"pmd_mean": {"kind": "pmd_mean", "tau": 0.5}, "grpo": {"kind": "grpo"}},
    "evaluation": {"num_samples": 2, "sampling": {"max_new_tokens": 8}},
    "reporting": {},
    "comparison": {},
    "theory": {},
}


def claim(**fields: Any) -> dict[str, Any]:
    """Return a declared claim: tuned PMD-mean beside GRPO."""
    return {
        "title": "A claim",
        "hypothesis": "The first is better.",
        "source": "nowhere",
        "holds": "better",
        "fails": "not better",
        "arms": {
            "tuned": {"algorithm": "pmd_mean", "tuning": "taus"},
            "plain": {"algorithm": "grpo"},
        },
        "test": {
            "kind": "difference",
            "comparisons": [{"first": "tuned", "second": "plain"}],
            "wanted": "better",
        },
        **fields,
    }


def plan(*names: str, claims: dict[str, Any] | None = None, num_pairs: int = 2) -> ClaimsPlan:
    """Return a plan of two claims, which share the arm that is not tuned."""
    alone = claim(
        alone=True,
        arms={
            "fixed": {"algorithm": "pmd_mean", "parameters": {"algorithm.tau": 0.1}},
            "plain": {"algorithm": "grpo"},
        },
        test={
            "kind": "seconds",
            "comparisons": [{"first": "fixed", "second": "plain"}],
            "accuracy": 0.5,
        },
    )
    config = parse_claims(
        {
            "num_pairs": 10,
            "tuning": {"num_repeats": 1, "validation": _ADDITION},
            "tunings": {"taus": {"algorithm": "pmd_mean", "grid": {"algorithm.tau": [0.2, 0.3]}}},
            "claims": claims or {"first": claim(), "second": claim(), "alone": alone},
        }
    )
    return ClaimsPlan(config, chosen_claims(config, names), PARAMETERS, num_pairs=num_pairs)


def result_of(unit: Unit, num_right: int = 1, seconds: float = 1.0) -> UnitResult:
    """Return what a unit may have found, without training it."""
    return UnitResult(
        settings=unit.settings(),
        seeds=unit.seeds,
        problem_ids=("a",),
        evaluations=tuple(
            Evaluation(round=index, num_right=(right,), num_samples=4)
            for index, right in enumerate((1, num_right))
        ),
        rounds=(),
        groups=(),
        cpu_seconds={"training": seconds},
        wall_seconds={"training": seconds},
    )
