"""Supervised warm start of the embedded policy.

The demonstrations make deliberate mistakes: the policy learns the skill and a habit of guessing, so
its greedy answers are right while its pass rate at temperature 1 is about one half, which
reinforcement learning can sharpen.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pmd_pipeline.config.policy import WarmStartConfig
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
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )
    with progress_bar("warm start", config.num_steps, "steps") as bar:
        for step, (token_ids, is_target) in enumerate(_batches(policy, config, seed, held_out)):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, config)
            logits = model(input_ids=token_ids[:, :-1], use_cache=False).logits
            loss = cross_entropy(logits[is_target[:, 1:]], token_ids[:, 1:][is_target[:, 1:]])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.update()
    model.eval()


def _schedule(step: int, config: WarmStartConfig) -> float:
    if step < config.num_warmup_steps:
        return (step + 1) / config.num_warmup_steps
    progress = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
    return 1 - (1 - config.final_fraction) * progress


def _batches(
    policy: Policy, config: WarmStartConfig, seed: int, held_out: frozenset[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield token ids [B, T], right-padded, and which of them the policy should imitate."""
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
    for start in range(0, len(demonstrations), config.batch_size):
        rows = range(start, start + config.batch_size)
        texts = [[*prompts[i], *responses[i], tokenizer.eos_token_id] for i in rows]
        token_ids = torch.full((len(texts), max(map(len, texts))), policy.pad_token_id)
        is_target = torch.zeros_like(token_ids, dtype=torch.bool)
        for row, (i, text) in enumerate(zip(rows, texts, strict=True)):
            token_ids[row, : len(text)] = torch.tensor(text)
            is_target[row, len(prompts[i]) : len(text)] = True
        yield token_ids.to(policy.device), is_target.to(policy.device)
