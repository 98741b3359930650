"""What a task must be able to do so that a policy can be warm-started on it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.problems.templates import plain_prompt

GUESS = "\\boxed{"
"""How a response without any working begins; a worked one begins otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistakes:
    """How often a demonstration makes each mistake, as probabilities.

    Attributes:
        skip: Of a guess without any working.
        forget: Of forgetting, at each step where there is something to keep in mind: a carry, a
            minus sign.
        slip: Of a step whose result is off by one; what follows goes on from there.
        guesses_wildly: Whether guesses are so long that hardly one is right by chance, whatever the
            problem.
    """

    skip: float
    forget: float
    slip: float
    guesses_wildly: bool = False


NO_MISTAKES = Mistakes(skip=0.0, forget=0.0, slip=0.0)


def mistakes_of(config: WarmStartConfig) -> Mistakes:
    """Return the mistakes that a configuration asks for."""
    return Mistakes(
        skip=config.skip_probability,
        forget=config.drop_carry_probability,
        slip=config.slip_probability,
        guesses_wildly=config.wanted_pass_rate is not None,
    )


class Demonstration(NamedTuple):
    """A problem and a response to imitate, which may be wrong."""

    problem: str
    response: str


class DemonstratedTask(Protocol):
    """A family of problems with a demonstrator; a file of its own for each.

    Its texts and responses are of the embedded policy's vocabulary, and a response ends with its
    answer in a box.

    Example::

        class DoublingTask:
            def sample(self, num_problems, rng, *, excluded):
                drawn = (str(n) for n in rng.integers(10**6, size=2 * num_problems))
                return [text for text in drawn if text not in excluded][:num_problems]

            def longest(self):
                return "999999"

            def answer(self, problem):
                return str(2 * int(problem))

            def demonstration(self, problem, rng, mistakes):
                if rng.random() < mistakes.skip:
                    return f"\\\\boxed{{{rng.integers(2 * 10**6)}}}"
                return f"{problem}+{problem}=...;\\\\boxed{{{self.answer(problem)}}}"
    """

    def sample(
        self, num_problems: int, rng: np.random.Generator, *, excluded: Collection[str]
    ) -> list[str]:
        """Return problems as the training set has them, none of them in ``excluded``.

        Repeats can occur.

        Raises:
            ProblemSourceError: If there is hardly a problem beside the excluded ones.
        """

    def longest(self) -> str:
        """Return a problem with the longest text and the longest working."""

    def answer(self, problem: str) -> str:
        """Return the right answer, an integer."""

    def demonstration(self, problem: str, rng: np.random.Generator, mistakes: Mistakes) -> str:
        """Return a response, without prompt and special tokens."""


def sample_demonstrations(
    task: DemonstratedTask,
    num_demonstrations: int,
    rng: np.random.Generator,
    mistakes: Mistakes,
    *,
    excluded: Collection[str] = frozenset(),
) -> list[Demonstration]:
    """Return demonstrations of fresh problems, none of them excluded."""
    problems = task.sample(num_demonstrations, rng, excluded=excluded)
    return [
        Demonstration(problem, task.demonstration(problem, rng, mistakes)) for problem in problems
    ]


class Lengths(NamedTuple):
    """Tokens of a demonstration, special ones included."""

    num_prompt_tokens: int
    num_response_tokens: int


def longest_demonstration(task: DemonstratedTask) -> Lengths:
    """Return the embedded policy's tokens of the longest prompt and of the longest response."""
    problem = task.longest()
    response = task.demonstration(problem, np.random.default_rng(0), NO_MISTAKES)
    prompt = plain_prompt("embedded", problem)
    # A token is a character, but for the open box.
    return Lengths(len(prompt) + 1, len(response.replace(GUESS, "x")) + 1)


def is_right(task: DemonstratedTask, problem: str, response: str) -> bool:
    """Return True if a response ends with the problem's answer in a box."""
    boxed = response.rpartition(GUESS)[2]
    number, brace = boxed[:-1], boxed[-1:]
    try:
        return brace == "}" and int(number) == int(task.answer(problem))
    except ValueError:
        return False
