"""Which parameters have changed since results were made, and whether that matters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pmd_pipeline.config.effects import ChangesNoResult, Effect, Extends, effects
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.flat_parameters import changes_by_key, flatten
from pmd_pipeline.hooks.run_state import RunState
from pmd_pipeline.hooks.stages import stage_parameters


@dataclass(slots=True, kw_only=True)
class Changes:
    """Parameters that have changed since results were made.

    Attributes:
        refused: By stage, a line for each that decides its results.
        allowed: A line for each that does not, with what it does.
    """

    refused: dict[str, list[str]] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)


class Parameters:
    """The parameters of the present run, by stage.

    Args:
        experiment: All of them.
        checksums: Of the files of models that are evaluated without training, by name: they decide
            results as parameters do.
    """

    def __init__(
        self, experiment: ExperimentConfig, checksums: Mapping[str, str] | None = None
    ) -> None:
        evaluated = experiment.evaluate_models.model_dump(mode="json")
        self._flat = flatten({**experiment.model_dump(mode="json"), "evaluate_models": evaluated})
        for model, checksum in (checksums or {}).items():
            self._flat[f"evaluate_models.models.{model}.checksum"] = checksum
        self._runs = experiment.training_runs()
        self._effects = effects(experiment)

    def of_stage(self, stage: str) -> dict[str, Any]:
        """Return the flat parameters that decide a stage's results."""
        return stage_parameters(stage, self._flat, self._runs)

    def changes(self, former: RunState, stages: Iterable[str]) -> Changes:
        """Return what has changed since the results of these stages were made."""
        found, allowed = Changes(), dict[str, str]()
        for stage in sorted(stages):
            recorded = former.stage_parameters.get(stage)
            if recorded is None:
                continue
            present = self.of_stage(stage)
            for key, line in changes_by_key(recorded, present).items():
                if _is_of_another_algorithm(key, recorded, present):
                    continue
                refusal = self._refusal(key, present)
                if refusal is None:
                    allowed[key] = f"{line}: {self._describe(self._effects[key])}"
                else:
                    found.refused.setdefault(stage, []).append(line + refusal)
        found.allowed = list(allowed.values())
        return found

    def _refusal(self, key: str, present: Mapping[str, Any]) -> str | None:
        """Return why a parameter may not change, "" without a reason of its own; None: it may."""
        effect = self._effects.get(key)
        if effect is None:
            return ""
        if isinstance(effect, Extends) and effect.needs is not None:
            other, value = effect.needs
            if present[other] != value:
                return f" ({other} is {present[other]!r}: {effect.otherwise})"
        return None

    def _describe(self, effect: Effect) -> str:
        if isinstance(effect, ChangesNoResult):
            return f"changes no result; {effect.bytes}"
        return effect.effect


def _is_of_another_algorithm(
    key: str, recorded: Mapping[str, Any], present: Mapping[str, Any]
) -> bool:
    """Return True for a parameter of an algorithm that has been added or is no longer compared."""
    section, _, rest = key.partition(".")
    if section != "algorithms" or "training.algorithms" not in present:
        return False
    label = rest.partition(".")[0]
    return not all(label in stage["training.algorithms"] for stage in (recorded, present))
