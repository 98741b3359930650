"""Two processes with shares do what one process does, up to the order of sums."""

import os
import pickle
import signal
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharded_scenarios
import torch
from forks import begin_forked, redirect, wait

from pmd_pipeline.training.round_metrics import round_metrics

SETUPS = ["pmd_mean", "grpo_in_many_parts", "gspo_packed", "refilled", "adapter"]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run all scenarios in two processes; return what the driver found, and their exit statuses."""
    folder = tmp_path_factory.mktemp("sharded")
    port = free_port()
    processes = [start(rank, folder, port) for rank in range(2)]
    try:
        statuses = [wait(process) for process in processes]
    except BaseException:  # the test's time is over
        for process in processes:
            os.kill(process, signal.SIGKILL)
        raise
    errors = [(folder / f"stderr_{rank}").read_text() for rank in range(2)]
    assert statuses[0] == 0, errors[0][-3000:]
    found: dict[str, Any] = pickle.loads((folder / "found.pickle").read_bytes())
    return found | {"status": statuses[1], "stderr": errors[1]}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


def start(rank: int, folder: Path, port: int) -> int:
    """Return the id of a forked child that takes part."""
    variables = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }

    def take_part() -> None:
        redirect("stderr", folder / f"stderr_{rank}")
        os.environ |= variables
        sharded_scenarios.take_part(folder)

    return begin_forked(take_part)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETUPS)
def test_two_rounds_give_the_losses_and_gradient_norms_of_one_process(
    together: dict[str, Any], name: str
) -> None:
    expected, found = (together["rounds"][name, kind][0] for kind in ("local", "sharded"))
    assert [len(result.updates) for result in found] == [2, 2]
    num_sampled = [len(result.cycles[0].rollouts) for result in found]
    assert num_sampled == ([24, 16] if name == "refilled" else [16, 16])
    for a, b in zip(expected, found, strict=True):
        for one, two in zip(a.updates, b.updates, strict=True):
            assert one.gradient_norm > 1e-3  # rounding alone would leave less
            assert two.loss == pytest.approx(one.loss, rel=1e-5, abs=1e-6)
            assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-5)
            assert two.num_clip_units == one.num_clip_units
            assert two.num_clipped == one.num_clipped
            assert two.num_tokens == one.num_tokens > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SETUPS)
def test_two_rounds_give_the_rollouts_and_log_probs_of_one_process(
    together: dict[str, Any], name: str
) -> None:
    expected, found = (together["rounds"][name, kind][0] for kind in ("local", "sharded"))
    for a, b in zip(expected, found, strict=True):
        [one], [two] = a.cycles, b.cycles
        assert [r.completion.token_ids for r in two.rollouts] == [
            r.completion.token_ids for r in one.rollouts
        ]
        for field in ("behaviour_log_probs", "sequence_log_ratios", "mean_entropies"):
            np.testing.assert_allclose(
                getattr(two, field), getattr(one, field), rtol=1e-5, atol=1e-5
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", SETUPS)
def test_two_rounds_give_the_weights_and_moments_of_one_process(
    together: dict[str, Any], name: str
) -> None:
    _, expected, version = together["rounds"][name, "local"]
    _, found, sharded_version = together["rounds"][name, "sharded"]
    assert sharded_version == version == 4
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        # AdamW divides a gradient by its size: the rounding error of one near 0 becomes part of a
        # step, of which 1 % is allowed. The moments, gradients themselves, are held more tightly.
        is_moment = "exp_avg" in key
        atol = 1e-6 if is_moment else 1e-5
        torch.testing.assert_close(found[key], tensor, rtol=1e-5, atol=atol, msg=key)


@pytest.mark.slow
def test_a_round_without_signal_moves_nothing_in_any_process(together: dict[str, Any]) -> None:
    found = together["without signal"]
    metrics = round_metrics(found["result"])
    assert (metrics.num_skipped_updates, found["policy_version"]) == (2, 2)
    assert [metrics.kl, metrics.log_ratio_min, metrics.log_ratio_max] == [0, 0, 0]
    assert found["after"].keys() == found["before"].keys()
    for key, tensor in found["before"].items():
        assert torch.equal(found["after"][key], tensor), key


@pytest.mark.slow
def test_a_training_that_goes_on_from_disk_ends_with_the_same_bits(
    together: dict[str, Any],
) -> None:
    _, uninterrupted, _ = together["rounds"]["pmd_mean", "sharded"]
    assert together["continued"].keys() == uninterrupted.keys()
    for key, tensor in uninterrupted.items():
        assert torch.equal(together["continued"][key], tensor), key


@pytest.mark.slow
def test_a_process_with_fewer_rollouts_or_none_goes_along_and_adds_nothing(
    together: dict[str, Any],
) -> None:
    expected, found = (together["few rollouts"][kind] for kind in ("local", "sharded"))
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    for one, two in zip(expected[1], found[1], strict=True):
        assert two.loss == pytest.approx(one.loss, rel=1e-5)
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-5)
    for key, tensor in expected[2].items():
        torch.testing.assert_close(found[2][key], tensor, rtol=1e-5, atol=1e-6, msg=key)


@pytest.mark.slow
def test_tied_weights_stay_tied(together: dict[str, Any]) -> None:
    expected, found = (together["tied weights"][kind] for kind in ("local", "sharded"))
    assert found[0].gradient_norm == pytest.approx(expected[0].gradient_norm, rel=1e-5)
    assert "lm_head.weight.exp_avg" not in found[1]
    assert torch.equal(found[1]["lm_head.weight"], found[1]["model.embed_tokens.weight"])
    for key, tensor in expected[1].items():
        torch.testing.assert_close(found[1][key], tensor, rtol=1e-5, atol=1e-6, msg=key)


@pytest.mark.slow
def test_a_nan_in_any_process_names_its_rollout_and_leaves_the_policy(
    together: dict[str, Any],
) -> None:
    found = together["nan"]
    assert "round 3: the loss is nan" in found["message"]
    assert "problem-1#1 (log-ratio nan" in found["message"]
    assert found["policy_version"] == 0
    assert all(torch.equal(found["after"][k], v) for k, v in found["before"].items())


@pytest.mark.slow
def test_a_reset_forgets_the_moments_of_every_share(together: dict[str, Any]) -> None:
    after_update, after_reset = together["reset"]
    assert after_update > 0
    assert after_reset == 0


@pytest.mark.slow
def test_bfloat16_computes_in_it_and_keeps_weights_and_moments_in_float32(
    together: dict[str, Any],
) -> None:
    result, types = together["bfloat16"]
    float32 = round_metrics(together["rounds"]["pmd_mean", "local"][0][0])
    bfloat16 = round_metrics(result)
    assert set(types.values()) == {torch.float32}
    assert 1e-5 < bfloat16.mismatch_max < 0.5
    assert bfloat16.gradient_norm == pytest.approx(float32.gradient_norm, rel=0.1)


@pytest.mark.slow
def test_an_error_of_another_process_surfaces_in_the_driver(together: dict[str, Any]) -> None:
    assert together["worker error"].startswith("training process 1: AttributeError: ")
    assert "Traceback" in together["stderr"]
    assert together["status"] == 1


@pytest.mark.slow
def test_no_variable_of_the_launch_is_left_for_child_processes(together: dict[str, Any]) -> None:
    names = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    assert not names & together["environment"].keys()
