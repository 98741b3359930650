"""The learning-rate schedule by hand, and an optimizer that comes back from its tensors."""

import pytest
import torch

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.config.training import OptimizerConfig
from pmd_pipeline.policies.embedded import build_policy
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.training.optimizer import (
    build_optimizer,
    learning_rate,
    optimizer_state,
    restore_optimizer_state,
)


@pytest.mark.parametrize(
    ("decay", "final_fraction", "round_index", "expected"),
    [
        ("constant", 0.0, 3, 1.0),
        ("linear", 0.0, 0, 1.0),
        ("linear", 0.0, 3, 0.25),
        ("linear", 0.2, 3, 0.4),
        ("cosine", 0.0, 2, 0.5),
    ],
)
def test_decay_over_four_rounds(
    decay: str, final_fraction: float, round_index: int, expected: float
) -> None:
    config = OptimizerConfig.model_validate(
        {"learning_rate": 1.0, "decay": decay, "final_fraction": final_fraction}
    )
    rate = learning_rate(config, update=100, round_index=round_index, num_rounds=4)
    assert rate == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("update", "expected"), [(0, 0.25), (2, 0.75), (3, 1.0), (9, 1.0)])
def test_warm_up_over_four_updates(update: int, expected: float) -> None:
    config = OptimizerConfig(learning_rate=1.0, num_warmup_updates=4)
    assert learning_rate(config, update=update, round_index=0, num_rounds=1) == expected


def _step(policy: Policy, optimizer: torch.optim.Optimizer, token: int) -> None:
    loss = policy.model(torch.tensor([[1, token, 5]])).logits.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def test_a_restored_optimizer_takes_the_same_steps_bit_for_bit() -> None:
    policies = [
        build_policy(EmbeddedPolicyConfig(kind="embedded", hidden_size=16), seed=0)
        for _ in range(2)
    ]
    config = OptimizerConfig(learning_rate=1e-2)
    optimizers = [build_optimizer(policy, config) for policy in policies]
    for policy, optimizer in zip(policies, optimizers, strict=True):
        _step(policy, optimizer, 3)
    restored = build_optimizer(policies[1], config)
    restore_optimizer_state(policies[1], restored, optimizer_state(policies[1], optimizers[1]))
    _step(policies[0], optimizers[0], 7)
    _step(policies[1], restored, 7)
    states = [policy.model.state_dict() for policy in policies]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_optimizer_of_another_model_is_refused(tiny_policy: Policy) -> None:
    optimizer = build_optimizer(tiny_policy, OptimizerConfig(learning_rate=1e-2))
    with pytest.raises(ValueError, match="has 'other', which is not a parameter"):
        restore_optimizer_state(tiny_policy, optimizer, {"other.step": torch.tensor(1.0)})
