"""Sampling from copies in other processes: the contract, and the bytes of one process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_contract import PROMPTS, EngineContract, sample, tokens_of
from vllm_helpers import make_tied_policy, update

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import submit_prompts
from pmd_pipeline.engines.choice import make_engine
from pmd_pipeline.engines.copies_engine import CopiesEngine
from pmd_pipeline.engines.errors import EngineFailedError, StaleSamplerError
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion


@pytest.fixture(scope="module")
def engine() -> Iterator[CopiesEngine]:
    """One process; tests give it their own policies."""
    engine = CopiesEngine(TransformersEngineConfig(num_processes=1))
    yield engine
    engine.close()


@pytest.fixture
def policy() -> Policy:
    return make_tied_policy()


@pytest.fixture(scope="module")
def two_copies() -> Iterator[CopiesEngine]:
    engine = make_engine(TransformersEngineConfig(num_processes=2, unit_size=4))
    assert isinstance(engine, CopiesEngine)
    yield engine
    engine.close()


def assert_same_bytes(found: list[list[Completion]], expected: list[list[Completion]]) -> None:
    assert tokens_of(found) == tokens_of(expected)
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.log_probs, b.log_probs)


class TestContract(EngineContract):
    """Every test of the contract."""

    num_groups_passed_on = len(PROMPTS)


@pytest.mark.parametrize("unit_size", [2, 4, 6])
def test_units_of_one_size_are_the_same_bytes_in_one_process_and_in_two(
    two_copies: CopiesEngine, policy: Policy, unit_size: int
) -> None:
    plain = TransformersEngine(TransformersEngineConfig(unit_size=unit_size))
    expected = sample(plain, policy)
    two_copies.unit_size = unit_size
    for _ in range(2):
        assert_same_bytes(sample(two_copies, policy), expected)
    update(policy)
    assert_same_bytes(sample(two_copies, policy), sample(plain, policy))


def test_a_unit_holds_prompts_of_like_length_and_whole_groups() -> None:
    engine = TransformersEngine(TransformersEngineConfig(unit_size=4))
    assert engine.cut([5, 1, 3, 6], num_samples=2) == [[1, 2], [0, 3]]
    assert engine.cut([5, 1, 3, 6], num_samples=5) == [[1], [2], [0], [3]]
    assert TransformersEngine(TransformersEngineConfig()).cut([5, 1], num_samples=2) == [[0, 1]]


def test_an_adapter_is_copied_as_it_is(two_copies: CopiesEngine, policy: Policy) -> None:
    add_adapter(policy, LoraConfig(rank=2, alpha=4), base_folder=Path(), seed=0)
    plain = TransformersEngine(TransformersEngineConfig(unit_size=4))
    two_copies.unit_size = 4
    for version in range(3):
        policy.policy_version = version
        assert_same_bytes(sample(two_copies, policy), sample(plain, policy))
        with torch.no_grad():
            for name, parameter in policy.model.named_parameters():
                if "lora_" in name:
                    parameter.normal_()


def test_what_was_submitted_is_of_its_version_though_the_policy_is_updated_meanwhile(
    engine: CopiesEngine, policy: Policy
) -> None:
    sampling = SamplingConfig(max_new_tokens=12)
    expected = sample(TransformersEngine(TransformersEngineConfig()), policy)
    sample(engine, policy)
    submitted = submit_prompts(
        engine,
        PROMPTS,
        version=engine.publish(policy),
        num_samples=2,
        sampling=sampling,
        seeds=[0, 1, 2, 3],
    )
    update(policy)
    assert_same_bytes(submitted.collect(), expected)


def test_a_version_that_was_not_published_is_refused(engine: CopiesEngine, policy: Policy) -> None:
    sample(engine, policy)
    with pytest.raises(ValueError, match="version 7 of the policy is to be sampled from"):
        engine.generate(
            PROMPTS,
            version=7,
            num_samples=1,
            sampling=SamplingConfig(max_new_tokens=1),
            seeds=[0, 1, 2, 3],
        )


def test_an_engine_that_shares_the_model_refuses_a_policy_that_was_updated(policy: Policy) -> None:
    engine = TransformersEngine(TransformersEngineConfig())
    submitted = submit_prompts(
        engine,
        PROMPTS,
        version=engine.publish(policy),
        num_samples=1,
        sampling=SamplingConfig(max_new_tokens=1),
        seeds=[0, 1, 2, 3],
    )
    update(policy)
    with pytest.raises(ValueError, match="but the policy is at version 1"):
        submitted.collect()


def test_weights_that_did_not_arrive_stop_the_run(engine: CopiesEngine, policy: Policy) -> None:
    sample(engine, policy)
    with torch.no_grad():  # not by an update: the engine thinks that it has these weights
        policy.model.get_output_embeddings().weight.normal_()
    policy.policy_version = 1
    for parameter in policy.model.parameters():
        parameter.requires_grad_(False)  # nothing trainable is sent
    with pytest.raises(StaleSamplerError, match="sampling process 1 does not have the policy's"):
        engine.publish(policy)


def test_a_process_that_was_killed_says_so_and_the_next_policy_starts_another(
    engine: CopiesEngine, policy: Policy
) -> None:
    expected = sample(engine, policy)
    os.kill(engine.process_ids[0], signal.SIGKILL)
    with pytest.raises(EngineFailedError, match="sampling process 1 ended with signal 9"):
        sample(engine, policy)
    assert_same_bytes(sample(engine, policy), expected)


def test_closing_the_engine_frees_who_waits_for_it(
    engine: CopiesEngine, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "unit_size", 1)
    sample(engine, policy)
    handles = submit_prompts(
        engine,
        PROMPTS * 20,
        version=engine.publish(policy),
        num_samples=64,
        sampling=SamplingConfig(max_new_tokens=200),
        seeds=range(80),
    )
    engine.close()
    with pytest.raises(EngineFailedError, match=r"closed while it sampled|ended"):
        handles.collect()
