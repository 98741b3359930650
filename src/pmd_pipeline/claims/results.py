"""What one unit of work has found: a training on one pair of seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPair:
    """What the arms of a claim share, so that their differences are paired.

    Attributes:
        warm_start: Decides the initial policy and the draws of evaluations.
        training: Decides rollouts, the order of prompts and mini-batches.
    """

    warm_start: int
    training: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The policy after a round, on the P evaluation problems.

    Attributes:
        round: Complete rounds that the policy has seen; 0 for the initial policy.
        num_right: Right responses of each problem, [P].
        num_samples: Responses to each problem.
    """

    round: int
    num_right: tuple[int, ...]
    num_samples: int

    @property
    def accuracies(self) -> Floats:
        """Share of right responses of each problem, [P]."""
        return np.array(self.num_right, dtype=np.float64) / self.num_samples

    @property
    def accuracy(self) -> float:
        """Mean over problems."""
        return float(self.accuracies.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShift:
    """How far a round has moved the responses to one prompt; log-ratios in nats.

    Attributes:
        round: From 1.
        num_right, num_wrong: Responses of each kind.
        right_mean, wrong_mean: Mean log-ratio after the round's last update; NaN without any.
        log_ratio_min: The least of the group.
        kl: Estimate of KL(new || behaviour), k3, on the group.
        is_last: Whether the group is in the round's last mini-batch.
    """

    round: int
    num_right: int
    num_wrong: int
    right_mean: float
    wrong_mean: float
    log_ratio_min: float
    kl: float
    is_last: bool

    @property
    def right_fraction(self) -> float:
        """Share of right responses, before the updates."""
        return self.num_right / (self.num_right + self.num_wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """A finished unit.

    Attributes:
        settings: Everything that decides it, as JSON values: see ``claims.units``.
        seeds: Its pair of seeds.
        problem_ids: Of the P evaluation problems, in the order of every evaluation.
        evaluations: Of the initial policy, then after each phase of training.
        rounds: One row per round: the columns of ``RoundMetrics``, and ``cpu_seconds`` of
            training, sampling and measuring included, evaluation left out.
        groups: Of round 1, the groups whose log-ratios were measured.
        diverged_in_round: The round in which a loss or gradient was not finite, which ended the
            training: evaluations after it count no response as right. None where there was none.
        cpu_seconds: Of the process, by kind: ``training``, ``evaluation``, and ``warm_start``,
            which is near 0 where another unit had made it.
        wall_seconds: By the same kinds.
    """

    settings: Mapping[str, Any]
    seeds: SeedPair
    problem_ids: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    rounds: tuple[Mapping[str, float], ...]
    groups: tuple[GroupShift, ...]
    diverged_in_round: int | None = None
    cpu_seconds: Mapping[str, float]
    wall_seconds: Mapping[str, float]

    @property
    def initial(self) -> Evaluation:
        """Of the initial policy."""
        return self.evaluations[0]

    @property
    def final(self) -> Evaluation:
        """After the last round."""
        return self.evaluations[-1]

    @property
    def curve(self) -> Floats:
        """Mean over the evaluations after training has begun, of each problem, [P]."""
        if len(self.evaluations) < 2:
            raise ValueError("there is no evaluation after training")
        return np.asarray(np.mean([later.accuracies for later in self.evaluations[1:]], axis=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResults:
    """What is there of a claim: the pairs on which every arm has been trained.

    Attributes:
        seeds: The S complete pairs.
        arms: By arm, one result for each of ``seeds``, in their order.
        num_pairs: Pairs that are wanted.
    """

    seeds: tuple[SeedPair, ...]
    arms: Mapping[str, tuple[UnitResult, ...]]
    num_pairs: int

    def final_accuracies(self, arm: str) -> Floats:
        """Return the accuracies after an arm's last round, [S, P]."""
        return np.stack([result.final.accuracies for result in self.arms[arm]])

    def curve_accuracies(self, arm: str) -> Floats:
        """Return the means over an arm's evaluations after training has begun, [S, P]."""
        return np.stack([result.curve for result in self.arms[arm]])

    def initial_accuracies(self, arm: str) -> Floats:
        """Return the initial policies' accuracies, [S, P]."""
        return np.stack([result.initial.accuracies for result in self.arms[arm]])


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTrial:
    """One combination of a tuning.

    Attributes:
        values: By dotted key.
        accuracies: Final accuracy on the validation problems, one per pair of seeds.
    """

    values: Mapping[str, Any]
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Mean over pairs of seeds."""
        return float(np.mean(self.accuracies))


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOutcome:
    """A finished tuning: its trials, and the values that are used from now on."""

    trials: tuple[TuningTrial, ...]

    @property
    def chosen(self) -> TuningTrial:
        """The best trial; of equal ones the first."""
        return max(self.trials, key=lambda trial: trial.accuracy)
