"""Prompts that an engine cannot take, reported before it starts on them."""

from collections.abc import Sequence

from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy


def check_lengths(units: Sequence[Unit], *, limit: int | None, what: str) -> None:
    """Raise ValueError if a prompt is empty, or too long together with the longest response.

    Args:
        units: What is to be sampled.
        limit: Most tokens of prompt and response together; None: no limit.
        what: What the limit is, for the message.
    """
    for unit in units:
        longest, shortest = max(map(len, unit.prompts)), min(map(len, unit.prompts))
        if shortest == 0:
            raise ValueError("a prompt has no tokens; drop it, or start it with a special token")
        if limit is not None and longest + unit.sampling.max_new_tokens > limit:
            raise ValueError(
                f"a prompt of {longest} tokens and max_new_tokens {unit.sampling.max_new_tokens} "
                f"exceed the {limit} {what}; lower sampling.max_new_tokens or "
                "data_preparation.max_prompt_tokens"
            )


def max_positions(policy: Policy) -> int | None:
    """Return the most tokens of a text that a policy's model knows positions for; None: any."""
    limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None
