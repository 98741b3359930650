"""The transformers engine with a copy of the policy, hosted by a sampler on another node."""

from pathlib import Path

from pmd_pipeline.cluster.facts import NodeFacts, own_facts
from pmd_pipeline.engines.copied_policy import TENSORS_FILE
from pmd_pipeline.engines.sampler_process import PolicySampler
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.records import Completion


class CopySampler(PolicySampler):
    """What is hosted; see :class:`~pmd_pipeline.engines.hosted.HostedEngine`."""

    def facts(self, node: str) -> NodeFacts:
        """Return what the bits of its results depend on."""
        return own_facts(node)

    def load_folder(self, folder: Path, version: int) -> None:
        """Replace those of the copy's tensors that are in a folder's file."""
        self.load(folder / TENSORS_FILE, version)

    def sample(self, unit: Unit, version: int) -> list[list[Completion]]:
        """Return the responses to each of a unit's prompts."""
        groups: dict[int, list[Completion]] = {}

        def keep(group: tuple[int, list[Completion]]) -> None:
            groups[group[0]] = group[1]

        self.generate(unit, version, keep)
        return [groups[position] for position in range(len(unit.prompts))]
