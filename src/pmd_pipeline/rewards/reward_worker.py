"""What a process that scores responses runs: it makes the user's function, and calls it."""

from collections.abc import Sequence
from typing import Any

from pmd_pipeline.importing import import_object
from pmd_pipeline.processes.server import serve
from pmd_pipeline.records import Prompt


class RewardServer:
    """Holds the user's reward function."""

    def __init__(self) -> None:
        self._reward: Any = None

    def prepare(self, import_path: str, options: dict[str, Any], parameter: str) -> Any:
        """Make the function, and return what its attribute ``two_values`` says."""
        make = import_object(import_path, parameter=f"{parameter}.import_path")
        if not callable(make):
            raise TypeError(f"{import_path} is a {type(make).__name__}, no function or class")
        self._reward = make(**options)
        if not callable(self._reward):
            raise TypeError(
                f"{import_path} returned a {type(self._reward).__name__}; it must return a "
                "function of prompts and responses"
            )
        return getattr(self._reward, "two_values", None)

    def score(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Any:
        """Call the function."""
        scores = self._reward(prompts, responses)
        # Tensors and arrays as plain numbers.
        return scores.tolist() if hasattr(scores, "tolist") else scores


if __name__ == "__main__":
    serve(RewardServer)
