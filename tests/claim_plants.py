"""Made-up results of claims with planted effects, of which the verdict is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pmd_pipeline.claims.results import (
    ClaimResults,
    Evaluation,
    GroupShift,
    SeedPair,
    UnitResult,
)
from pmd_pipeline.config.claims import ClaimConfig

NUM_PROBLEMS = 120
NUM_SAMPLES = 8
GROUP_SIZE = 16
ROUNDS_PER_EVALUATION = 2


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What one arm's runs are drawn around.

    Attributes:
        curve: Accuracy at each evaluation, from the initial policy's on.
        luck: Standard deviation of a run's accuracy, in logits.
        seconds: CPU seconds of a round.
        entropy: Of the last round; the first has 0.5.
        wrong: Log-ratio of wrong responses in round 1 at a pass rate of 0.
        wrong_slope: How much lower it is at a pass rate of 1.
        right: Progress of right responses in round 1, a share of -log(pass rate).
        pass_rates: Of the prompts, from and to.
        diverged: Runs of the first so many pairs end in round 2.
        kind, tau: Of the algorithm.
    """

    curve: tuple[float, ...] = (0.37, 0.6, 0.75, 0.8)
    luck: float = 0.08
    seconds: float = 3.0
    entropy: float = 0.3
    wrong: float = -1.0
    wrong_slope: float = 0.0
    right: float = 0.5
    pass_rates: tuple[float, float] = (0.1, 0.9)
    diverged: int = 0
    kind: str = "pmd_mean"
    tau: float = 0.1


def planted(
    arms: Mapping[str, Plant], *, num_pairs: int = 10, declared: int = 10, seed: int = 0
) -> ClaimResults:
    """Return results of every arm on so many pairs; arms share the luck of problems and pairs."""
    random = np.random.default_rng(seed)
    difficulty = random.normal(scale=0.8, size=NUM_PROBLEMS)
    seeds = tuple(SeedPair(warm_start=i, training=100 + i) for i in range(num_pairs))
    luck = random.normal(scale=0.05, size=num_pairs)
    return ClaimResults(
        seeds=seeds,
        arms={
            name: tuple(
                _unit(random, plant, pair, difficulty + luck[i], is_lost=i < plant.diverged)
                for i, pair in enumerate(seeds)
            )
            for name, plant in arms.items()
        },
        num_pairs=declared,
    )


def _unit(
    random: np.random.Generator,
    plant: Plant,
    seeds: SeedPair,
    difficulty: np.ndarray,
    *,
    is_lost: bool,
) -> UnitResult:
    num_rounds = ROUNDS_PER_EVALUATION * (len(plant.curve) - 1)
    levels = np.array(plant.curve) * np.where(np.arange(len(plant.curve)) > 0, not is_lost, True)
    own = random.normal(scale=plant.luck)
    done = range(1, 2 if is_lost else num_rounds + 1)
    return UnitResult(
        settings={
            "algorithm": {
                "kind": plant.kind,
                "tau": plant.tau,
                "group_size": None,
                "baseline": "leave_one_out_mean",
            },
            "training": {"group_size": GROUP_SIZE},
            "rewards": {"correct_reward": 1.0, "incorrect_reward": -1.0},
        },
        seeds=seeds,
        problem_ids=tuple(f"p{i}" for i in range(NUM_PROBLEMS)),
        evaluations=tuple(
            Evaluation(
                round=ROUNDS_PER_EVALUATION * i,
                num_right=_right(random, level, difficulty + own * (i > 0)),
                num_samples=NUM_SAMPLES,
            )
            for i, level in enumerate(levels)
        ),
        rounds=tuple(
            {
                "round": number,
                "cpu_seconds": plant.seconds * float(random.uniform(0.95, 1.05)),
                "kl": 0.2 * plant.seconds,
                "entropy": 0.5 + (plant.entropy - 0.5) * number / num_rounds,
            }
            for number in done
        ),
        groups=tuple(_groups(random, plant)),
        diverged_in_round=2 if is_lost else None,
        cpu_seconds={"training": plant.seconds * num_rounds},
        wall_seconds={"training": plant.seconds * num_rounds},
    )


def _right(random: np.random.Generator, level: float, difficulty: np.ndarray) -> tuple[int, ...]:
    if level <= 0:
        return (0,) * len(difficulty)
    logits = np.log(level / (1 - level)) + difficulty
    return tuple(random.binomial(NUM_SAMPLES, 1 / (1 + np.exp(-logits))).tolist())


def _groups(random: np.random.Generator, plant: Plant) -> list[GroupShift]:
    num_right = random.binomial(GROUP_SIZE, np.linspace(*plant.pass_rates, 48))
    share = num_right / GROUP_SIZE
    wrong = plant.wrong - plant.wrong_slope * share + random.normal(scale=0.2, size=48)
    right = plant.right * -np.log(np.maximum(share, 0.02)) + random.normal(scale=0.1, size=48)
    return [
        GroupShift(
            round=1,
            num_right=int(num_right[i]),
            num_wrong=GROUP_SIZE - int(num_right[i]),
            right_mean=float(right[i]) if num_right[i] else float("nan"),
            wrong_mean=float(wrong[i]) if num_right[i] < GROUP_SIZE else float("nan"),
            log_ratio_min=3 * float(wrong[i]),
            kl=abs(float(wrong[i] * share[i])) * 0.5,
            is_last=i >= 45,
        )
        for i in range(48)
    ]


