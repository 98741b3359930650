"""The training step on a GPU: how much of the card's matrix product it reaches, and its memory.

    python benchmarks/gpu_step.py
    python benchmarks/gpu_step.py --shape 1.5B --checkpointing --markdown
    python benchmarks/gpu_step.py --device cpu --shape tiny      # tries the code; no figure to keep

Models in the shapes of Qwen2.5-0.5B and 1.5B with random weights, in bfloat16 with AdamW's masters
and moments in float32. A round of 32 random rollouts goes through `run_round`; only the trainer's
update is timed, forward, backward and step: the median of five after two. Rows have 2,048 tokens,
or from 256 to 2,048, packed and padded.

MFU: the FLOP that the update cannot do without (6 per weight of a matrix product and token, the
head on response tokens alone, causal attention; nothing for padding or what is computed twice) per
second, over those of the largest of a few products of square bfloat16 matrices on the same card.
40 % is the mark. Memory: the largest that torch has allocated in an update, and the preflight's
estimate. Nothing of it means anything without a GPU.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stub_parts import NUM_WORDS, wide_tokenizer
from tables import Column, print_table
from transformers import Qwen2Config, Qwen2ForCausalLM

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.rewards import MathRewardConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.config.training import OptimizerConfig, TrainingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.preflight.memory import trainer_memory
from pmd_pipeline.preflight.model_shape import empty_model, model_shape
from pmd_pipeline.records import Completion, Prompt, Score
from pmd_pipeline.training.round import run_round
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import LocalTrainer

# Hidden size, feed-forward size, layers, heads, heads of keys, vocabulary, longest row.
SHAPES = {
    "tiny": (64, 128, 2, 4, 2, NUM_WORDS + 100, 64),
    "0.5B": (896, 4864, 24, 14, 2, 151_936, 2048),
    "1.5B": (1536, 8960, 28, 12, 2, 151_936, 2048),
}
NUM_PROMPTS, GROUP_SIZE = 4, 8
PROMPT_TOKENS = 32
ROWS_PER_MICRO_BATCH = 8
SHORTEST = 1 / 8
NUM_WARM_UP, NUM_TIMED = 2, 5
WANTED = 0.4
GIBI = 1 << 30


class Engine(RolloutEngine):
    """Returns random tokens of given lengths."""

    runs_policy_model = True

    def __init__(self, lengths: np.ndarray) -> None:
        self._lengths = lengths

    def publish(self, policy: Policy) -> int:
        """The weights play no part."""
        return policy.policy_version

    def submit(self, units: Sequence[Unit], version: int) -> list[Unit]:
        """Units are their own handles."""
        return list(units)

    def collect(self, handle: Unit, **_: Any) -> list[list[Completion]]:
        """Return random responses."""
        num_samples = handle.num_samples
        rng = np.random.default_rng(0)
        responses = [
            Completion(
                token_ids=tuple(rng.integers(3, NUM_WORDS, length).tolist()),
                log_probs=np.full(length, -np.log(NUM_WORDS), dtype=np.float32),
                truncated=False,
            )
            for length in self._lengths
        ]
        return [
            responses[i * num_samples : (i + 1) * num_samples] for i in range(len(handle.prompts))
        ]

    def close(self) -> None:
        """Nothing to close."""


class Reward:
    """Every second response is right."""

    two_values = (0.0, 1.0)

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
        """Return the scores."""
        return [Score(reward=float(i % 2), correct=i % 2 == 1) for i in range(len(responses))]

    def close(self) -> None:
        """Nothing to close."""


class TimedTrainer(LocalTrainer):
    """Notes the seconds of each update, and the most memory that one has taken."""

    def __init__(self, policy: Policy, setup: TrainingSetup) -> None:
        super().__init__(policy, setup)
        self.seconds: list[float] = []
        self.peak_bytes = 0

    def update(self, *args: Any, **options: Any) -> Any:
        """Take a step."""
        on_gpu = self.whole_policy().device.type == "cuda"
        if on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        result = super().update(*args, **options)
        if on_gpu:
            torch.cuda.synchronize()
            self.peak_bytes = max(self.peak_bytes, torch.cuda.max_memory_allocated())
        self.seconds.append(time.perf_counter() - started)
        return result


def main() -> None:
    """Measure every shape with both kinds of rows, padded and packed."""
    arguments = _arguments()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this measures a GPU, and torch finds none; --device cpu --shape tiny tries it")
    device = torch.device(arguments.device)
    product = _product_flops(device, 8192 if device.type == "cuda" else 256)
    rows = [
        _measured(name, device, product, ragged, packed, arguments.checkpointing)
        for name in arguments.shape or ("0.5B", "1.5B")
        for ragged in (False, True)
        for packed in (False, True)
    ]
    card = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU: nothing to keep"
    print_table(
        f"{card}: {product / 1e12:.1f} TFLOP/s in a matrix product; wanted: MFU {WANTED:.0%}",
        [
            Column("model"),
            Column("rows"),
            Column("padding"),
            *(
                Column(name, is_number=True)
                for name in ("seconds", "tokens/s", "MFU", "peak, GiB", "estimated, GiB")
            ),
        ],
        rows,
        markdown=arguments.markdown,
    )


def _measured(
    name: str, device: torch.device, product: float, ragged: bool, packed: bool, checkpointing: bool
) -> list[str]:
    config = _config(name)
    longest = SHAPES[name][-1]
    most = longest - PROMPT_TOKENS
    least = max(1, int(longest * SHORTEST) - PROMPT_TOKENS) if ragged else most
    lengths = np.random.default_rng(1).integers(least, most + 1, NUM_PROMPTS * GROUP_SIZE)
    model = Qwen2ForCausalLM(config).to(device, torch.bfloat16).eval()
    policy = Policy(model=model, tokenizer=wide_tokenizer(), precision="bfloat16")
    setup = _setup(longest, packed, checkpointing)
    trainer = TimedTrainer(policy, setup)
    prompts = [
        Prompt(problem_id=str(i), token_ids=(3,) * PROMPT_TOKENS, answer=None, problem="")
        for i in range(NUM_PROMPTS)
    ]
    for index in range(NUM_WARM_UP + NUM_TIMED):
        run_round(trainer, Engine(lengths), prompts, setup, Reward(), round_index=index)
    seconds = statistics.median(trainer.seconds[NUM_WARM_UP:])
    estimate = trainer_memory(
        model_shape(empty_model(config)),
        micro_batch_tokens=setup.micro_batch_tokens,
        longest_sequence_tokens=longest,
        bfloat16=True,
        bfloat16_weights=True,
        gradient_checkpointing=checkpointing,
        packed=packed,
    )
    num_tokens = int(lengths.sum()) + len(lengths) * PROMPT_TOKENS
    return [
        name,
        f"{least + PROMPT_TOKENS} to {longest}" if ragged else str(longest),
        "packed" if packed else "padded",
        f"{seconds:.3f}",
        f"{num_tokens / seconds:,.0f}",
        f"{_update_flops(config, lengths) / seconds / product:.1%}",
        f"{trainer.peak_bytes / GIBI:.1f}",
        f"{estimate.peak / GIBI:.1f}",
    ]


def _config(name: str) -> Qwen2Config:
    hidden, feed_forward, layers, heads, key_heads, vocabulary, longest = SHAPES[name]
    return Qwen2Config(
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=vocabulary,
        max_position_embeddings=longest,
        tie_word_embeddings=True,
        dtype="bfloat16",
    )


def _setup(longest: int, packed: bool, checkpointing: bool) -> TrainingSetup:
    return TrainingSetup(
        label="pmd_mean",
        algorithm=AlgorithmParameters.model_validate({"kind": "pmd_mean", "tau": 0.5}).root,
        training=TrainingConfig(
            algorithms=("pmd_mean",),
            num_phases=1,
            rounds_per_phase=NUM_WARM_UP + NUM_TIMED,
            prompts_per_round=NUM_PROMPTS,
            group_size=GROUP_SIZE,
            num_mini_batches=1,
            sampling=SamplingConfig(max_new_tokens=longest),
            optimizer=OptimizerConfig(learning_rate=1e-6),
            micro_batch_tokens=ROWS_PER_MICRO_BATCH * longest,
            packing=packed,
            gradient_checkpointing=checkpointing,
        ),
        rewards=MathRewardConfig(convention="boxed"),
        seed=0,
        adapter_seed=0,
    )


def _update_flops(config: Qwen2Config, responses: np.ndarray) -> float:
    """Return the FLOP of one forward and backward pass: three times those of the forward pass."""
    hidden, head_dim = config.hidden_size, config.hidden_size // config.num_attention_heads
    keys = config.num_key_value_heads * head_dim
    layer = 2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * config.intermediate_size
    lengths = responses.astype(np.float64) + PROMPT_TOKENS
    products = 2 * config.num_hidden_layers * layer * lengths.sum()
    # Scores and weighted values over the tokens so far, half of the square.
    attention = 2 * config.num_hidden_layers * hidden * (lengths**2).sum()
    head = 2 * hidden * config.vocab_size * float(responses.sum())
    return float(3 * (products + attention + head))


def _product_flops(device: torch.device, size: int) -> float:
    """Return the most FLOP per second of a product of bfloat16 matrices."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        if device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--shape", action="append", choices=tuple(SHAPES), help="by default 0.5B and 1.5B"
    )
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    parser.add_argument("--markdown", action="store_true", help="a table for docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
