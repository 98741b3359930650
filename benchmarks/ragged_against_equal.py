"""What ragged lengths cost the transformers engine, beside the ideal.

    python benchmarks/ragged_against_equal.py

The ideal is the sum of the ragged responses' tokens at the speed of responses of one length, in a
batch of the same size, no place of which is ever empty. That length is the one at which a token has
on average as much text before it as in the ragged responses (most tokens are in the long ones).
Both are measured in turns in one process, one thread, float32; the table has medians of
CPU-seconds. Where the batch holds all responses nothing waits, and it shrinks until the longest is
done; a smaller one is kept full.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from round_work import GROUP_SIZE, LENGTHS, SHAPES, read_prompts, write_work
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy

WANTED = 1.2
WIDTH = 100


def main() -> None:
    """Measure every model and batch size, print a table."""
    arguments = _arguments()
    torch.set_num_threads(1)
    title = f"CPU-seconds of {arguments.prompts} prompts x {GROUP_SIZE} responses, ragged, at most "
    table = Table("model", "batch", title=f"{title}{LENGTHS['ragged']} tokens")
    for column in ("tokens", "ragged", "ideal", "ratio", "wanted"):
        table.add_column(column, justify="right")
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            write_work(Path(folder), name)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
            texts = read_prompts(Path(folder))[: arguments.prompts]
        policy = Policy(model=model, tokenizer=tokenizer)
        prompts = [tokenizer(text)["input_ids"] for text in texts]
        for batch_size in arguments.batch_sizes:
            table.add_row(name, str(batch_size), *_measure(policy, prompts, batch_size, arguments))
    Console(width=WIDTH).print(table)


def _measure(
    policy: Policy, prompts: list[list[int]], batch_size: int, arguments: argparse.Namespace
) -> tuple[str, ...]:
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=batch_size))
    tokens, ragged, ideal = [], [], []
    for repeat in range(arguments.repeats + 1):
        seconds, lengths = _sample(engine, policy, prompts, LENGTHS["ragged"], repeat)
        num_tokens = sum(lengths)
        of_one_length = round(sum(length**2 for length in lengths) / num_tokens)
        stops = policy.model.generation_config.eos_token_id, policy.tokenizer.eos_token
        policy.model.generation_config.eos_token_id = policy.tokenizer.eos_token = None
        equal_seconds, equal = _sample(engine, policy, prompts, of_one_length, repeat)
        policy.model.generation_config.eos_token_id, policy.tokenizer.eos_token = stops
        if repeat > 0:  # the first warms up
            tokens.append(num_tokens)
            ragged.append(seconds)
            ideal.append(equal_seconds / sum(equal) * num_tokens)
    ratio = statistics.median(a / b for a, b in zip(ragged, ideal, strict=True))
    return (
        f"{statistics.median(tokens):,.0f}",
        f"{statistics.median(ragged):.2f}",
        f"{statistics.median(ideal):.2f}",
        f"{ratio:.2f}",
        f"{WANTED}",
    )


def _sample(
    engine: TransformersEngine,
    policy: Policy,
    prompts: list[list[int]],
    max_new_tokens: int,
    seed: int,
) -> tuple[float, list[int]]:
    """Return the CPU-seconds of one call, and the responses' lengths."""
    version = engine.publish(policy)
    started = time.process_time()
    groups = engine.generate(
        prompts,
        version=version,
        num_samples=GROUP_SIZE,
        sampling=SamplingConfig(max_new_tokens=max_new_tokens),
        seeds=[1000 * seed + i for i in range(len(prompts))],
    )
    seconds = time.process_time() - started
    return seconds, [len(response.token_ids) for group in groups for response in group]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 256, 1024])
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5, help="calls of each that are counted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
