"""What a run is to do with results that are there already, and how its nodes may run."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto

from pmd_pipeline.shell import kedro


class Intent(Enum):
    """What a run is to do with results that are there already."""

    DEFAULT = auto()
    """Keep what is done if the run trains or evaluates models; if not, make again what is asked."""
    CONTINUE = auto()
    """Keep what is done: ``--only-missing-outputs``."""
    OVERWRITE = auto()
    """Make everything again: ``--overwrite``."""


class RunnerError(ValueError):
    """Nodes would not run one after another."""


_intent: ContextVar[Intent | None] = ContextVar("intent", default=None)

_CONCURRENT = ("ThreadRunner", "ParallelRunner")


@contextmanager
def intending(intent: Intent) -> Iterator[None]:
    """Begin runs within the block with an intent."""
    token = _intent.set(intent)
    try:
        yield
    finally:
        _intent.reset(token)


def has_stated_intent() -> bool:
    """Return True within :func:`intending`, as in ``kedro run``; other commands just look."""
    return _intent.get() is not None


def intent_of_run(*, only_missing_outputs: bool) -> Intent:
    """Return the intent of the run that begins now.

    Args:
        only_missing_outputs: Kedro's option, which decides where no intent was stated.
    """
    stated = _intent.get()
    if stated is not None:
        return stated
    return Intent.CONTINUE if only_missing_outputs else Intent.DEFAULT


def refuse_concurrency(runner: str | None, *, is_async: bool = False) -> None:
    """Refuse what would run several nodes, or load and save, at the same time.

    Args:
        runner: The name of Kedro's runner, or its representation; None: Kedro's default.
        is_async: Whether threads load and save.

    Raises:
        RunnerError: If nodes would not run one after another.
    """
    found = next((name for name in _CONCURRENT if name in (runner or "")), None)
    if found is None and is_async:
        found = "loading and saving by threads (--async)"
    if found is not None:
        raise RunnerError(
            f"{found} does not work here: nodes share an engine, a device and the run's state, so "
            "they run one after another. Leave it out; for several GPUs see docs/multi_gpu.md, for "
            f"several trials at once {kedro('study worker')}"
        )
