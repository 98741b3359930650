"""The vLLM engine keeps every engine's contract."""

import pytest
from engine_contract import PROMPTS, EngineContract


@pytest.mark.vllm
class TestContract(EngineContract):
    """Every test of the contract, with the fixtures of this folder."""

    num_groups_passed_on = len(PROMPTS)
