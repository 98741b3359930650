"""Times of rounds and of the run, with sampling and training in turns and at once, by hand."""

from typing import Any

import pytest
import yaml
from helpers import PROJECT

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.sampler import plan_sampler
from pmd_pipeline.preflight.time_findings import time_findings
from pmd_pipeline.preflight.times import duration, throughput
from pmd_pipeline.preflight.workload import Assumptions, RoundWork, RunWork

# No lengths are bounds.
KNOWN = Assumptions(
    mean_prompt_tokens=1,
    mean_response_tokens=1,
    sampling_tokens_per_second=10,
    training_tokens_per_second=20,
)
# 600 s of sampling and 300 s of updating on one device each.
WORK = RoundWork(
    num_rollouts=1,
    sampled_tokens=6000,
    updated_tokens=5000,
    measured_tokens=3000,
    num_updates=1,
)
ON_RAY = {
    "backend": "ray",
    "options": {"engine": {"backend": "transformers"}, "num_samplers": 2, "unit_size": 4},
}
CPU = Hardware(is_gpu=False, num_devices=1, memory_bytes=None)
IDLE_CORES = Hardware(is_gpu=False, num_devices=1, memory_bytes=None, num_spare=1)
GPU = Hardware(is_gpu=True, num_devices=1, memory_bytes=None)
SPARE = Hardware(is_gpu=True, num_devices=1, memory_bytes=None, num_spare=1)


def test_time_is_tokens_over_throughput_of_all_devices() -> None:
    """A forward pass is a third of an update, a quarter where the backward pass repeats it."""
    work = RunWork(
        sampled_tokens=8000,
        updated_tokens=6000,
        measured_tokens=12_000,
        evaluated_tokens=None,
        selection_tokens=2000,
    )
    plain = throughput(KNOWN, num_sampling=3, num_training=2, gradient_checkpointing=False)
    assert plain is not None
    found = duration(work, plain)
    assert found.sampling_seconds == pytest.approx(10_000 / (3 * 10))
    assert found.updating_seconds == pytest.approx((6000 + 4000) / (2 * 20))
    assert found.seconds == found.sampling_seconds + found.updating_seconds
    again = throughput(KNOWN, num_sampling=3, num_training=2, gradient_checkpointing=True)
    assert again is not None
    assert duration(work, again).updating_seconds == pytest.approx((6000 + 3000) / (2 * 20))


def test_no_throughput_is_made_up() -> None:
    known = Assumptions(sampling_tokens_per_second=10)
    assert throughput(known, num_sampling=1, num_training=1, gradient_checkpointing=False) is None


def test_samplers_of_their_own_hide_the_shorter_of_sampling_and_updating() -> None:
    """Two samplers take 300 s as well; new weights 7 s, before each round."""
    found = _times(ON_RAY, CPU, publishing_seconds=7.0)
    assert found["time of a round"] == (
        "607 s with lag 0 (300 s sampling, 300 s updating, 7 s for new weights); 307 s with lag 1"
    )


def test_a_run_with_lag_samples_alone_once_a_phase_and_trains_alone_once() -> None:
    """Two phases of 6 rounds of 600 s: 5 times 300 s are hidden in each; evaluations are not."""
    lag = {"lag": 1, "num_phases": 2, "rounds_per_phase": 6}
    found = _times(ON_RAY, CPU, evaluated_tokens=72_000, **lag)
    assert found["time"] == (
        "2.2 h: 2.0 h sampling, 1.0 h updating, 0.8 h of them at the same time"
    )
    assert found["CPU-hours"] == "6.5"  # of the trainer and two samplers
    assert _times(ON_RAY, CPU, evaluated_tokens=72_000, **lag | {"lag": 0})["time"].startswith(
        "3.0"
    )


@pytest.mark.parametrize(
    ("entry", "hardware", "lag_1"),
    [
        ({"backend": "transformers"}, CPU, "saves nothing: sampling and training share all cores"),
        ({"backend": "vllm"}, IDLE_CORES, "600 s with lag 1"),
        ({"backend": "vllm"}, GPU, "saves nothing: sampling and training share the GPUs"),
        ({"backend": "transformers"}, GPU, "saves nothing: sampling and training share the GPUs"),
        ({"backend": "transformers"}, SPARE, "600 s with lag 1"),
        ({"backend": "vllm"}, SPARE, "saves nothing"),
    ],
)
def test_where_both_share_a_device_lag_saves_nothing(
    entry: dict[str, Any], hardware: Hardware, lag_1: str
) -> None:
    found = _times(entry, hardware)["time of a round"]
    assert found.startswith("900 s with lag 0 (600 s sampling, 300 s updating); ")
    assert lag_1 in found


def test_what_refuses_a_lag_is_named() -> None:
    first, other = _lines(ON_RAY, CPU, algorithms=("pmd_mean", "on_policy_gradient"))[:2]
    assert first.value.startswith("pmd_mean: 600 s with lag 0 (")
    assert first.value.endswith("300 s with lag 1")
    assert other.value.endswith("lag 1 saves nothing: each mini-batch is sampled afresh")
    found = _times(ON_RAY, CPU, rounds_per_phase=1)
    assert "rounds_per_phase is 1" in found["time of a round"]


def _times(entry: dict[str, Any], hardware: Hardware, **options: Any) -> dict[str, str]:
    return {item.subject: item.value for item in _lines(entry, hardware, **options)}


def _lines(
    entry: dict[str, Any],
    hardware: Hardware,
    *,
    publishing_seconds: float = 0.0,
    evaluated_tokens: float | None = None,
    algorithms: tuple[str, ...] = ("pmd_mean",),
    **training: object,
) -> list[Finding]:
    experiment = _experiment(algorithms=algorithms, **training)
    num_rounds = experiment.training.num_rounds
    return time_findings(
        experiment,
        dict.fromkeys(algorithms, WORK),
        RunWork(
            sampled_tokens=num_rounds * WORK.sampled_tokens,
            updated_tokens=num_rounds * WORK.updated_tokens,
            measured_tokens=num_rounds * WORK.measured_tokens,
            evaluated_tokens=evaluated_tokens,
            selection_tokens=None,
        ),
        KNOWN,
        engine=plan_sampler(entry, trainer_precision="float32"),
        hardware=hardware,
        publishing_seconds=publishing_seconds,
    )


def _experiment(**training: object) -> ExperimentConfig:
    parameters: dict[str, Any] = {}
    for file in (PROJECT / "conf" / "base").glob("parameters*.yml"):
        parameters |= yaml.safe_load(file.read_text(encoding="utf-8"))
    parameters["training"] |= {"seeds": [0], **training}
    return parse_parameters(parameters)
