"""A tabular laboratory: rounds of updates on one softmax bandit, exact or from sampled groups.

An exact round jumps to the population fixed point. A sampled round does what training does: draw a
group of n rollouts, estimate advantages from it, and take gradient steps on the logits.
"""

from dataclasses import dataclass
from typing import assert_never, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from pmd_pipeline.config.theory import LaboratoryMethod
from pmd_pipeline.theory.arrays import FloatArray, log_sum_exp_rows
from pmd_pipeline.theory.divergences import chi2_terms, kl_terms
from pmd_pipeline.theory.population import solve_pmd
from pmd_pipeline.theory.problem import bandit_problem

LOG_PROB_FLOOR = -600.0
"""Below it a probability would soon leave float64's range; actions are kept there. No reward or
divergence can show the difference, a smallest log-ratio after many rounds can."""

STANDARD_DEVIATION_EPSILON = 1e-6
"""Added to the group's standard deviation, as in the common implementations of GRPO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryRun:
    """What rounds of one method did. S replicates; exact runs have S = 1.

    Attributes:
        expected_reward: Under the policy after each round, reward units, [T + 1, S]; row 0 is the
            initial policy.
        kl: KL(after || before) of each round, nats, [T, S].
        chi2: chi-squared(after || before) of each round, [T, S].
        min_log_ratio: Smallest log-ratio of each round over all actions, nats, [T, S].
        max_log_ratio: Largest one, nats, [T, S].
        probs: Final policies, [S, K].
    """

    expected_reward: FloatArray
    kl: FloatArray
    chi2: FloatArray
    min_log_ratio: FloatArray
    max_log_ratio: FloatArray
    probs: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientSteps:
    """The gradient steps within a round.

    Attributes:
        num_updates: Steps per round.
        learning_rate: Of the logits, per unit of advantage.
        clip: The policy gradient's ratio is clipped to ``1 +- clip``.
    """

    num_updates: int = 64
    learning_rate: float = 1.0
    clip: float = 0.2

    def __post_init__(self) -> None:
        if self.num_updates < 1 or self.learning_rate <= 0 or not 0 < self.clip < 1:
            raise ValueError(
                "num_updates must be at least 1, learning_rate positive and clip inside (0, 1); "
                f"found {self.num_updates}, {self.learning_rate} and {self.clip}"
            )


def run_laboratory(
    probs: ArrayLike,
    rewards: ArrayLike,
    *,
    method: LaboratoryMethod,
    tau: float,
    num_rounds: int,
    group_size: int | None = None,
    num_seeds: int = 1,
    seed: int = 0,
    steps: GradientSteps | None = None,
) -> LaboratoryRun:
    """Run rounds of one method on a softmax bandit.

    With ``group_size`` None a round is exact: PMD-mean and PMD-part go to their population
    solution; the group-standardised policy gradient takes its steps on the population surrogate.
    Otherwise every round of every replicate draws its own group; PMD uses leave-one-out baselines
    and steps on ``tau / 2 * (advantage / tau - log ratio) ** 2``.

    Args:
        probs: Initial policy, [K]; positive, sums to one.
        rewards: [K].
        method: ``"pmd_mean"``, ``"pmd_part"`` or ``"group_standardised"``.
        tau: Reward units per nat, positive; the policy gradient ignores it.
        num_rounds: T, at least 1.
        group_size: n, at least 2; None for exact rounds.
        num_seeds: S, independent replicates of a sampled run.
        seed: Decides the draws.
        steps: The gradient steps within a round.

    Raises:
        ValueError: If an input is malformed.
    """
    problem = bandit_problem(probs, rewards, tau)
    if problem.is_batched:
        raise ValueError(f"probs must be one policy, [K]; found {len(problem.probs)} of them")
    if method not in get_args(LaboratoryMethod):
        raise ValueError(
            f"unknown method {method!r}; choose one of {', '.join(get_args(LaboratoryMethod))}"
        )
    if num_rounds < 1 or num_seeds < 1 or (group_size is not None and group_size < 2):
        raise ValueError(
            "num_rounds and num_seeds must be at least 1 and group_size at least 2; found "
            f"{num_rounds}, {num_seeds} and {group_size}"
        )
    reward = problem.relative_rewards[0] + problem.reference[0]
    steps = steps or GradientSteps()
    generator = np.random.default_rng(seed)
    log_policy = np.repeat(problem.log_probs, 1 if group_size is None else num_seeds, axis=0)
    rewards_after = [np.exp(log_policy) @ reward]
    rounds: list[tuple[FloatArray, ...]] = []
    for _ in range(num_rounds):
        policy = np.exp(log_policy)
        if group_size is None:
            weights = policy
        else:
            weights = generator.multinomial(group_size, policy) / group_size
        if group_size is None and method != "group_standardised":
            log_ratios = solve_pmd(policy[0], reward, tau, method=method).log_ratios[None]
        else:
            advantages = _advantages(weights, reward, method, tau, group_size)
            log_ratios = _gradient_round(log_policy, weights, advantages, method, tau, steps)
        after = _floored(log_policy + log_ratios)
        change = after - log_policy
        kl, chi2 = kl_terms(policy, change).sum(axis=-1), chi2_terms(policy, change).sum(axis=-1)
        rounds.append((kl, chi2, change.min(axis=-1), change.max(axis=-1)))
        rewards_after.append(np.exp(after) @ reward)
        log_policy = after
    kl, chi2, smallest, largest = (np.stack(values) for values in zip(*rounds, strict=True))
    return LaboratoryRun(
        expected_reward=np.stack(rewards_after),
        kl=kl,
        chi2=chi2,
        min_log_ratio=smallest,
        max_log_ratio=largest,
        probs=np.exp(log_policy),
    )


def _advantages(
    weights: FloatArray,
    reward: FloatArray,
    method: LaboratoryMethod,
    tau: float,
    group_size: int | None,
) -> FloatArray:
    """Return the advantage of a rollout of each action, [S, K]; 0 where no rollout took it."""
    mean = (weights @ reward)[:, None]
    if method == "group_standardised":
        correction = 1.0 if group_size is None else group_size / (group_size - 1)
        variance = (weights * (reward - mean) ** 2).sum(axis=-1, keepdims=True) * correction
        return np.asarray((reward - mean) / (np.sqrt(variance) + STANDARD_DEVIATION_EPSILON))
    assert group_size is not None, "exact rounds of PMD are solved, not stepped"
    match method:
        case "pmd_mean":
            return (reward - mean) * group_size / (group_size - 1)
        case "pmd_part":
            return _minus_leave_one_out_log_partition(weights, reward, tau, group_size)
        case _:
            assert_never(method)


def _minus_leave_one_out_log_partition(
    weights: FloatArray, reward: FloatArray, tau: float, group_size: int
) -> FloatArray:
    """Leave out by leaving out: an action's own rollout is taken from the counts, [S, K, K]."""
    counts = np.round(weights * group_size)
    others = np.maximum(counts[:, None, :] - np.eye(len(reward)), 0.0)
    log_others = np.where(others > 0, np.log(np.maximum(others, 1.0)), -np.inf)
    baseline = tau * (log_sum_exp_rows(log_others + reward / tau) - np.log(group_size - 1))
    return np.where(counts > 0, reward - baseline, 0.0)


def _gradient_round(
    log_policy: FloatArray,
    weights: FloatArray,
    advantages: FloatArray,
    method: LaboratoryMethod,
    tau: float,
    steps: GradientSteps,
) -> FloatArray:
    """Return the log-ratios after a round's gradient steps on the logits, [S, K]."""
    logits = log_policy.copy()
    log_ratios = np.zeros_like(logits)
    for _ in range(steps.num_updates):
        if method == "group_standardised":
            ratio = np.exp(np.minimum(log_ratios, 50.0))
            is_clipped = np.where(advantages > 0, ratio > 1 + steps.clip, ratio < 1 - steps.clip)
            pull = np.where(is_clipped, 0.0, weights * advantages * ratio)
        else:
            pull = weights * (advantages - tau * log_ratios)
        policy = np.exp(log_policy + log_ratios)
        logits = logits + steps.learning_rate * (pull - policy * pull.sum(axis=-1, keepdims=True))
        log_ratios = log_softmax(logits, axis=-1) - log_policy
    return log_ratios


def _floored(log_policy: FloatArray) -> FloatArray:
    """Keep log-probabilities above the floor and normalised."""
    return np.asarray(log_softmax(np.maximum(log_policy, LOG_PROB_FLOOR), axis=-1))
