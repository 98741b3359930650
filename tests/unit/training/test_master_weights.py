"""AdamW for bfloat16 weights, against AdamW on float32 weights with the same gradients."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.training import OptimizerConfig
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.training.master_weights import MasterWeightAdamW
from pmd_pipeline.training.optimizer import (
    build_optimizer,
    optimizer_state,
    restore_optimizer_state,
)

OPTIONS = {"lr": 1e-6, "betas": (0.9, 0.95), "weight_decay": 0.01}
COMPUTE = ComputeConfig(device="cpu", precision="bfloat16", weights="bfloat16")


def test_small_updates_add_up_as_in_float32_and_would_be_lost_in_bfloat16() -> None:
    start = torch.linspace(0.01, 1.0, 50).bfloat16()
    ours, alone = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    exact = nn.Parameter(start.float())
    for_alone, for_exact = (torch.optim.AdamW([p], **OPTIONS) for p in (alone, exact))
    optimizer = MasterWeightAdamW([ours], **OPTIONS)
    for step in range(2000):
        gradient = 1 + 0.5 * torch.cos(torch.arange(50) + 0.01 * step)
        ours.grad, exact.grad, alone.grad = gradient, gradient.clone(), gradient.bfloat16()
        for each in (optimizer, for_exact, for_alone):
            each.step()
    assert torch.equal(optimizer.stepped(ours), exact)
    assert torch.equal(ours, exact.bfloat16())
    assert (exact - start).abs().min() > 1e-3
    assert not torch.equal(ours, start)
    assert torch.equal(alone, start)


def test_gradients_of_micro_batches_are_summed_in_float32() -> None:
    """1 + 256 times 2**-9: each part is too small to change a 1 in bfloat16."""
    weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    MasterWeightAdamW([weight], **OPTIONS)
    for factor in [1.0] + [2.0**-9] * 256:
        (weight * factor).sum().backward()
    assert torch.equal(weight.grad, torch.full((3,), 1.5))


def test_clipping_is_in_float32() -> None:
    weights = [nn.Parameter(torch.ones(3, dtype=torch.bfloat16)) for _ in range(2)]
    MasterWeightAdamW(weights, **OPTIONS)
    sum((weight * 1.01).float().sum() for weight in weights).backward()
    norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
    gradient = torch.tensor(1.01).bfloat16().item()
    assert norm.item() == pytest.approx(6**0.5 * gradient, rel=1e-6)
    torch.testing.assert_close(weights[0].grad, torch.full((3,), 6**-0.5), rtol=1e-5, atol=0)


def test_float32_weights_are_stepped_themselves() -> None:
    weight, expected = (nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = MasterWeightAdamW([weight], **OPTIONS)
    plain = torch.optim.AdamW([expected], **OPTIONS)
    weight.grad, expected.grad = torch.arange(3.0), torch.arange(3.0)
    optimizer.step()
    plain.step()
    assert not optimizer.has_master(weight)
    assert torch.equal(weight, expected)


def test_zero_grad_forgets_the_parameters_gradients() -> None:
    weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = MasterWeightAdamW([weight], **OPTIONS)
    weight.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert torch.equal(weight.grad, torch.zeros(3))
    optimizer.zero_grad()
    assert weight.grad is None


def test_a_policy_and_its_masters_come_back_from_disk_and_step_on_bit_for_bit(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    config = OptimizerConfig(learning_rate=1e-6)
    save_policy(tiny_policy, tmp_path / "initial")
    policy = PolicyReference(folder=tmp_path / "initial").load(COMPUTE)
    optimizer = build_optimizer(policy, config)
    _step(policy, optimizer, 3)
    state = optimizer_state(policy, optimizer)
    save_policy(policy, tmp_path / "state", optimizer_state=state)

    reference = PolicyReference(folder=tmp_path / "state", round_index=1)
    resumed = reference.load(COMPUTE)
    restored = build_optimizer(resumed, config)
    restore_optimizer_state(resumed, restored, reference.load_optimizer_state())
    for live, its_optimizer in ((policy, optimizer), (resumed, restored)):
        _step(live, its_optimizer, 7)
    assert _equal(policy.model.state_dict(), resumed.model.state_dict())
    first, second = optimizer_state(policy, optimizer), optimizer_state(resumed, restored)
    assert _equal(first, second)
    masters = {name for name in first if name.endswith(".master")}
    assert len(masters) == len(list(policy.model.parameters()))
    assert all(tensor.dtype == torch.float32 for tensor in first.values())


def test_a_policy_in_bfloat16_is_so_on_disk_and_after_loading(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    save_policy(tiny_policy, tmp_path / "a")
    policy = PolicyReference(folder=tmp_path / "a").load(COMPUTE)
    save_policy(policy, tmp_path / "b")
    again = PolicyReference(folder=tmp_path / "b").load(COMPUTE)
    assert {p.dtype for p in again.model.parameters()} == {torch.bfloat16}
    assert _equal(policy.model.state_dict(), again.model.state_dict())
    sizes = [(tmp_path / n / "policy" / "model.safetensors").stat().st_size for n in "ab"]
    assert sizes[1] < 0.6 * sizes[0]
    # Rounded frequencies would shift the positions of long texts.
    assert again.model.base_model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_a_state_of_weights_in_another_precision_is_refused(
    tiny_policy: Policy, tmp_path: Path, weights: str
) -> None:
    save_policy(tiny_policy, tmp_path / "a")
    reference = PolicyReference(folder=tmp_path / "a")
    other = COMPUTE.model_copy(update={"weights": "float32"})
    policies = [reference.load(COMPUTE), reference.load(other)]
    optimizers = [build_optimizer(p, OptimizerConfig(learning_rate=1e-3)) for p in policies]
    for policy, optimizer in zip(policies, optimizers, strict=True):
        _step(policy, optimizer, 3)
    source, target = (0, 1) if weights == "bfloat16" else (1, 0)
    state = optimizer_state(policies[source], optimizers[source])
    with pytest.raises(ValueError, match=r"weights of another precision.*set compute.weights back"):
        restore_optimizer_state(policies[target], optimizers[target], state)


def _step(policy: Policy, optimizer: MasterWeightAdamW, token: int) -> None:
    optimizer.zero_grad()
    policy.model(torch.tensor([[1, token, 5]])).logits.float().square().mean().backward()
    optimizer.step()


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )
