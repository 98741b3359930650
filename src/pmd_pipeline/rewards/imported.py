"""A reward function of the user's own, in processes that are killed when they hang."""

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, NoReturn

from pmd_pipeline.config.rewards import ImportRewardConfig
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import CallFailedError, CallTimeoutError, ChildError
from pmd_pipeline.processes.pool import Pool
from pmd_pipeline.processes.worker import Worker
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.rewards.checked_scores import BadScoreError, checked_scores

PREPARE_SECONDS: Final = 600.0  # a reward may load a model of its own
_PROGRAM: Final = "pmd_pipeline.rewards.reward_worker"
_SHOWN_CHARACTERS: Final = 300

_logger = logging.getLogger(__name__)
_Group = tuple[list[Prompt], list[str]]


class RewardError(ValueError):
    """A response could not be scored; the message names reward, problem and response."""


class RewardNotMadeError(RewardError):
    """There is no function to score with: it was not found, or could not be made."""


class ImportedReward:
    """Calls a function that an import path makes, in worker processes.

    Each process makes its own function once. A process that hangs or dies is replaced.

    Args:
        config: Import path, options, limits, and what an error means.
        parameter: The section that holds it, for messages.
    """

    def __init__(self, config: ImportRewardConfig, *, parameter: str = "rewards") -> None:
        self._config = config
        self._parameter = parameter
        self._pool = Pool(lambda: _RewardWorker(config, parameter), config.num_workers)
        self._part_names: set[str] | None = None

    @property
    def two_values(self) -> tuple[float, float] | None:
        """What the function's own attribute ``two_values`` says; None without one.

        Raises:
            RewardError: If the function cannot be made.
        """
        with self._pool.lend() as worker:
            values = worker.prepare()
        return None if values is None else (float(values[0]), float(values[1]))

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return one score per response; see :class:`RewardFunction`.

        Raises:
            RewardError: If the function cannot be made, or a response cannot be scored and
                ``on_error`` is ``stop``.
        """
        pairs = zip(prompts, responses, strict=True)
        groups: list[_Group] = []
        for _, members in groupby(pairs, key=lambda pair: pair[0].problem_id):
            group_prompts, texts = zip(*members, strict=True)
            groups.append((list(group_prompts), list(texts)))
        scores = [score for group in self._pool.map(self._score_group, groups) for score in group]
        self._refuse_other_parts(prompts, scores)
        return scores

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        """Start the processes, no more than there are problems; return before they are ready."""
        self._pool.start(len({prompt.problem_id for prompt in prompts}))

    def close(self) -> None:
        """End the processes."""
        self._pool.kill()

    def _score_group(self, group: _Group) -> list[Score]:
        with self._pool.lend() as worker:
            return self._score_with(worker, *group)

    def _score_with(
        self, worker: "_RewardWorker", prompts: list[Prompt], responses: list[str]
    ) -> list[Score]:
        worker.prepare()
        try:
            return worker.score(prompts, responses)
        except (ChildError, BadScoreError) as error:
            if len(responses) == 1:
                return [self._unscored(prompts[0], responses[0], error)]
            together = error
        # One by one, to find the response that cannot be scored.
        scores = []
        for prompt, response in zip(prompts, responses, strict=True):
            try:
                scores += worker.score([prompt], [response])
            except (ChildError, BadScoreError) as error:
                scores.append(self._unscored(prompt, response, error))
        if not any(score.reason in _FAILURES for score in scores):
            # Alone each has a score: it is the call as a whole that fails.
            return [
                self._unscored(prompt, response, together)
                for prompt, response in zip(prompts, responses, strict=True)
            ]
        return scores

    def _unscored(self, prompt: Prompt, response: str, error: Exception) -> Score:
        reason = "timeout" if isinstance(error, CallTimeoutError) else "error"
        message = (
            f"{self._parameter} ({self._config.import_path}): a response to problem "
            f"{prompt.problem_id!r} could not be scored: {_why(error)}. "
            f"The response: {_shortened(response)}"
        )
        if self._config.on_error == "stop":
            raise RewardError(
                f"{message}\nCorrect the function, raise {self._parameter}.timeout_seconds "
                f"(now {self._config.timeout_seconds:g}) if it needs longer, or set "
                f"{self._parameter}.on_error: incorrect. What was done before this round is kept: "
                "continue with --only-missing-outputs"
            ) from error
        _logger.warning("%s It gets incorrect_reward.", message)
        return Score(reward=self._config.incorrect_reward, correct=False, reason=reason)

    def _refuse_other_parts(self, prompts: Sequence[Prompt], scores: Sequence[Score]) -> None:
        for prompt, score in zip(prompts, scores, strict=True):
            if score.reason in _FAILURES:
                continue
            if self._part_names is None:
                self._part_names = set(score.parts)
            if set(score.parts) != self._part_names:
                raise RewardError(
                    f"{self._parameter} ({self._config.import_path}): every score must have the "
                    f"same parts; those of a response to problem {prompt.problem_id!r} are "
                    f"{sorted(score.parts)}, earlier ones {sorted(self._part_names)}"
                )


class _RewardWorker:
    """One process, told what to import whenever it is a new one."""

    def __init__(self, config: ImportRewardConfig, parameter: str) -> None:
        self._config = config
        self._parameter = parameter
        self._worker = Worker(
            lambda: ChildProcess(_PROGRAM, name=f"{parameter} ({config.import_path})")
        )
        self._prepared_process: int | None = None
        self._two_values: Any = None

    def prepare(self) -> Any:
        """Have the process make the function; return its ``two_values``."""
        if self._prepared_process == self._worker.process_id:
            return self._two_values
        try:
            self._two_values = self._worker.call(
                "prepare",
                import_path=self._config.import_path,
                options=self._config.options,
                parameter=self._parameter,
                timeout_seconds=PREPARE_SECONDS,
            )
        except ChildError as error:
            self._fail(error)
        self._prepared_process = self._worker.process_id
        return self._two_values

    def score(self, prompts: list[Prompt], responses: list[str]) -> list[Score]:
        self.prepare()
        result = self._worker.call(
            "score",
            prompts=prompts,
            responses=responses,
            timeout_seconds=self._config.timeout_seconds,
        )
        return checked_scores(result, len(responses))

    def kill(self) -> None:
        self._worker.kill()

    def _fail(self, error: ChildError) -> NoReturn:
        if isinstance(error, CallFailedError) and error.error_type == "UserImportError":
            raise RewardNotMadeError(error.error_message) from error
        raise RewardNotMadeError(
            f"{self._parameter}: {self._config.import_path} called with the options "
            f"{self._config.options} made no reward function: {_why(error)}"
        ) from error


_FAILURES: Final = frozenset({"error", "timeout"})


def _why(error: Exception) -> str:
    if isinstance(error, CallFailedError):
        lines = error.traceback_text.strip().splitlines()
        place = next((line.strip() for line in reversed(lines) if line.startswith("  File ")), "")
        return f"{error.error_type}: {error.error_message} ({place})"
    return str(error)


def _shortened(response: str) -> str:
    if len(response) <= _SHOWN_CHARACTERS:
        return repr(response)
    return f"{response[:_SHOWN_CHARACTERS]!r}... ({len(response):,} characters)"
