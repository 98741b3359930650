"""Training a policy to imitate demonstrations."""

from collections.abc import Iterator
from math import cos, pi

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pmd_pipeline.config.policy import WarmStartConfig
from pmd_pipeline.policies.demonstration_rows import DemonstrationRows, Tokens, shared_rows
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.problems.tasks.task import (
    GUESS,
    DemonstratedTask,
    Demonstration,
    Mistakes,
    sample_demonstrations,
)
from pmd_pipeline.problems.templates import plain_prompt
from pmd_pipeline.progress import progress_bar


def imitate(
    policy: Policy,
    config: WarmStartConfig,
    task: DemonstratedTask,
    mistakes: Mistakes,
    rng: np.random.Generator,
    *,
    held_out: frozenset[str],
    guess_share: float | None = None,
) -> None:
    """Train ``policy`` in place on fresh demonstrations for ``config.num_steps`` steps.

    Args:
        policy: The embedded policy.
        config: Steps and learning rate.
        task: Makes the demonstrations.
        mistakes: Theirs.
        rng: Decides the demonstrations.
        held_out: Evaluation problems, none of which may be demonstrated.
        guess_share: How often the policy is to guess, if not as often as the demonstrations: the
            choice, a response's first token, is weighted as if they guessed so often. What is
            learned about the working does not depend on it.

    Raises:
        ValueError: If a demonstration would reveal an evaluation problem.
    """
    model = policy.model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    demonstrations = _demonstrations(config, task, mistakes, rng, held_out)
    tokens = _tokenised(policy, demonstrations, _first_weights(mistakes, guess_share))
    with progress_bar("warm start", config.num_steps, "steps") as bar:
        for step, rows in enumerate(_batches(policy, tokens, config.batch_size)):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, config)
            logits = model(
                input_ids=rows.token_ids,
                position_ids=rows.positions,
                attention_mask=rows.attention_mask,
                use_cache=False,
            ).logits
            loss = _loss(logits, rows, is_weighted=guess_share is not None)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.update()
    model.eval()


def _loss(logits: Tensor, rows: DemonstrationRows, *, is_weighted: bool) -> Tensor:
    is_target = rows.is_target[:, 1:]
    predicted, target = logits[:, :-1][is_target], rows.token_ids[:, 1:][is_target]
    if not is_weighted:
        return cross_entropy(predicted, target)
    losses = cross_entropy(predicted, target, reduction="none")
    return (losses * rows.weight[:, 1:][is_target]).mean()


def _schedule(step: int, config: WarmStartConfig) -> float:
    """Return the learning rate over the highest: a linear warm-up, then half a cosine."""
    if step < config.num_warmup_steps:
        return (step + 1) / config.num_warmup_steps
    progress = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
    return config.final_fraction + (1 - config.final_fraction) * (1 + cos(pi * progress)) / 2


def _demonstrations(
    config: WarmStartConfig,
    task: DemonstratedTask,
    mistakes: Mistakes,
    rng: np.random.Generator,
    held_out: frozenset[str],
) -> list[Demonstration]:
    demonstrations = sample_demonstrations(
        task, config.num_steps * config.batch_size, rng, mistakes, excluded=held_out
    )
    leaked = held_out.intersection(demonstration.problem for demonstration in demonstrations)
    if leaked:
        raise ValueError(
            f"{len(leaked)} evaluation problems are among the demonstrations of the warm start, "
            f"such as {min(leaked)!r}: the initial policy would have seen what it is tested on; "
            "evaluate on problems that a generator holds out"
        )
    return demonstrations


def _first_weights(mistakes: Mistakes, guess_share: float | None) -> tuple[float, float]:
    """Return the weight of the first token of a guess, and of a worked response."""
    if guess_share is None:
        return 1.0, 1.0
    return guess_share / mistakes.skip, (1 - guess_share) / (1 - mistakes.skip)


def _tokenised(
    policy: Policy, demonstrations: list[Demonstration], first_weights: tuple[float, float]
) -> list[Tokens]:
    tokenizer = policy.tokenizer
    prompts = tokenizer([plain_prompt("embedded", problem) for problem, _ in demonstrations])
    responses = tokenizer([text for _, text in demonstrations], add_special_tokens=False)
    guess, worked = first_weights
    return [
        Tokens(
            prompt,
            [*response, tokenizer.eos_token_id],
            first_weight=guess if demonstration.response.startswith(GUESS) else worked,
        )
        for demonstration, prompt, response in zip(
            demonstrations, prompts["input_ids"], responses["input_ids"], strict=True
        )
    ]


def _batches(policy: Policy, tokens: list[Tokens], batch_size: int) -> Iterator[DemonstrationRows]:
    """Yield the demonstrations of each step."""
    width = max(map(len, tokens))
    for start in range(0, len(tokens), batch_size):
        batch = tokens[start : start + batch_size]
        yield shared_rows(batch, width=width, pad_token_id=policy.pad_token_id).to(policy.device)
