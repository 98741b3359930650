"""How a model can be read token by token, and one pass of it.

What a model keeps between tokens is its own: keys and values, windows of them, recurrent and
convolutional states, or a mixture. A model that keeps it where no caller can reach it reads the
whole text anew for every token.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicSlidingWindowLayer

from pmd_pipeline.engines.grouped_attention import uses_grouped_attention
from pmd_pipeline.engines.growing_cache import GrowingLayer, growing_cache
from pmd_pipeline.engines.traced_step import TracedStep, kind_of, trace_step
from pmd_pipeline.policies.policy import Policy

# What a forward pass may call the state that it takes and returns.
_STATE_NAMES = ("past_key_values", "cache_params", "state")

# Recording a pass costs as much as about this many.
_STEPS_BEFORE_TRACE = 32
_recordings: dict[tuple[object, bool], Any] = {}


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
        can_join: True if rows can begin while others are under way, since all that is kept of a
            row are its own columns of our cache.
    """

    state_name: str | None
    has_growing_cache: bool = False
    can_pad: bool = False
    can_join: bool = False


def decoding_plan(model: PreTrainedModel) -> DecodingPlan:
    """Return how a model can be decoded; it needs no weights."""
    names = inspect.signature(model.forward).parameters
    state_name = next((name for name in _STATE_NAMES if name in names), None)
    makes_default: Callable[[], bool] | None = getattr(
        model, "_supports_default_dynamic_cache", None
    )
    if makes_default is None:
        return DecodingPlan(state_name=None)
    if not makes_default():
        return DecodingPlan(state_name=state_name)
    layers = growing_cache(model.config).layers
    attends = all(type(layer) in (GrowingLayer, DynamicSlidingWindowLayer) for layer in layers)
    # Its state is in its modules, or its step for one token is not the one for many.
    if (model._is_stateful and attends) or _limits_time_steps(model):
        return DecodingPlan(state_name=None)
    can_pad = attends and {"attention_mask", "position_ids", state_name} <= names.keys()
    return DecodingPlan(
        state_name=state_name,
        has_growing_cache=state_name is not None,
        can_pad=can_pad,
        can_join=can_pad and all(type(layer) is GrowingLayer for layer in layers),
    )


def _limits_time_steps(model: PreTrainedModel) -> bool:
    """Return whether a state space limits its time steps, which it does not do token by token."""
    limits = [getattr(module, "time_step_limit", None) for module in model.modules()]
    return any(limit is not None and tuple(limit) != (0, float("inf")) for limit in limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrompts:
    """Prompts that a model has read, P of them, the shorter ones padded on the left.

    Attributes:
        token_ids: int64, [P, T].
        positions: Of each token in its prompt, int64, [P, T].
        mask: True on tokens, bool [P, T]; None where there is no padding.
        lengths: Tokens of each prompt, [P].
        state: What the model keeps; None if it keeps nothing.
        logits: Those that follow each prompt, [P, V].
    """

    token_ids: Tensor
    positions: Tensor
    mask: Tensor | None
    lengths: NDArray[np.int64]
    state: Any
    logits: Tensor


class ModelReader:
    """A policy's model, called with those arguments that it has.

    Attributes:
        plan: How it can be read.
        device: Where tokens are wanted.
    """

    def __init__(self, policy: Policy) -> None:
        self._pad_token_id = policy.pad_token_id
        self.device = policy.device
        self._model = policy.model
        self.plan = decoding_plan(policy.model)
        names = inspect.signature(policy.model.forward).parameters
        self._has_mask = "attention_mask" in names
        self._has_positions = "position_ids" in names
        options = {"use_cache": self.plan.state_name is not None, "logits_to_keep": 1}
        self._options = {key: value for key, value in options.items() if key in names}
        self._num_steps = 0
        self._kind = kind_of(policy.model) if self.plan.can_join and self._is_plain() else None
        self._traced: dict[bool, TracedStep | None] = {}

    def new_cache(self) -> DynamicCache:
        """Return an empty cache of ours."""
        return growing_cache(self._model.config)

    def read_prompts(self, prompts: Sequence[Sequence[int]]) -> ReadPrompts:
        """Read prompts together; all of one length, unless the model can be padded."""
        lengths = np.array([len(prompt) for prompt in prompts])
        width = int(lengths.max())
        padded = np.full((len(prompts), width), self._pad_token_id)
        for row, prompt in enumerate(prompts):
            padded[row, width - len(prompt) :] = prompt
        columns = np.arange(width) - (width - lengths)[:, None]
        token_ids = torch.from_numpy(padded).to(self.device)
        positions = torch.from_numpy(columns.clip(min=0)).to(self.device)
        has_padding = int(lengths.min()) < width
        mask = torch.from_numpy(columns >= 0).to(self.device) if has_padding else None
        state = self.new_cache() if self.plan.has_growing_cache else None
        logits, state = self.read(token_ids, positions, mask, state)
        return ReadPrompts(
            token_ids=token_ids,
            positions=positions,
            mask=mask,
            lengths=lengths,
            state=state,
            logits=logits,
        )

    def read(
        self, token_ids: Tensor, positions: Tensor, mask: Tensor | None, state: Any
    ) -> tuple[Tensor, Any]:
        """Return the logits that follow the last column, [B, V], and the model's new state.

        Args:
            token_ids: What is new, [B, T].
            positions: Of the new tokens, [B, T].
            mask: True on the tokens so far, False on padding, bool [B, T so far]; None for all.
            state: What the model kept of the tokens before.
        """
        arguments: dict[str, Any] = dict(self._options)
        if self._has_mask:
            arguments["attention_mask"] = mask
        if self._has_positions:
            arguments["position_ids"] = positions
        name = self.plan.state_name
        if name is not None:
            arguments[name] = state
        output = self._model(input_ids=token_ids, **arguments)
        # A model may return its state, or change it in place.
        if name is not None and getattr(output, name, None) is not None:
            state = getattr(output, name)
        return output.logits[:, -1], state

    def read_token(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None, cache: DynamicCache
    ) -> Tensor:
        """Return what :meth:`read` does, of one new token per row and a cache of ours.

        After a few such steps the model's own code is left out, if its bits can be had without.
        """
        self._num_steps += 1
        step = self._traced_step(cache, has_mask=mask is not None)
        if step is not None:
            return step.read(tokens, positions, mask, cache)
        logits, _ = self.read(tokens, positions, mask, cache)
        return logits

    def _is_plain(self) -> bool:
        """Return whether torch's own attention is used, in the precision of the weights, on a CPU.

        Elsewhere recordings are not tested.
        """
        return (
            self.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and uses_grouped_attention(self._model)
        )

    def _traced_step(self, cache: DynamicCache, *, has_mask: bool) -> TracedStep | None:
        if self._kind is None:
            return None
        if has_mask not in self._traced:
            key = (self._kind, has_mask)
            if key not in _recordings:
                if self._num_steps <= _STEPS_BEFORE_TRACE:
                    return None
                _recordings[key] = trace_step(self._model, cache, has_mask=has_mask)
            step = None if (made := _recordings[key]) is None else TracedStep(made, self._model)
            self._traced[has_mask] = step
        return self._traced[has_mask]
