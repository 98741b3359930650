"""The work of ``round_against_trl.py``: random models, prompts and a reward that both sides share.

Imports nothing of pmd_pipeline, as TRL's side runs in an environment without it.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

NUM_PROMPTS = 16
GROUP_SIZE = 8
LEARNING_RATE = 1e-5
# Hidden size, feed-forward size and layers.
SHAPES = {"0.16M": (64, 176, 3), "1.2M": (160, 432, 4), "7.4M": (320, 864, 6)}
# A random model draws nearly uniformly: with 64 tokens, one of them the end of sequence, lengths
# are nearly geometric with mean 64, cut at the limit.
VOCAB_SIZE = 64
_EOS, _PAD = 0, 1
LENGTHS = {"equal": 64, "ragged": 256}
_NUM_ROUNDS = 40


def write_work(folder: Path, model_name: str) -> None:
    """Write the model, its tokenizer and the prompts of every round."""
    hidden, feed_forward, layers = SHAPES[model_name]
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCAB_SIZE,
            hidden_size=hidden,
            intermediate_size=feed_forward,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 32,
            num_key_value_heads=hidden // 32,
            head_dim=32,
            max_position_embeddings=512,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=_EOS,
            pad_token_id=_PAD,
            dtype="float32",
        )
    )
    model.save_pretrained(folder)
    vocabulary = ["<eos>", "<pad>", *(f"w{i}" for i in range(2, VOCAB_SIZE))]
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}))
    words.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=vocabulary[_EOS], pad_token=vocabulary[_PAD]
    ).save_pretrained(folder)
    rng = np.random.default_rng(0)
    prompts = [
        " ".join(f"w{token}" for token in rng.integers(2, VOCAB_SIZE, size=rng.integers(8, 25)))
        for _ in range(_NUM_ROUNDS * NUM_PROMPTS)
    ]
    (folder / "prompts.json").write_text(json.dumps(prompts), encoding="utf-8")


def read_prompts(folder: Path) -> list[str]:
    """Return the prompts of all rounds, NUM_PROMPTS per round."""
    prompts: list[str] = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
    return prompts


def reward_of(response: str) -> float:
    """Return 0 or 1, at random but the same for the same response."""
    return float(zlib.crc32(response.encode()) % 2)
