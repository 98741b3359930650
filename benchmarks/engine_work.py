"""The work of the contenders in ``rollout_engines.py``: random models and two workloads."""

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from pmd_pipeline.policies.policy import Policy

MEAN_RAGGED_TOKENS = 21
_MAX_POSITION = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Responses to sample.

    Attributes:
        name: For the table.
        prompts: Token ids; none is a stop token.
        num_samples: Responses per prompt.
        max_new_tokens: Longest response.
        stop_token_ids: Tokens that end a response.
    """

    name: str
    prompts: tuple[tuple[int, ...], ...]
    num_samples: int
    max_new_tokens: int
    stop_token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One run of a contender.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Of its process and child processes; idle threads that spin count too.
        lengths: Tokens of each response.
    """

    seconds: float
    cpu_seconds: float
    lengths: tuple[int, ...]


def workloads(vocab_size: int) -> tuple[Workload, Workload]:
    """Return responses of equal length and ragged ones, prompts of 8 to 24 tokens.

    A random model's distribution is nearly uniform. So if one token in 21 is a stop token, lengths
    are nearly geometric with mean 21, for all contenders alike.
    """
    num_stops = round(vocab_size / MEAN_RAGGED_TOKENS)
    rng = np.random.default_rng(0)

    def prompts(count: int) -> tuple[tuple[int, ...], ...]:
        lengths = rng.integers(8, 25, size=count)
        return tuple(tuple(rng.integers(num_stops, vocab_size, size=n).tolist()) for n in lengths)

    return (
        Workload(
            name="equal",
            prompts=prompts(64),
            num_samples=8,
            max_new_tokens=64,
            stop_token_ids=(),
        ),
        Workload(
            name="ragged",
            prompts=prompts(32),
            num_samples=8,
            max_new_tokens=128,
            stop_token_ids=tuple(range(num_stops)),
        ),
    )


def build_model(name: str) -> PreTrainedModel:
    """Return a model with random weights, the same at each call.

    ``0.9M``: Llama, tied embeddings; ``7.5M``: Qwen3, two query heads to each key head.
    """
    shared = {
        "max_position_embeddings": _MAX_POSITION,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": 0,
        "dtype": "float32",
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "0.9M":
            return LlamaForCausalLM(
                LlamaConfig(
                    vocab_size=512,
                    hidden_size=128,
                    intermediate_size=352,
                    num_hidden_layers=4,
                    num_attention_heads=4,
                    num_key_value_heads=4,
                    tie_word_embeddings=True,
                    **shared,
                )
            )
        return Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=2048,
                hidden_size=256,
                intermediate_size=800,
                num_hidden_layers=8,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=64,
                tie_word_embeddings=False,
                **shared,
            )
        )


MODEL_NAMES = ("0.9M", "7.5M")


def policy_for(model_name: str) -> Policy:
    """Return a model as a policy; its tokenizer has no words, because nothing here is text."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"<pad>": 0})))
    return Policy(model=build_model(model_name).eval(), tokenizer=tokenizer)
