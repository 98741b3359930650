"""Samplers that play at sampling: real processes on a real cluster, with nothing slow to import.

A response is its prompt's seed, so what is right is known; prompts say what happens on the way.
"""

import os
import signal
import time
from pathlib import Path

import numpy as np

from pmd_pipeline.cluster.facts import NodeFacts
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.processes.errors import ProcessEndedError
from pmd_pipeline.records import Completion

# Tokens of prompts.
SLOW, DEADLY, WRONG = 7, 8, 9
SECONDS_OF_SLOW = 60.0
# Results as large as these lie in the object store of the node that made them.
NUM_LOG_PROBS = 40_000


class PlayedSampler:
    """What a sampler on a node hosts."""

    def start(self, facts: NodeFacts) -> None:
        self._facts = facts

    def load(self, folder: Path, version: int) -> None:
        assert (folder / "weights").read_text() == f"version {version}"
        self._version = version

    def facts(self, node: str) -> NodeFacts:
        return self._facts

    def score(self, version: int) -> int:
        assert version == self._version
        return version

    def sample(self, unit: Unit, version: int) -> list[list[Completion]]:
        assert version == self._version
        tokens = {token for prompt in unit.prompts for token in prompt}
        if SLOW in tokens:
            time.sleep(SECONDS_OF_SLOW)
        if DEADLY in tokens:
            os.kill(os.getpid(), signal.SIGKILL)
        if WRONG in tokens:
            raise ValueError(f"token {WRONG} is wrong")
        return [[response(seed, unit.sampling)] * unit.num_samples for seed in unit.seeds]

    def lose_what_it_stands_for(self) -> None:
        raise ProcessEndedError("vLLM ended with signal 9")

    def sizes(self, folder: Path) -> tuple[str, dict[str, int]]:
        return str(folder), {path.name: path.stat().st_size for path in folder.iterdir()}


def response(seed: int, sampling: SamplingConfig) -> Completion:
    return Completion(
        token_ids=(seed,) * sampling.max_new_tokens,
        log_probs=np.full(NUM_LOG_PROBS, seed, dtype=np.float32),
        truncated=True,
    )
