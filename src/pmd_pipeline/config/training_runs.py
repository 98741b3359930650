"""A training run: one algorithm, trained with one training seed."""

import re
from dataclasses import dataclass
from typing import Self

_NAMESPACE = re.compile(r"(?P<algorithm>[^.]+)\.seed_(?P<seed>\d+)(?:\.|$)")


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One of the trainings of an experiment, all of which begin with the same initial policy.

    Attributes:
        algorithm: Its label.
        seed: The training seed: decides its rollouts, order of prompts and mini-batches.
    """

    algorithm: str
    seed: int

    @classmethod
    def containing(cls, name: str) -> Self | None:
        """Return the training run whose namespace a name is, or lies in; None if there is none.

        Args:
            name: Of a node, a dataset or a namespace, such as ``pmd_mean.seed_1.phase_2``.
        """
        found = _NAMESPACE.match(name)
        return None if found is None else cls(found["algorithm"], int(found["seed"]))

    @property
    def namespace(self) -> str:
        """Where its nodes and datasets are, such as ``pmd_mean.seed_1``; also its folder."""
        return f"{self.algorithm}.{self.seed_name}"

    @property
    def seed_name(self) -> str:
        """The namespace within the algorithm's, and the tag of all runs of its training seed."""
        return f"seed_{self.seed}"
