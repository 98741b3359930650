"""Running a model token by token, on rows that can be repeated and dropped.

What a model keeps between tokens is its own: keys and values, windows of them, recurrent and
convolutional states, or a mixture. A model that keeps it where no caller can reach it reads the
whole text anew for every token.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicSlidingWindowLayer

from pmd_pipeline.engines.growing_cache import GrowingLayer, growing_cache
from pmd_pipeline.engines.rows import select_rows
from pmd_pipeline.policies.policy import Policy

# What a forward pass may call the state that it takes and returns.
_STATE_NAMES = ("past_key_values", "cache_params", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingPlan:
    """How a model can be run token by token.

    Attributes:
        state_name: Argument of the forward pass for what it keeps between tokens; None: the text
            is read anew for each token.
        has_growing_cache: True if keys and values of our own cache are that state; False if the
            model makes it.
        can_pad: True if prompts of different lengths can be read together: padding to their left
            leaves no trace.
    """

    state_name: str | None
    has_growing_cache: bool
    can_pad: bool


def decoding_plan(model: PreTrainedModel) -> DecodingPlan:
    """Return how a model can be decoded; it needs no weights."""
    names = inspect.signature(model.forward).parameters
    state_name = next((name for name in _STATE_NAMES if name in names), None)
    makes_default: Callable[[], bool] | None = getattr(
        model, "_supports_default_dynamic_cache", None
    )
    if makes_default is None:
        return DecodingPlan(state_name=None, has_growing_cache=False, can_pad=False)
    if not makes_default():
        return DecodingPlan(state_name=state_name, has_growing_cache=False, can_pad=False)
    layers = growing_cache(model.config).layers
    attends = all(type(layer) in (GrowingLayer, DynamicSlidingWindowLayer) for layer in layers)
    # Its state is in its modules, or its step for one token is not the one for many.
    if (model._is_stateful and attends) or _limits_time_steps(model):
        return DecodingPlan(state_name=None, has_growing_cache=False, can_pad=False)
    return DecodingPlan(
        state_name=state_name,
        has_growing_cache=state_name is not None,
        can_pad=attends and {"attention_mask", "position_ids", state_name} <= names.keys(),
    )


def _limits_time_steps(model: PreTrainedModel) -> bool:
    """Return whether a state space limits its time steps, which it does not do token by token."""
    limits = [getattr(module, "time_step_limit", None) for module in model.modules()]
    return any(limit is not None and tuple(limit) != (0, float("inf")) for limit in limits)


class DecodingRows:
    """Rows that are being decoded, B of them: prompts first, then each prompt's samples."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> None:
        """Start with a row for each prompt; all of one length, unless the model can be padded."""
        self._model = policy.model
        self._plan = decoding_plan(policy.model)
        self._names = set(inspect.signature(policy.model.forward).parameters)
        width = max(map(len, prompts))
        token_ids = torch.full((len(prompts), width), policy.pad_token_id)
        mask = torch.zeros_like(token_ids)
        for row, prompt in enumerate(prompts):
            token_ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        has_padding = not bool(mask.all())
        self._text = token_ids.to(policy.device)
        mask = mask.to(policy.device)
        self._mask = mask if has_padding else None
        self._lengths = mask.sum(dim=1)
        self._positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        self._state: Any = None
        if self._plan.has_growing_cache:
            self._state = growing_cache(policy.model.config)

    def read_prompts(self) -> Tensor:
        """Return the logits that follow each prompt, [B, V]."""
        return self._forward(self._text, self._positions)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the logits that follow one more token of each row, [B, V]."""
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        positions = self._lengths[:, None]
        self._lengths = self._lengths + 1
        if self._state is not None:
            return self._forward(tokens[:, None], positions)
        self._text = torch.cat([self._text, tokens[:, None]], dim=1)
        self._positions = torch.cat([self._positions, positions], dim=1)
        return self.read_prompts()

    def select(self, indices: Tensor) -> None:
        """Make row i what row ``indices[i]`` was; a row may be wanted more than once."""
        num_rows = len(self._lengths)
        self._state = select_rows(self._state, indices, num_rows=num_rows)
        self._lengths = self._lengths[indices]
        if self._mask is not None:
            self._mask = self._mask[indices]
        if self._state is None:
            self._text, self._positions = self._text[indices], self._positions[indices]

    def _forward(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        name = self._plan.state_name
        options = {
            "attention_mask": self._mask,
            "position_ids": positions,
            "use_cache": name is not None,
            "logits_to_keep": 1,
        }
        arguments = {key: value for key, value in options.items() if key in self._names}
        if name is not None:
            arguments[name] = self._state
        output = self._model(input_ids=token_ids, **arguments)
        if name is not None and getattr(output, name, None) is not None:
            self._state = getattr(output, name)
        logits: Tensor = output.logits[:, -1]
        return logits
