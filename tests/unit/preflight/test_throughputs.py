"""The built-in throughputs: used where none is stated, and marked as what they are."""

from dataclasses import replace
from typing import Any

import pytest

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.shape import ModelShape, embedded_shape
from pmd_pipeline.preflight.throughputs import built_in_finding, with_built_in
from pmd_pipeline.preflight.workload import Assumptions

CPU = Hardware(is_gpu=False, num_devices=1, memory_bytes=None)
GPU = Hardware(is_gpu=True, num_devices=8, memory_bytes=None)
NOTHING = Assumptions()


def shape(num_parameters: float) -> ModelShape:
    embedded = embedded_shape(EmbeddedPolicyConfig(kind="embedded"))
    return replace(embedded, num_active_parameters=int(num_parameters))


def speeds(num_parameters: float, hardware: Hardware) -> tuple[Any, Any]:
    known, is_built_in = with_built_in(NOTHING, shape(num_parameters), None, hardware)
    assert is_built_in
    return known.sampling_tokens_per_second, known.training_tokens_per_second


def test_models_of_the_table_have_its_speeds_and_others_lie_between_or_beyond() -> None:
    assert speeds(85_504, CPU) == (38_000, 40_000)
    assert speeds(134_515_008, CPU) == pytest.approx((140, 75))
    assert speeds(1, CPU) == (38_000, 40_000)
    geometric_mean = (85_504 * 134_515_008) ** 0.5
    assert speeds(geometric_mean, CPU)[0] == pytest.approx((38_000 * 140) ** 0.5, rel=1e-3)
    assert speeds(10 * 134_515_008, CPU) == pytest.approx((14, 7.5))


def test_on_a_gpu_a_token_costs_in_proportion_to_the_parameters_down_to_a_floor() -> None:
    assert speeds(15.2e9, GPU) == (1_250, 3_000)
    assert speeds(1e6, GPU) == speeds(5e8, GPU)


def test_what_is_stated_is_kept() -> None:
    both = Assumptions(sampling_tokens_per_second=1.0, training_tokens_per_second=2.0)
    assert with_built_in(both, shape(1e9), None, GPU) == (both, False)
    one = Assumptions(sampling_tokens_per_second=1.0)
    known, is_built_in = with_built_in(one, shape(7.6e9), None, GPU)
    assert is_built_in
    assert (known.sampling_tokens_per_second, known.training_tokens_per_second) == (1.0, 6_000)


def test_nothing_is_known_of_a_model_that_is_not() -> None:
    assert with_built_in(NOTHING, None, None, GPU) == (NOTHING, False)


def test_the_plan_says_that_they_were_not_measured_here() -> None:
    known, _ = with_built_in(NOTHING, shape(7.6e9), None, GPU)
    value = built_in_finding(known, GPU).value
    assert value.startswith("2,500 tokens/s sampled and 6,000 trained on by each GPU, ")
    assert "from a built-in table, not measured on this machine" in value
