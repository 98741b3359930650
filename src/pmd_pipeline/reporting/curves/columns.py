"""Which curves are drawn, each defined once."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.metrics.budgets import has_lag
from pmd_pipeline.rollouts.tables import PART_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A quantity of the table ``round_metrics``, drawn over the rounds.

    Attributes:
        column: Of the table; also the figure's name.
        title: What it is.
        y_label: Its units.
        meaning: One or two sentences for a reader who meets it for the first time.
        linear_width: Where given, the axis becomes logarithmic beyond this value when the data
            spread widely.
        includes_zero: True if the axis must show zero.
        smooths: True if a mean over rounds keeps its meaning; an extreme's does not.
        over_seeds: What the line and the band of several seeds are, in words.
    """

    column: str
    title: str
    y_label: str
    meaning: str
    linear_width: float | None = None
    includes_zero: bool = False
    smooths: bool = True
    over_seeds: str = (
        "The line is the mean of {num_seeds} seeds, thin lines are the seeds, and the band "
        "reaches from the least to the greatest."
    )


REWARD_CURVE = Curve(
    column="mean_reward",
    title="Mean reward",
    y_label="reward",
    meaning="Mean reward of the rollouts that a round trained on. Look for a steady rise: a flat "
    "line from the start is a set of problems too hard or too easy to learn from, a fall after a "
    "rise a policy that breaks.",
)

# After the reward and the evaluations: how the policy moves.
POLICY_CURVES = (
    Curve(
        column="entropy",
        title="Entropy",
        y_label="nats per token",
        meaning="Entropy of the behaviour policy, mean over the response tokens. Look for how soon "
        "it nears zero: a policy there has stopped exploring, and rewards rise no more.",
        includes_zero=True,
    ),
    Curve(
        column="mean_response_tokens",
        title="Response length",
        y_label="tokens",
        meaning="Mean length of the round's responses. Look for jumps: responses that grow longer "
        "while the reward does not are padded or cut off at the limit, much shorter ones leave "
        "out their working.",
    ),
    Curve(
        column="log_ratio_min",
        title="Smallest log-ratio",
        y_label="nats",
        meaning="The smallest sequence log-ratio of the updated over the behaviour policy, after "
        "the round's last mini-batch: how far the update pushed a response down. Look for the "
        "deepest line: at −2.3 a response became ten times less likely, at −7 a thousand times.",
        linear_width=1.0,
        includes_zero=True,
        smooths=False,
        over_seeds="Thin lines are {num_seeds} seeds, the line is the mean of their smallest "
        "log-ratios, and the lower edge of the band is the smallest of all seeds.",
    ),
    Curve(
        column="kl",
        title="KL(updated ‖ behaviour)",
        y_label="nats per response",
        meaning="Estimate, from the round's rollouts, of the KL divergence of the updated policy "
        "from the one that sampled them. Look for spikes: after a long step the rollouts say "
        "little of the policy that they made.",
        linear_width=0.01,
        includes_zero=True,
    ),
    Curve(
        column="gradient_norm",
        title="Gradient norm",
        y_label="norm before clipping",
        meaning="Norm of the gradient before clipping, mean over the round's updates. Look for "
        "spikes, which clipping cuts off, and for zero, where a round had nothing to teach.",
        linear_width=0.1,
        includes_zero=True,
    ),
)

CURVES = (REWARD_CURVE, *POLICY_CURVES)

_LAG_CURVES = (
    Curve(
        column="staleness_updates",
        title="Staleness",
        y_label="updates",
        meaning="Updates between the policy that sampled the round's rollouts and the one that the "
        "round began with. Look for algorithms of equal staleness: the more of it, the more an "
        "update must correct for.",
        includes_zero=True,
    ),
    Curve(
        column="staleness_rounds",
        title="Staleness in rounds",
        y_label="rounds",
        meaning="Rounds between the policy that sampled the round's rollouts and the one that the "
        "round began with: training.lag, and fewer at the beginning of a phase.",
        includes_zero=True,
    ),
)


def lag_curves(round_metrics: pd.DataFrame) -> tuple[Curve, ...]:
    """Return the curves of staleness; none where each round trained the policy that sampled.

    Args:
        round_metrics: One row per algorithm, training seed and round.
    """
    return _LAG_CURVES if has_lag(round_metrics) else ()


def part_curves(columns: Iterable[str]) -> tuple[Curve, ...]:
    """Return a curve for each part of a reward that is made of several.

    Args:
        columns: Of the table ``round_metrics``.
    """
    names = [name for name in map(str, columns) if name.startswith(PART_PREFIX)]
    if len(names) < 2:
        return ()
    return tuple(
        Curve(
            column=name,
            title=f"Reward: {name.removeprefix(PART_PREFIX)}",
            y_label="reward",
            meaning="Mean of this part of the reward over the round's rollouts, before its weight. "
            "Look for a part that rises while the others fall: it is what the policy has learnt.",
        )
        for name in names
    )
