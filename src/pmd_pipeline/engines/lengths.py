"""Prompts that an engine cannot take, reported before it starts on them."""

from collections.abc import Sequence

from pmd_pipeline.config.sampling import SamplingConfig


def check_lengths(
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: SamplingConfig,
    *,
    limit: int | None,
    what: str,
) -> None:
    """Raise ValueError if a prompt is empty, or too long together with the longest response.

    Args:
        prompts: Token ids.
        seeds: One per prompt.
        sampling: Contains the longest response allowed.
        limit: Most tokens of prompt and response together; None: no limit.
        what: What the limit is, for the message.
    """
    if len(seeds) != len(prompts):
        raise ValueError(f"one seed per prompt: {len(prompts)} prompts, {len(seeds)} seeds")
    longest, shortest = max(map(len, prompts)), min(map(len, prompts))
    if shortest == 0:
        raise ValueError("a prompt has no tokens; drop it, or start it with a special token")
    if limit is not None and longest + sampling.max_new_tokens > limit:
        raise ValueError(
            f"a prompt of {longest} tokens and max_new_tokens {sampling.max_new_tokens} exceed "
            f"the {limit} {what}; lower sampling.max_new_tokens or "
            "data_preparation.max_prompt_tokens"
        )