def claim(
    test: Mapping[str, Any], arms: Sequence[str] | Mapping[str, Any], **words: Any
) -> ClaimConfig:
    """Return a declared claim; arms by name alone train ``pmd_mean``."""
    if not isinstance(arms, Mapping):
        arms = {name: {"algorithm": "pmd_mean"} for name in arms}
    texts = {
        "title": "A claim",
        "hypothesis": "The first arm is the better one.",
        "source": "Section 5",
        "holds": "the first is better",
        "fails": "it is worse, or as good",
    }
    return ClaimConfig.model_validate({**texts, **words, "arms": arms, "test": dict(test)})


_PAIR = {"first": "pmd_mean", "second": "grpo"}
_TAUS = (0.05, 0.1, 0.5)
_SIZES = (4, 8, 16, 32)
_UPDATES = (8, 16, 48)
_START_RATES = (0.05, 0.2, 0.5)
_LATE = (0.37, 0.7, 0.8, 0.84, 0.85, 0.85)


def _at(label: str, values: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{label}_{value:g}".replace(".", "_") for value in values)


def _line(label: str, values: Sequence[float]) -> dict[str, Any]:
    return {"arms": _at(label, values), "values": values}


def _tau_arms() -> dict[str, Any]:
    return {
        name: {"algorithm": label, "parameters": {"algorithm.tau": tau}}
        for label in ("pmd_mean", "pmd_part")
        for name, tau in zip(_at(label, _TAUS), _TAUS, strict=True)
    }


def _small_tau() -> list[dict[str, str]]:
    return [
        {"first": first, "second": second}
        for first, second in zip(
            _at("pmd_part", _TAUS[:2]), _at("pmd_mean", _TAUS[:2]), strict=True
        )
    ]


CLAIMS: dict[str, ClaimConfig] = {
    "beats_grpo": claim(
        {"kind": "difference", "comparisons": [_PAIR], "wanted": "better"}, ("pmd_mean", "grpo")
    ),
    "matches_gspo": claim(
        {
            "kind": "difference",
            "comparisons": [{"first": "pmd_mean", "second": "gspo"}],
            "wanted": "equivalent",
        },
        ("pmd_mean", "gspo"),
    ),
    "unstable": claim({"kind": "collapses", "comparisons": _small_tau()}, _tau_arms()),
    "explodes": claim(
        {
            "kind": "log_ratios",
            "comparisons": _small_tau(),
            "measures": ["last_mini_batch_min", "wrong_mean", "right_slope"],
        },
        _tau_arms(),
    ),
    "few_rollouts": claim(
        {
            "kind": "slope",
            "first": _line("pmd_part", _SIZES),
            "second": _line("pmd_mean", _SIZES),
            "identical": [{"first": "pmd_part_2", "second": "pmd_mean_2"}],
        },
        {
            name: {"algorithm": label, "parameters": {"training.group_size": size}}
            for label in ("pmd_part", "pmd_mean")
            for name, size in zip(_at(label, (2, *_SIZES)), (2, *_SIZES), strict=True)
        },
    ),
    "staleness": claim(
        {"kind": "drop", "first": _line("pmd_mean", _UPDATES), "second": _line("grpo", _UPDATES)},
        (*_at("pmd_mean", _UPDATES), *_at("grpo", _UPDATES)),
    ),
    "conservative": claim(
        {
            "kind": "shift",
            "growing": _line("pmd_mean", _START_RATES),
            "flat": _line("pmd_part", _START_RATES),
        },
        (*_at("pmd_mean", _START_RATES), *_at("pmd_part", _START_RATES)),
    ),
    "quick": claim(
        {
            "kind": "seconds",
            "comparisons": [{"first": "pmd_mean", "second": "on_policy"}],
            "accuracy": 0.7,
        },
        ("pmd_mean", "on_policy"),
    ),
    "stable_late": claim(
        {"kind": "late", "comparisons": [{"first": "pmd_mean", "second": "gspo"}]},
        ("pmd_mean", "gspo"),
    ),
    "anchor": claim(
        {
            "kind": "difference",
            "comparisons": [{"first": "tuned", "second": "no_anchor"}],
            "wanted": "better",
        },
        ("tuned", "no_anchor"),
    ),
}
"""A claim of every line of the table of claims, by a short name."""


def _ends(final: float, **changes: Any) -> Plant:
    return Plant(curve=(0.37, 0.55, (0.55 + final) / 2, final), **changes)


def _over(
    label: str, values: Sequence[float], finals: Sequence[float], **changes: Any
) -> dict[str, Plant]:
    return {
        name: _ends(final, **changes)
        for name, final in zip(_at(label, values), finals, strict=True)
    }


def _starts(label: str, wrong: float, slope: float) -> dict[str, Plant]:
    return {
        name: Plant(
            pass_rates=(0.3 * rate, min(0.98, 1.7 * rate)),
            curve=(rate, 0.6, 0.7),
            wrong=wrong,
            wrong_slope=slope,
            kind=label,
        )
        for name, rate in zip(_at(label, _START_RATES), _START_RATES, strict=True)
    }


def _taus(low: float, **part: Any) -> dict[str, Plant]:
    """PMD-part at small tau ends at ``low`` and moves as ``part`` says; the rest trains well."""
    arms = {
        **_over("pmd_mean", _TAUS, (0.75, 0.78, 0.85)),
        **_over("pmd_part", _TAUS, (low, low, 0.82)),
    }
    return {
        name: replace(plant, **part) if name in _at("pmd_part", _TAUS[:2]) else plant
        for name, plant in arms.items()
    }


def _sizes(part: Sequence[float]) -> dict[str, Plant]:
    return _over("pmd_part", (2, *_SIZES), (0.7, *part)) | _over(
        "pmd_mean", (2, *_SIZES), (0.7, 0.74, 0.76, 0.78, 0.8)
    )


def _stale(mean: Sequence[float], grpo: Sequence[float], **changes: Any) -> dict[str, Plant]:
    return _over("pmd_mean", _UPDATES, mean, **changes) | _over("grpo", _UPDATES, grpo, **changes)


_QUIET = {"luck": 0.01}
_WILD = {"luck": 1.2}
PLANTS: dict[str, dict[str, dict[str, Plant]]] = {
    "beats_grpo": {
        "holds": {"pmd_mean": _ends(0.85), "grpo": _ends(0.75)},
        "does not hold": {"pmd_mean": _ends(0.75), "grpo": _ends(0.85)},
        "cannot be told": {"pmd_mean": _ends(0.8, **_WILD), "grpo": _ends(0.8, **_WILD)},
    },
    "matches_gspo": {
        "holds": {"pmd_mean": _ends(0.97, **_QUIET), "gspo": _ends(0.97, **_QUIET)},
        "does not hold": {"pmd_mean": _ends(0.75), "gspo": _ends(0.85)},
        "cannot be told": {"pmd_mean": _ends(0.8, **_WILD), "gspo": _ends(0.8, **_WILD)},
    },
    "unstable": {
        "holds": _taus(0.05),
        "does not hold": _taus(0.6),
    },
    "explodes": {
        "holds": _taus(0.05, wrong=-6.0, right=-0.8),
        "does not hold": _taus(0.05, wrong=-0.3, right=0.9),
        "cannot be told": _taus(0.6, wrong=-1.0, right=0.5),
    },
    "few_rollouts": {
        "holds": _sizes((0.45, 0.55, 0.7, 0.8)),
        "does not hold": _sizes((0.8, 0.76, 0.7, 0.6)),
        "cannot be told": {
            name: replace(plant, **_WILD) for name, plant in _sizes((0.74, 0.76, 0.78, 0.8)).items()
        },
    },
    "staleness": {
        "holds": _stale((0.85, 0.84, 0.82), (0.85, 0.75, 0.65)),
        "does not hold": _stale((0.85, 0.75, 0.65), (0.85, 0.84, 0.82)),
        "cannot be told": _stale((0.85, 0.8, 0.7), (0.85, 0.8, 0.7), **_WILD),
    },
    "conservative": {
        "holds": _starts("pmd_mean", -0.2, 3.0) | _starts("pmd_part", -2.0, 0.0),
        "does not hold": _starts("pmd_mean", -2.0, -1.0) | _starts("pmd_part", -0.2, 3.0),
        "cannot be told": _starts("pmd_mean", -1.0, 0.0) | _starts("pmd_part", -1.0, 0.0),
    },
    "quick": {
        "holds": {"pmd_mean": _ends(0.85), "on_policy": _ends(0.85, seconds=9.0)},
        "does not hold": {"pmd_mean": _ends(0.85, seconds=9.0), "on_policy": _ends(0.85)},
        "cannot be told": {
            "pmd_mean": _ends(0.85, luck=0.4),
            "on_policy": _ends(0.85, luck=0.4),
        },
    },
    "stable_late": {
        "holds": {"pmd_mean": Plant(curve=_LATE), "gspo": Plant(curve=(*_LATE[:-1], 0.7))},
        "does not hold": {"pmd_mean": Plant(curve=(*_LATE[:-1], 0.7)), "gspo": Plant(curve=_LATE)},
        "cannot be told": {
            "pmd_mean": Plant(curve=(*_LATE[:-1], 0.82), luck=0.3),
            "gspo": Plant(curve=(*_LATE[:-1], 0.815), luck=0.3),
        },
    },
    "anchor": {
        "holds": {"tuned": _ends(0.85), "no_anchor": _ends(0.6)},
        "does not hold": {"tuned": _ends(0.97, **_QUIET), "no_anchor": _ends(0.97, **_QUIET)},
        "cannot be told": {"tuned": _ends(0.8, **_WILD), "no_anchor": _ends(0.8, **_WILD)},
    },
}
"""By claim and verdict: the arms of which that is the verdict."""
