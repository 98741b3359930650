"""The unit of work: one training on one pair of seeds, named by all that decides what it finds."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel

from pmd_pipeline.claims.results import SeedPair
from pmd_pipeline.config.algorithms import AnyAlgorithmConfig
from pmd_pipeline.config.comparison import planned
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.flat_parameters import flatten

NUMERICS: Final = 1
"""Raised whenever the same settings begin to give other numbers: no older result is then used."""

_SECTIONS = ("data_preparation", "policy_initialisation", "rewards", "evaluation", "training")
# Of no effect on numbers: what is trained beside it, and how an evaluation's interval is computed.
_WITHOUT_EFFECT = {
    "training": {"algorithms", "seeds"},
    "evaluation": {"interval_level"},
}


@dataclass(frozen=True, kw_only=True)  # without slots, so that its key is computed once
class Unit:
    """A training with its evaluations.

    Attributes:
        experiment: Trains a single algorithm; ``seed`` decides its problems alone.
        seeds: Decide all the rest.
        on_validation: Whether it is evaluated on the evaluation set ``validation``, less what is
            also in another set, instead of on the others.
        alone: Whether nothing may run beside it, because its seconds count.
    """

    experiment: ExperimentConfig
    seeds: SeedPair
    on_validation: bool = False
    alone: bool = False

    @property
    def label(self) -> str:
        """Of its algorithm."""
        return self.experiment.training.algorithms[0]

    @property
    def algorithm(self) -> AnyAlgorithmConfig:
        """What it trains."""
        return self.experiment.algorithms[self.label]

    @property
    def num_rollouts(self) -> int:
        """Of the whole training."""
        return planned(self.experiment.training, self.algorithm)["rollouts"]

    @cached_property
    def key(self) -> str:
        """Of everything that decides its result; what has a default counts where it differs."""
        return digest(self.settings(with_defaults=False))

    @property
    def initial_key(self) -> str:
        """Of everything that decides its initial policy."""
        data = self.experiment.data_preparation
        return digest(
            {
                "numerics": NUMERICS,
                "policy": _dump(self.experiment.policy_initialisation.policy),
                "train": _dump(data.train),
                "compute": _dump(self.experiment.compute),
                "seed": self.seeds.warm_start,
            }
        )

    @property
    def evaluation_key(self) -> str:
        """Of everything that decides how its initial policy is evaluated."""
        settings = self.settings(with_defaults=False)
        names = ("problem_seed", "data_preparation", "rewards", "evaluation", "on_validation")
        return digest({"initial": self.initial_key, **{name: settings[name] for name in names}})

    def settings(self, *, with_defaults: bool = True) -> dict[str, Any]:
        """Return everything that decides its result, as JSON values."""
        experiment = self.experiment
        sections = {
            name: _without(
                _dump(getattr(experiment, name), with_defaults=with_defaults),
                _WITHOUT_EFFECT.get(name, set()),
            )
            for name in _SECTIONS
        }
        return {
            "numerics": NUMERICS,
            "problem_seed": experiment.seed,
            "warm_start_seed": self.seeds.warm_start,
            "training_seed": self.seeds.training,
            "on_validation": self.on_validation,
            "alone": self.alone,
            "compute": _dump(experiment.compute, with_defaults=with_defaults),
            "algorithm": _dump(self.algorithm, with_defaults=with_defaults),
            **sections,
        }

    def is_same_as(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a result of these settings is this unit's.

        What only one of the two knows is an option that came or went with another version, and had
        no effect where it is not set; what both know must be equal.
        """
        own, other = _flat(self.settings()), _flat(settings)
        return all(own[name] == other[name] for name in own.keys() & other.keys())


def digest(settings: Mapping[str, Any]) -> str:
    """Return a short name for JSON values, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _dump(model: BaseModel, *, with_defaults: bool = False) -> dict[str, Any]:
    """Return a model's values; its ``kind`` always, as that says what the others mean."""
    values = model.model_dump(mode="json", exclude_defaults=not with_defaults)
    kind = getattr(model, "kind", None)
    return values if kind is None else {"kind": kind, **values}


def _without(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(flatten(settings)))
    return values
