"""The process that runs units: it keeps engine and problems from one to the next."""

from pathlib import Path

import torch
import transformers

from pmd_pipeline.claims.results import UnitResult
from pmd_pipeline.claims.runner import UnitRunner
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.processes.priority import be_nice_to_all
from pmd_pipeline.processes.server import serve


class UnitServer:
    """What the process answers calls with."""

    def __init__(self) -> None:
        # Its bars for loading a few small files would fill the log.
        transformers.utils.logging.disable_progress_bar()
        self._runners: dict[Path, UnitRunner] = {}

    def run(self, unit: Unit, folder: Path) -> UnitResult:
        """Run a unit; ``folder`` holds the initial policies."""
        torch.set_num_threads(unit.experiment.compute.num_threads or 1)
        if folder not in self._runners:
            self._runners[folder] = UnitRunner(folder)
        return self._runners[folder].run(unit)

    def be_polite(self) -> None:
        """Let everything else on the machine go first."""
        be_nice_to_all()


if __name__ == "__main__":
    serve(UnitServer)
