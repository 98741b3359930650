"""AdamW for weights in bfloat16: the steps are taken on copies in float32.

A bfloat16 has 8 bits of mantissa: weights of 0.01 and 0.01 + 1e-6 are the same number, so an
optimizer without another copy would never move such a weight at a learning rate of 1e-6.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class MasterWeightAdamW(torch.optim.AdamW):
    """AdamW that updates float32 masters and rounds them into the weights.

    Gradients are accumulated, clipped and used in float32 as well: torch sums them in the type
    given by a parameter's ``grad_dtype``.

    Args:
        parameters: Of any type; those in bfloat16 get a master, the others are updated directly.
        options: As for AdamW.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], **options: Any) -> None:
        self._parameters = list(parameters)
        self._masters: dict[nn.Parameter, Tensor] = {}
        for parameter in self._parameters:
            if parameter.dtype == torch.bfloat16:
                parameter.grad_dtype = torch.float32
                self._masters[parameter] = parameter.detach().float()
        super().__init__([self.stepped(parameter) for parameter in self._parameters], **options)

    def stepped(self, parameter: nn.Parameter) -> Tensor:
        """Return what a step updates and moments belong to: the master, or the parameter itself."""
        return self._masters.get(parameter, parameter)

    def has_master(self, parameter: nn.Parameter) -> bool:
        """Return whether a parameter is the rounded value of a master."""
        return parameter in self._masters

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Free the gradients of the parameters."""
        for parameter in self._parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the masters with the parameters' gradients and round them into the parameters."""
        for parameter, master in self._masters.items():
            master.grad = parameter.grad
        super().step()
        for parameter, master in self._masters.items():
            master.grad = None
            parameter.copy_(master)
