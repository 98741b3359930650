"""Where results lie: one sealed file per unit, whole or absent, named by what decides it."""

import logging
from collections.abc import Iterable
from pathlib import Path

from pmd_pipeline.claims.result_json import result_from_json, result_to_json
from pmd_pipeline.claims.results import UnitResult
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.files import read_sealed_json, write_sealed_json

_logger = logging.getLogger(__name__)


class ResultStore:
    """The results in a folder; those that were read stay in memory.

    Args:
        folder: Made where it is missing, once something is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, UnitResult] = {}

    def path(self, unit: Unit) -> Path:
        """Return where a unit's result is, or would be."""
        return self._folder / f"{unit.key}.json"

    def read(self, unit: Unit) -> UnitResult | None:
        """Return a unit's result; None where there is none that is whole and of its settings."""
        if unit.key not in self._known:
            result = self._read(unit)
            if result is None:
                return None
            self._known[unit.key] = result
        return self._known[unit.key]

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """Return those of the units that have no result."""
        return [unit for unit in units if self.read(unit) is None]

    def write(self, unit: Unit, result: UnitResult) -> None:
        """Keep a unit's result.

        Raises:
            OSError: If it cannot be written.
        """
        write_sealed_json(self.path(unit), result_to_json(result))
        self._known[unit.key] = result

    def _read(self, unit: Unit) -> UnitResult | None:
        path = self.path(unit)
        try:
            result = result_from_json(read_sealed_json(path))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            _logger.warning("%s is damaged (%s): the unit is run again.", path, error)
            return None
        if not unit.is_same_as(result.settings):
            _logger.warning("%s was made with other defaults: the unit is run again.", path)
            return None
        return result
