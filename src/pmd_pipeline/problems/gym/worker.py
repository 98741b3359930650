"""The process that draws problems of Reasoning Gym.

Some families draw from sets of texts, whose order changes from process to process unless
``PYTHONHASHSEED`` is fixed, and some use Python's one global generator. In a process of its own
with both fixed, every problem follows from its seed and index.
"""

import random
from typing import Any

from pmd_pipeline.problems.gym.families import GymError, encode, open_family
from pmd_pipeline.processes.server import serve

ROUNDS = 10  # draws per problem wanted, before a family counts as exhausted
_SHORTEST_SEARCH = 100  # draws that even a small set may take


class GymServer:
    """Draws problems."""

    def draw(
        self, dataset: str, options: dict[str, Any], num_problems: int, seed: int
    ) -> list[dict[str, Any]]:
        """See :func:`draw`."""
        return draw(dataset, options, num_problems, seed)


def draw(
    dataset: str, options: dict[str, Any], num_problems: int, seed: int
) -> list[dict[str, Any]]:
    """Return problems with distinct questions, at most ``num_problems``.

    Problem i of a set is drawn with ``seed + i``. Questions that came before are left out, and
    more are drawn in their place, so no draw uses a seed beyond
    ``seed + max(ROUNDS * num_problems, 100)``.
    """
    problems: dict[str, dict[str, Any]] = {}
    size = max(num_problems, _SHORTEST_SEARCH // ROUNDS)
    for first in range(0, ROUNDS * size, size):
        family = open_family(dataset, options, seed=seed + first, size=size)
        num_before = len(problems)
        for index in range(size):
            if len(problems) == num_problems:
                return list(problems.values())
            random.seed(seed + first + index)
            entry = _entry(family, dataset, index)
            key = " ".join(entry["question"].split())
            if key not in problems:
                problems[key] = {
                    "question": entry["question"],
                    "answer": entry["answer"],
                    "number": first + index,
                    "family": {"seed": seed + first, "size": size, "index": index},
                    "entry_metadata": encode(entry["metadata"]),
                }
        if len(problems) == num_before:
            break
    return list(problems.values())


def _entry(family: Any, dataset: str, index: int) -> Any:
    try:
        return family[index]
    except Exception as error:  # a family is code of its own and raises what it likes
        raise GymError(
            f"the family {dataset!r} fails on problem {index} with {type(error).__name__}: "
            f"{error}; change options"
        ) from error


if __name__ == "__main__":
    serve(GymServer)
