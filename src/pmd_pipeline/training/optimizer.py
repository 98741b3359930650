"""AdamW, its learning-rate schedule, and its state as named tensors."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from pmd_pipeline.config.training import OptimizerConfig
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.training.master_weights import MasterWeightAdamW

MASTER = "master"


def build_optimizer(policy: Policy, config: OptimizerConfig) -> MasterWeightAdamW:
    """Return AdamW over the policy's trainable parameters, still without moments."""
    return MasterWeightAdamW(
        [parameter for parameter in policy.model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
    )


def learning_rate(
    config: OptimizerConfig, *, update: int, round_index: int, num_rounds: int
) -> float:
    """Return the learning rate of an update: a warm-up over updates times a decay over rounds.

    Args:
        config: Peak, warm-up and decay.
        update: From 0.
        round_index: From 0.
        num_rounds: Rounds of the whole training.
    """
    warm_up = min(1.0, (update + 1) / config.num_warmup_updates) if config.num_warmup_updates else 1
    progress = round_index / num_rounds
    shape = {
        "constant": 1.0,
        "linear": 1 - progress,
        "cosine": 0.5 * (1 + math.cos(math.pi * progress)),
    }[config.decay]
    return (
        config.learning_rate
        * warm_up
        * (config.final_fraction + (1 - config.final_fraction) * shape)
    )


def optimizer_state(policy: Policy, optimizer: MasterWeightAdamW) -> dict[str, Tensor]:
    """Return the tensors of :func:`optimizer_tensors` on the CPU; none before the first step."""
    return {name: tensor.cpu() for name, tensor in optimizer_tensors(policy, optimizer)}


def optimizer_tensors(policy: Policy, optimizer: MasterWeightAdamW) -> Iterator[tuple[str, Tensor]]:
    """Yield the moments as ``<parameter name>.<moment>`` and tensor, wherever they are.

    A weight in bfloat16 has its float32 master too, as ``<parameter name>.master``.
    """
    for name, parameter in policy.model.named_parameters():
        for key, value in _named_tensors(optimizer, parameter).items():
            yield f"{name}.{key}", torch.as_tensor(value).detach()


def restore_optimizer_state(
    policy: Policy, optimizer: MasterWeightAdamW, state: dict[str, Tensor]
) -> None:
    """Put the tensors of :func:`optimizer_state` back.

    Raises:
        ValueError: If a tensor belongs to no parameter of the policy, or to weights of another
            precision.
    """
    parameters = dict(policy.model.named_parameters())
    optimizer.state.clear()
    for full_name, value in state.items():
        name, _, key = full_name.rpartition(".")
        if name not in parameters:
            raise ValueError(
                f"the optimizer's state has {name!r}, which is not a parameter of the policy; "
                "the checkpoint belongs to another model"
            )
        parameter = parameters[name]
        if optimizer.has_master(parameter) != (f"{name}.{MASTER}" in state):
            raise ValueError(
                f"the optimizer's state of {name!r} was made with weights of another precision "
                f"than the policy's {parameter.dtype}; set compute.weights back to what it was"
            )
        stepped = optimizer.stepped(parameter)
        if key == MASTER:
            stepped.copy_(value)
        else:
            # AdamW keeps its step count on the CPU, its moments with the weights.
            device = "cpu" if key == "step" else parameter.device
            optimizer.state[stepped][key] = value.to(device, copy=True)


def _named_tensors(
    optimizer: MasterWeightAdamW, parameter: torch.nn.Parameter
) -> dict[str, Tensor | float]:
    stepped = optimizer.stepped(parameter)
    master = {MASTER: stepped} if optimizer.has_master(parameter) else {}
    # A parameter that has not been stepped yet, or is not trained, has no state.
    return {**master, **optimizer.state.get(stepped, {})}
