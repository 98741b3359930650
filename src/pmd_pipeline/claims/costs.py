"""How many CPU seconds units take, judged by those that are done."""

from collections.abc import Iterable
from math import fsum
from statistics import fmean

from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.units import Unit, digest


class UnitCosts:
    """CPU seconds of units.

    One that is not done is taken to cost what those of its kind have cost: the same algorithm, task
    and sizes. Where none of its kind is done, its rollouts cost what the others' have.

    Args:
        units: Done or not.
        store: Has those that are done.
    """

    def __init__(self, units: Iterable[Unit], store: ResultStore) -> None:
        by_kind: dict[str, list[float]] = {}
        per_rollout = []
        for unit in units:
            if (result := store.read(unit)) is not None:
                seconds = sum(result.cpu_seconds.values())
                by_kind.setdefault(_kind(unit), []).append(seconds)
                per_rollout.append(seconds / unit.num_rollouts)
        self._of_kind = {kind: fmean(seconds) for kind, seconds in by_kind.items()}
        self._per_rollout = fmean(per_rollout) if per_rollout else None

    def seconds(self, unit: Unit) -> float | None:
        """Return what a unit costs; None while nothing is done."""
        if (known := self._of_kind.get(_kind(unit))) is not None:
            return known
        return None if self._per_rollout is None else self._per_rollout * unit.num_rollouts

    def sum(self, units: Iterable[Unit]) -> float | None:
        """Return what all of them cost; None while that is not known of each."""
        seconds = [self.seconds(unit) for unit in units]
        known = [value for value in seconds if value is not None]
        return fsum(known) if len(known) == len(seconds) else None


def _kind(unit: Unit) -> str:
    """Return a name of what decides a unit's cost: its sizes, and which algorithm it trains."""
    settings = unit.settings(with_defaults=False)
    training = {name: value for name, value in settings["training"].items() if name != "optimizer"}
    return digest(
        {
            "algorithm": unit.algorithm.kind,
            "updates": unit.algorithm.num_mini_batches,
            "group_size": unit.algorithm.group_size,
            "training": training,
            "policy": settings["policy_initialisation"],
            "data": settings["data_preparation"],
            "evaluation": settings["evaluation"],
        }
    )
