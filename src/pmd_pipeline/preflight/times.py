"""How long sampling and updating take, from stated throughputs: after each other, or at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from pmd_pipeline.preflight.workload import Assumptions, RoundWork, RunWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Of all devices together.

    Attributes:
        sampling_tokens_per_second: Response tokens.
        training_tokens_per_second: Prompt and response tokens, forward and backward.
        forward_share: Of an update's forward and backward pass that a forward pass alone takes.
        publishing_seconds: Until those that sample have a policy's new weights.
    """

    sampling_tokens_per_second: float
    training_tokens_per_second: float
    forward_share: float
    publishing_seconds: float = 0.0


def throughput(
    known: Assumptions,
    *,
    num_sampling: int,
    num_training: int,
    gradient_checkpointing: bool,
    publishing_seconds: float = 0.0,
) -> Throughput | None:
    """Return the throughput of all devices, None if that of one is not stated.

    A forward pass alone counts as a third of an update's forward and backward, or as a quarter
    with gradient checkpointing, whose backward pass includes a second forward pass.

    Args:
        known: Throughputs of one device.
        num_sampling: Devices that sample.
        num_training: Devices that train.
        gradient_checkpointing: Whether activations are computed again.
        publishing_seconds: See :class:`Throughput`.
    """
    sampling, training = known.sampling_tokens_per_second, known.training_tokens_per_second
    if sampling is None or training is None:
        return None
    return Throughput(
        sampling_tokens_per_second=sampling * num_sampling,
        training_tokens_per_second=training * num_training,
        forward_share=1 / 4 if gradient_checkpointing else 1 / 3,
        publishing_seconds=publishing_seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTime:
    """Wall time of one round of one algorithm, seconds.

    Attributes:
        sampling_seconds: Of its rollouts.
        updating_seconds: Of updates and log-probs.
        publishing_seconds: Of new weights to those that sample.
    """

    sampling_seconds: float
    updating_seconds: float
    publishing_seconds: float

    @property
    def in_turns(self) -> float:
        """With lag 0: nothing is trained while a round is sampled."""
        return self.sampling_seconds + self.updating_seconds + self.publishing_seconds

    @property
    def at_once(self) -> float:
        """With lag 1, in the middle of a phase: the next round is sampled during the updates."""
        return max(self.sampling_seconds, self.updating_seconds) + self.publishing_seconds


def round_time(work: RoundWork, of: Throughput) -> RoundTime:
    """Return the time of a round."""
    return RoundTime(
        sampling_seconds=work.sampled_tokens / of.sampling_tokens_per_second,
        updating_seconds=(work.updated_tokens + of.forward_share * work.measured_tokens)
        / of.training_tokens_per_second,
        publishing_seconds=work.num_cycles * of.publishing_seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """Wall time of a run, seconds.

    Attributes:
        sampling_seconds: Of rollouts, and of evaluations and the first rollouts where known.
        updating_seconds: Of updates and log-probs.
        publishing_seconds: Of new weights to those that sample, before each round.
        saved_seconds: What sampling beside training saves of these.
    """

    sampling_seconds: float
    updating_seconds: float
    publishing_seconds: float = 0.0
    saved_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Of all of it."""
        spent = self.sampling_seconds + self.updating_seconds + self.publishing_seconds
        return spent - self.saved_seconds


def duration(
    work: RunWork,
    of: Throughput,
    *,
    num_publications: int = 0,
    saved_seconds: float = 0.0,
) -> Duration:
    """Return how long the run takes.

    Args:
        work: What it computes.
        of: How fast.
        num_publications: Times that new weights go to those that sample.
        saved_seconds: See :func:`saved_by_lag`.
    """
    sampled = work.sampled_tokens + (work.evaluated_tokens or 0) + (work.selection_tokens or 0)
    trained = work.updated_tokens + of.forward_share * work.measured_tokens
    return Duration(
        sampling_seconds=sampled / of.sampling_tokens_per_second,
        updating_seconds=trained / of.training_tokens_per_second,
        publishing_seconds=num_publications * of.publishing_seconds,
        saved_seconds=saved_seconds,
    )


def saved_by_lag(
    rounds: Mapping[str, RoundWork], of: Throughput, *, num_phases: int, rounds_per_phase: int
) -> float:
    """Return the seconds that sampling beside training saves in one training of each algorithm.

    In a phase of R rounds the first samples before it trains, and the last samples nothing ahead:
    R - 1 times the shorter of sampling and updating hides behind the longer.
    """
    times = [round_time(work, of) for work in rounds.values()]
    hidden = sum(time.in_turns - time.at_once for time in times)
    return num_phases * (rounds_per_phase - 1) * hidden
