"""Problems of Reasoning Gym: over a hundred families of puzzles with verifiers of their own.

Each problem's ``metadata`` says all that its family needs to score an answer::

    dataset        the family's name
    options        the family's settings
    family         {seed, size, index}: the draw
    answer         the family's own answer, which can be null
    entry          the family's data of this problem, as JSON, see families.encode

Source: Reasoning Gym, arXiv:2505.24760.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pmd_pipeline.config.data_preparation import TRAIN_SET, ReasoningGymSource
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.gym.families import GymError, decode
from pmd_pipeline.problems.stored.layouts import RawProblem
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import CallFailedError
from pmd_pipeline.records import Prompt
from pmd_pipeline.seeds import derive_seed

_WORKER = "pmd_pipeline.problems.gym.worker"
# Some families take seeds below 2**32 alone. Train draws from the lower half of what is left when
# room for the largest set is kept, evaluation from the upper half: the two never share a seed.
_HALF = 2**31
_ROOM = 2**24


def draw_problems(
    source: ReasoningGymSource, *, set_name: str, seed: int, key: str
) -> Iterator[RawProblem]:
    """Yield ``num_problems`` problems with distinct questions.

    Args:
        source: Family, options and number.
        set_name: The set that they are for.
        seed: The run's seed.
        key: The parameter that holds the source, for messages.

    Raises:
        ProblemSourceError: If Reasoning Gym is not installed, knows no such family or option, or
            the family has too few distinct questions.
    """
    problems = _draw(source, first_seed(seed, set_name), key)
    if len(problems) < source.num_problems:
        raise ProblemSourceError(
            f"{key}: the family {source.dataset!r} with the options {dict(source.options)} gave "
            f"only {len(problems)} distinct questions for num_problems {source.num_problems}; ask "
            "for fewer, or choose options with more variety"
        )
    for problem in problems:
        is_question = source.text == "question"
        yield RawProblem(
            row_id=f"{source.dataset}-{problem['number']}",
            problem=problem["question"] if is_question else _expression(problem, source, key),
            answer=None if problem["answer"] is None else str(problem["answer"]),
            metadata={
                "dataset": source.dataset,
                "options": source.options,
                "family": problem["family"],
                "answer": problem["answer"],
                "entry": problem["entry_metadata"],
                **({} if is_question else {"question": problem["question"]}),
            },
        )


def first_seed(seed: int, set_name: str) -> int:
    """Return the seed of a set's first problem: below 2**31 for train, from there on for others."""
    drawn = derive_seed(seed, "reasoning_gym", set_name) % (_HALF - _ROOM)
    return drawn if set_name == TRAIN_SET else _HALF + drawn


def is_gym_prompt(metadata: Mapping[str, Any]) -> bool:
    """Return True if a problem was drawn here."""
    return {"dataset", "options", "family", "answer", "entry"} <= metadata.keys()


def gym_entry(prompt: Prompt) -> dict[str, Any]:
    """Return the problem as its family made it: question, answer and metadata."""
    return {
        "question": prompt.metadata.get("question", prompt.problem),
        "answer": prompt.metadata["answer"],
        "metadata": decode(prompt.metadata["entry"]),
    }


def _expression(problem: Mapping[str, Any], source: ReasoningGymSource, key: str) -> str:
    """Return the bare expression of a problem, without blanks."""
    entry = problem["entry_metadata"]
    expression = entry.get("expression") if isinstance(entry, Mapping) else None
    if not isinstance(expression, str):
        raise ProblemSourceError(
            f"{key}.text is expression, but problems of the family {source.dataset!r} hold none; "
            "set it to question, or choose a family of arithmetic such as chain_sum"
        )
    return "".join(expression.split())


def _draw(source: ReasoningGymSource, seed: int, key: str) -> list[dict[str, Any]]:
    child = ChildProcess(_WORKER, name=key, environment={"PYTHONHASHSEED": "0"})
    try:
        problems: list[dict[str, Any]] = child.call(
            "draw",
            dataset=source.dataset,
            options=source.options,
            num_problems=source.num_problems,
            seed=seed,
        )
    except CallFailedError as error:
        if error.error_type == GymError.__name__:
            raise ProblemSourceError(f"{key}: {error.error_message}") from error
        raise
    finally:
        child.kill()
    return problems
