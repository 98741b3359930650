"""What is to be done for some claims: tunings first, then pair after pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pmd_pipeline.claims.arms import arm_experiment, trial_experiment, trials_of
from pmd_pipeline.claims.results import (
    ClaimResults,
    SeedPair,
    TuningOutcome,
    TuningTrial,
)
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.config.claims import (
    ClaimConfig,
    ClaimsConfig,
    ClaimsError,
    HeadingConfig,
    TuningConfig,
)

# Those below were for looking at learning curves before anything was declared.
_FIRST_SEED = 11
# Far above those of pairs: no claim is judged by what has chosen for it.
_FIRST_TUNING_SEED = 1001

Chosen = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningUnits:
    """One trial of a tuning: its values, and a unit for each pair of seeds."""

    values: Mapping[str, Any]
    units: tuple[Unit, ...]


class ClaimsPlan:
    """The work that some claims need.

    Args:
        config: All that is declared.
        claims: Those that are wanted.
        parameters: The environment's, nested.
        num_pairs: Pairs of seeds; None: as many as are declared.

    Raises:
        ClaimsError: If the parameters of an arm or a trial do not fit together, or more pairs are
            wanted than are declared.
    """

    def __init__(
        self,
        config: ClaimsConfig,
        claims: Mapping[str, ClaimConfig],
        parameters: Mapping[str, Any],
        *,
        num_pairs: int | None = None,
    ) -> None:
        if num_pairs is not None and num_pairs > config.num_pairs:
            raise ClaimsError(
                f"{num_pairs} pairs of seeds are wanted, but the claims declare "
                f"{config.num_pairs}. How many decide is fixed before anything is run: who adds "
                "pairs until a result appears will find one. Ask for fewer, or change num_pairs in "
                "claims.yml and say so"
            )
        self.claims = dict(claims)
        self.num_pairs = config.num_pairs if num_pairs is None else num_pairs
        self._config = config
        self._parameters = parameters
        self.trials = {
            name: self._trials(name, tuning) for name, tuning in self._needed_tunings().items()
        }
        for name in claims:  # mistakes show before anything runs
            self.claim_units(name, self._stand_ins())

    @property
    def pairs(self) -> tuple[SeedPair, ...]:
        """The pairs of seeds that every arm is trained on."""
        seeds = range(_FIRST_SEED, _FIRST_SEED + self.num_pairs)
        return tuple(SeedPair(warm_start=seed, training=seed) for seed in seeds)

    @property
    def heading(self) -> HeadingConfig:
        """What the page says above the verdicts."""
        return self._config.heading

    @property
    def num_declared_pairs(self) -> int:
        """Pairs that the claims declare, however many are wanted now."""
        return self._config.num_pairs

    def tuning(self, name: str) -> TuningConfig:
        """Return how a tuning is declared."""
        return self._config.tunings[name]

    def tuning_units(self) -> list[Unit]:
        """Return what is trained before the pairs, the first repeat of every trial first."""
        return [
            trial.units[repeat]
            for repeat in range(self._config.tuning.num_repeats)
            for trials in self.trials.values()
            for trial in trials
        ]

    def outcome(self, name: str, store: ResultStore) -> TuningOutcome | None:
        """Return what a tuning has found; None while a trial is missing."""
        trials = []
        for trial in self.trials[name]:
            results = [store.read(unit) for unit in trial.units]
            found = [result for result in results if result is not None]
            if len(found) < len(results):
                return None
            trials.append(
                TuningTrial(
                    values=trial.values,
                    accuracies=tuple(result.final.accuracy for result in found),
                )
            )
        return TuningOutcome(trials=tuple(trials))

    def outcomes(self, store: ResultStore) -> dict[str, TuningOutcome]:
        """Return the tunings that are finished."""
        found = {name: self.outcome(name, store) for name in self.trials}
        return {name: outcome for name, outcome in found.items() if outcome is not None}

    def claim_units(self, name: str, chosen: Chosen) -> dict[str, tuple[Unit, ...]]:
        """Return the units of each arm, one per pair, of the arms whose tuning is in ``chosen``."""
        claim = self.claims[name]
        units = {}
        for arm_name, arm in claim.arms.items():
            if arm.tuning is not None and arm.tuning not in chosen:
                continue
            experiment = arm_experiment(
                self._parameters,
                claim,
                arm,
                tuned={} if arm.tuning is None else chosen[arm.tuning],
                where=f"claims.{name}.arms.{arm_name}",
            )
            units[arm_name] = tuple(
                Unit(experiment=experiment, seeds=seeds, alone=claim.alone) for seeds in self.pairs
            )
        return units

    def pair_units(self, chosen: Chosen) -> list[list[Unit]]:
        """Return the units of each pair, every one once: claims share what they have in common."""
        by_arm = [
            units for name in self.claims for units in self.claim_units(name, chosen).values()
        ]
        return [
            list({units[index].key: units[index] for units in by_arm}.values())
            for index in range(self.num_pairs)
        ]

    def expected_units(self, store: ResultStore) -> list[Unit]:
        """Return all that has to be there in the end; unfinished tunings choose their first trial.

        So what it costs can be told before it is known what is chosen.
        """
        pairs = self.pair_units(self.chosen_so_far(store))
        return [*self.tuning_units(), *(unit for pair in pairs for unit in pair)]

    def chosen_so_far(self, store: ResultStore) -> dict[str, Mapping[str, Any]]:
        """Return the values of all tunings: of an unfinished one, its first trial's."""
        return {**self._stand_ins(), **self.chosen(store)}

    def chosen(self, store: ResultStore) -> dict[str, Mapping[str, Any]]:
        """Return the values of the tunings that are finished."""
        return {name: outcome.chosen.values for name, outcome in self.outcomes(store).items()}

    def results(self, name: str, store: ResultStore) -> ClaimResults:
        """Return what is there of a claim: the pairs on which each of its arms is finished."""
        units = self.claim_units(name, self.chosen(store))
        is_whole = len(units) == len(self.claims[name].arms)
        found = {arm: [store.read(unit) for unit in of_arm] for arm, of_arm in units.items()}
        complete = [
            index
            for index in range(self.num_pairs)
            if is_whole and all(results[index] is not None for results in found.values())
        ]
        return ClaimResults(
            seeds=tuple(self.pairs[index] for index in complete),
            arms={
                arm: tuple(result for index in complete if (result := results[index]) is not None)
                for arm, results in found.items()
            },
            num_pairs=self.num_pairs,
        )

    def _needed_tunings(self) -> dict[str, TuningConfig]:
        needed = {arm.tuning for claim in self.claims.values() for arm in claim.arms.values()}
        return {name: tuning for name, tuning in self._config.tunings.items() if name in needed}

    def _trials(self, name: str, tuning: TuningConfig) -> tuple[TuningUnits, ...]:
        return tuple(
            TuningUnits(values=values, units=self._repeats(name, tuning, values))
            for values in trials_of(tuning)
        )

    def _repeats(
        self, name: str, tuning: TuningConfig, values: Mapping[str, Any]
    ) -> tuple[Unit, ...]:
        shared = self._config.tuning
        experiment = trial_experiment(
            self._parameters,
            tuning,
            values,
            validation=shared.validation,
            where=f"tunings.{name}",
        )
        seeds: Sequence[int] = range(_FIRST_TUNING_SEED, _FIRST_TUNING_SEED + shared.num_repeats)
        return tuple(
            Unit(
                experiment=experiment,
                seeds=SeedPair(warm_start=seed, training=seed),
                on_validation=True,
            )
            for seed in seeds
        )

    def _stand_ins(self) -> dict[str, Mapping[str, Any]]:
        return {name: trials[0].values for name, trials in self.trials.items()}
