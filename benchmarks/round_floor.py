"""The least work that a round of ``round_against_trl.py`` can be: its matrix products and no more.

Bare torch calls of the same Qwen3 model on the tokens that were really sampled: one decoding step
per token on the rows still running, in memory made beforehand, then one forward and backward pass
over the responses without padding, and one AdamW step. No trainer, no masks, no bookkeeping.
"""

import time
from itertools import groupby

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, rms_norm, scaled_dot_product_attention, silu
from transformers import Qwen3ForCausalLM

from pmd_pipeline.training.round import RoundResult


class Floor:
    """Times the bare work of rounds on a model of the same shape; the model is not changed."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        self._config = model.config
        self._weights = {
            name: value.detach().clone().requires_grad_()
            for name, value in model.named_parameters()
        }
        self._optimizer = torch.optim.AdamW(self._weights.values(), lr=1e-5, fused=True)
        theta = model.config.rope_parameters["rope_theta"]
        half = model.config.head_dim // 2
        frequencies = theta ** -(torch.arange(half) / half)
        angles = torch.arange(model.config.max_position_embeddings)[:, None] * frequencies
        self._cos, self._sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)

    def seconds(self, result: RoundResult) -> float:
        """Return the CPU-seconds of the bare work of a round's rollouts."""
        rollouts = [rollout for cycle in result.cycles for rollout in cycle.rollouts]
        prompts = [len(rollout.prompt_token_ids) for rollout in rollouts]
        responses = [len(rollout.completion.token_ids) for rollout in rollouts]
        started = time.process_time()
        self._decode(sorted(zip(responses, prompts, strict=True), reverse=True))
        self._train(sorted(p + r for r, p in zip(responses, prompts, strict=True)))
        return time.process_time() - started

    @torch.no_grad()
    def _decode(self, lengths: list[tuple[int, int]]) -> None:
        config, rows = self._config, len(lengths)
        start = max(prompt for _, prompt in lengths)
        room = (rows, config.num_key_value_heads, start + lengths[0][0], config.head_dim)
        caches = [(torch.zeros(room), torch.zeros(room)) for _ in range(config.num_hidden_layers)]
        tokens = torch.ones(rows, 1, dtype=torch.long)
        uniforms = torch.rand(rows)
        for step in range(lengths[0][0]):
            while lengths[rows - 1][0] <= step:
                rows -= 1
            hidden = self._hidden(tokens[:rows], start + step, caches)
            probs = linear(hidden[:, -1], self._weights["lm_head.weight"]).softmax(-1)
            torch.searchsorted(probs.cumsum(-1), uniforms[:rows, None])

    def _train(self, lengths: list[int]) -> None:
        # Rows of nearly one length together, so that nothing is padding.
        total = sum(lengths)
        for length, rows in groupby(lengths, key=lambda length: -(-length // 8) * 8):
            tokens = torch.ones(len(list(rows)), length, dtype=torch.long)
            logits = linear(self._hidden(tokens, 0, None), self._weights["lm_head.weight"])
            loss = cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="sum")
            (loss / total).backward()
        torch.nn.utils.clip_grad_norm_(list(self._weights.values()), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _hidden(
        self, tokens: Tensor, start: int, caches: list[tuple[Tensor, Tensor]] | None
    ) -> Tensor:
        config, weights = self._config, self._weights
        rows, length = tokens.shape
        epsilon = config.rms_norm_eps
        cos, sin = self._cos[start : start + length], self._sin[start : start + length]

        def rotated(x: Tensor) -> Tensor:
            first, second = x.chunk(2, dim=-1)
            return x * cos + torch.cat((-second, first), dim=-1) * sin

        hidden = weights["model.embed_tokens.weight"][tokens]
        for i in range(config.num_hidden_layers):
            own = {
                name: weights[f"model.layers.{i}.{name}.weight"]
                for name in (
                    *(f"self_attn.{part}_proj" for part in "qkvo"),
                    "self_attn.q_norm",
                    "self_attn.k_norm",
                    *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
                    "input_layernorm",
                    "post_attention_layernorm",
                )
            }
            shape = (rows, length, -1, config.head_dim)
            x = rms_norm(hidden, hidden.shape[-1:], own["input_layernorm"], epsilon)
            query, key, value = (
                linear(x, own[f"self_attn.{part}_proj"]).view(shape) for part in "qkv"
            )
            head = (config.head_dim,)
            query = rotated(rms_norm(query, head, own["self_attn.q_norm"], epsilon).transpose(1, 2))
            key = rotated(rms_norm(key, head, own["self_attn.k_norm"], epsilon).transpose(1, 2))
            value = value.transpose(1, 2)
            if caches is not None:
                keys, values = caches[i]
                keys[:rows, :, start : start + 1], values[:rows, :, start : start + 1] = key, value
                key, value = keys[:rows, :, : start + 1], values[:rows, :, : start + 1]
            attended = scaled_dot_product_attention(query, key, value, is_causal=caches is None)
            hidden = hidden + linear(attended.transpose(1, 2).flatten(2), own["self_attn.o_proj"])
            x = rms_norm(hidden, hidden.shape[-1:], own["post_attention_layernorm"], epsilon)
            gated = silu(linear(x, own["mlp.gate_proj"])) * linear(x, own["mlp.up_proj"])
            hidden = hidden + linear(gated, own["mlp.down_proj"])
        return rms_norm(hidden, hidden.shape[-1:], weights["model.norm.weight"], epsilon)
