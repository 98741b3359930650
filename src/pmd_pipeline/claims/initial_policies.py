"""Initial policies, made once per warm-start seed and task and kept on disk, with their scores."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from pmd_pipeline.claims.result_json import evaluation_from_json, evaluation_to_json
from pmd_pipeline.claims.results import Evaluation
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.files import locked, read_sealed_json, write_sealed_json
from pmd_pipeline.policies.loading import initialise_policy
from pmd_pipeline.policies.manifest import MANIFEST_NAME
from pmd_pipeline.policies.policy import resolve_device, weight_dtype
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.seeds import derive_seed


class InitialPolicies:
    """The initial policies in a folder, shared by all processes that work on it.

    Args:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def policy(self, unit: Unit, *, held_out: frozenset[str]) -> PolicyReference:
        """Return the unit's initial policy, which is made unless it is there.

        Args:
            unit: Whose.
            held_out: Evaluation problems, none of which the warm start may demonstrate.
        """
        folder = self._folder / unit.initial_key
        with self._locked(unit):
            if not (folder / MANIFEST_NAME).is_file():
                experiment = unit.experiment
                policy = initialise_policy(
                    experiment.policy_initialisation,
                    seed=derive_seed(unit.seeds.warm_start, "initial policy"),
                    held_out=held_out,
                    train=experiment.data_preparation.train,
                    device=resolve_device(experiment.compute),
                    dtype=weight_dtype(experiment.compute.weights),
                )
                save_policy(policy, folder)
        return PolicyReference(folder=folder)

    def evaluation(self, unit: Unit, evaluate: Callable[[], Evaluation]) -> Evaluation:
        """Return the evaluation of the unit's initial policy, made by ``evaluate`` if missing."""
        path = self._folder / f"{unit.initial_key}.{unit.evaluation_key}.json"
        with self._locked(unit):
            try:
                return evaluation_from_json(read_sealed_json(path))
            except (FileNotFoundError, ValueError, TypeError, KeyError):
                found = evaluate()
                write_sealed_json(path, evaluation_to_json(found))
                return found

    def _locked(self, unit: Unit) -> AbstractContextManager[None]:
        """Keep other processes from making the same."""
        return locked(self._folder / f".{unit.initial_key}.lock")
