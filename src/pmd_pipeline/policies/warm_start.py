"""Supervised warm start of the embedded policy.

The demonstrations make deliberate mistakes: the policy learns the skill and a habit of guessing, so
its greedy answers are right while its pass rate at temperature 1 is about one half, which
reinforcement learning can sharpen.
"""

from collections.abc import Iterator
from math import cos, pi

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.policies.demonstration_rows import DemonstrationRows, Tokens, shared_rows
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.addition import sample_demonstrations
from pmd_pipeline.progress import progress_bar


def warm_start(
    policy: Policy, config: WarmStartConfig, *, seed: int, held_out: frozenset[str]
) -> None:
    """Train ``policy`` in place to imitate fresh demonstrations for ``config.num_steps`` steps.

    Args:
        policy: The embedded policy.
        config: Steps, learning rate, and how often a demonstration makes a mistake.
        seed: Decides the demonstrations.
        held_out: Evaluation problems, none of which may be demonstrated.

    Raises:
        ValueError: If a demonstration would reveal an evaluation problem.
    """
    model = policy.model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    with progress_bar("warm start", config.num_steps, "steps") as bar:
        for step, rows in enumerate(_batches(policy, config, seed, held_out)):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, config)
            logits = model(
                input_ids=rows.token_ids,
                position_ids=rows.positions,
                attention_mask=rows.attention_mask,
                use_cache=False,
            ).logits
            is_target = rows.is_target[:, 1:]
            loss = cross_entropy(logits[:, :-1][is_target], rows.token_ids[:, 1:][is_target])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.update()
    model.eval()


def _schedule(step: int, config: WarmStartConfig) -> float:
    """Return the learning rate over the highest: a linear warm-up, then half a cosine."""
    if step < config.num_warmup_steps:
        return (step + 1) / config.num_warmup_steps
    progress = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
    return config.final_fraction + (1 - config.final_fraction) * (1 + cos(pi * progress)) / 2


def _batches(
    policy: Policy, config: WarmStartConfig, seed: int, held_out: frozenset[str]
) -> Iterator[DemonstrationRows]:
    """Yield the demonstrations of each step."""
    rng = np.random.default_rng(seed)
    tokenizer = policy.tokenizer
    demonstrations = sample_demonstrations(
        config.num_steps * config.batch_size,
        rng,
        p_skip=config.skip_probability,
        p_drop_carry=config.drop_carry_probability,
        p_slip=config.slip_probability,
    )
    leaked = held_out.intersection(prompt.removesuffix("?") for prompt, _ in demonstrations)
    if leaked:
        raise ValueError(
            f"{len(leaked)} evaluation problems are among the demonstrations of the warm start, "
            f"such as {min(leaked)!r}: the initial policy would have seen what it is tested on; "
            "evaluate on generated_addition problems, which are held out"
        )
    prompts = tokenizer([prompt for prompt, _ in demonstrations])["input_ids"]
    responses = tokenizer([text for _, text in demonstrations], add_special_tokens=False)[
        "input_ids"
    ]
    tokens = [
        Tokens(prompt, [*response, tokenizer.eos_token_id])
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    width = max(map(len, tokens))
    for start in range(0, len(tokens), config.batch_size):
        batch = tokens[start : start + config.batch_size]
        yield shared_rows(batch, width=width, pad_token_id=policy.pad_token_id).to(policy.device)
