"""Tokens that an experiment samples and trains on."""

from dataclasses import dataclass
from pathlib import Path

from pmd_pipeline.config.data_preparation import AnyGeneratedSource, ProblemSource
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.overrides import most_prompts_of
from pmd_pipeline.problems.stored.rows import count_rows
from pmd_pipeline.training.setup import BehaviourSource, TrainingSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the user knows about the run and this package cannot.

    Attributes:
        mean_prompt_tokens: None: the longest prompt allowed.
        mean_response_tokens: None: the longest response allowed.
        sampling_tokens_per_second: Response tokens, of each device; None: no times.
        training_tokens_per_second: Prompt and response tokens through one update, forward and
            backward, of each device; None: no times.
    """

    mean_prompt_tokens: float | None = None
    mean_response_tokens: float | None = None
    sampling_tokens_per_second: float | None = None
    training_tokens_per_second: float | None = None

    @property
    def lengths_are_bounds(self) -> bool:
        """True when a length is the limit, so that token counts are "at most"."""
        return self.mean_prompt_tokens is None or self.mean_response_tokens is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundWork:
    """One round of one algorithm.

    Attributes:
        num_rollouts: Responses; at most, where rounds are refilled.
        sampled_tokens: Of the responses.
        updated_tokens: Prompt and response tokens that pass forward and backward.
        measured_tokens: Prompt and response tokens that only pass forward: of behaviour log-probs
            before the updates, and of what is measured after them.
        num_updates: Optimizer steps.
        num_cycles: Times that it samples, each from weights of its own.
        is_refilled: Whether it may draw more prompts than it trains on, so that the numbers of what
            is sampled and measured are bounds.
    """

    num_rollouts: int
    sampled_tokens: float
    updated_tokens: float
    measured_tokens: float
    num_updates: int
    num_cycles: int = 1
    is_refilled: bool = False


def round_work(
    setup: TrainingSetup, source: BehaviourSource, *, max_prompt_tokens: int, known: Assumptions
) -> RoundWork:
    """Return what a round of an algorithm computes, given whence its behaviour log-probs come."""
    training = setup.training
    num_trained = training.prompts_per_round * setup.group_size
    num_rollouts = most_prompts_of(training, setup.algorithm) * setup.group_size
    prompt = known.mean_prompt_tokens or max_prompt_tokens
    response = known.mean_response_tokens or training.sampling.max_new_tokens
    tokens = prompt + response
    return RoundWork(
        num_rollouts=num_rollouts,
        sampled_tokens=num_rollouts * response,
        updated_tokens=num_trained * tokens,
        measured_tokens=num_rollouts
        * tokens
        * (setup.recomputed_fraction(source) + setup.measured_fraction),
        num_updates=setup.num_mini_batches,
        num_cycles=setup.num_cycles,
        is_refilled=setup.refill is not None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """A whole experiment.

    Attributes:
        sampled_tokens: In training rounds.
        updated_tokens: See :class:`RoundWork`.
        measured_tokens: See :class:`RoundWork`.
        evaluated_tokens: Sampled in evaluations; None where the number of problems is unknown.
        selection_tokens: Sampled from the initial policy for every train problem; None likewise.
    """

    sampled_tokens: float
    updated_tokens: float
    measured_tokens: float
    evaluated_tokens: float | None
    selection_tokens: float | None


def run_work(
    experiment: ExperimentConfig, rounds: dict[str, RoundWork], known: Assumptions
) -> RunWork:
    """Return what the experiment computes, given one round of each algorithm."""
    training, evaluation = experiment.training, experiment.evaluation
    data = experiment.data_preparation
    num_seeds = len(training.seeds)
    num_evaluations = 1 + num_seeds * len(rounds) * training.num_phases
    eval_response = known.mean_response_tokens or evaluation.sampling.max_new_tokens
    response = known.mean_response_tokens or training.sampling.max_new_tokens
    eval_counts = [max_problems(source) for source in data.evals.values()]
    num_eval = None if None in eval_counts else sum(count or 0 for count in eval_counts)
    num_train = max_problems(data.train)
    num_rounds = num_seeds * training.num_rounds
    return RunWork(
        sampled_tokens=num_rounds * sum(work.sampled_tokens for work in rounds.values()),
        updated_tokens=num_rounds * sum(work.updated_tokens for work in rounds.values()),
        measured_tokens=num_rounds * sum(work.measured_tokens for work in rounds.values()),
        evaluated_tokens=None
        if num_eval is None
        else num_evaluations * num_eval * evaluation.num_samples * eval_response,
        selection_tokens=None
        if num_train is None
        else num_train * experiment.rollout_generation.num_samples * response,
    )


def max_problems(source: ProblemSource) -> int | None:
    """Return the maximum number of problems of a source, None if not known yet.

    Cleaning drops some, so this is a bound.
    """
    if isinstance(source, AnyGeneratedSource):
        return source.num_problems
    if source.path is None or not Path(source.path).is_file():
        return source.limit
    counts = (count_rows(Path(source.path)), source.limit)
    return min((count for count in counts if count is not None), default=None)
