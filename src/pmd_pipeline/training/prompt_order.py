"""Which prompts a round trains on."""

from collections.abc import Iterator, Sequence

import numpy as np

from pmd_pipeline.records import Prompt
from pmd_pipeline.seeds import derive_seed


def prompts_of_round(
    prompts: Sequence[Prompt], *, round_index: int, prompts_per_round: int, seed: int
) -> list[Prompt]:
    """Return the prompts of a round: whole shuffled epochs, cut into rounds one after another.

    Args:
        prompts: The train prompts, in a fixed order.
        round_index: From 0.
        prompts_per_round: At most ``len(prompts)``, so no round repeats a prompt of its epoch.
        seed: The training seed.

    Raises:
        ValueError: If there are fewer prompts than a round needs.
    """
    if len(prompts) < prompts_per_round:
        raise ValueError(
            f"training.prompts_per_round is {prompts_per_round}, but only {len(prompts)} prompts "
            "were selected; lower it, add problems in data_preparation, or widen the reward "
            "bounds in rollout_generation"
        )
    # Epochs are cut into whole rounds; the few remaining prompts wait for the next shuffle.
    rounds_per_epoch = len(prompts) // prompts_per_round
    epoch, position = divmod(round_index, rounds_per_epoch)
    order = np.random.default_rng(derive_seed(seed, "prompt order", epoch)).permutation(
        len(prompts)
    )
    chosen = order[position * prompts_per_round : (position + 1) * prompts_per_round]
    return [prompts[i] for i in chosen]


def other_prompts(
    prompts: Sequence[Prompt], own: Sequence[Prompt], *, round_index: int, seed: int
) -> Iterator[Prompt]:
    """Yield every prompt that is not a round's own, shuffled for that round.

    A round that draws more prompts takes them from here. They depend on the seed and the round
    alone, never on what other rounds have drawn, and the other rounds keep their own.

    Args:
        prompts: The train prompts, in a fixed order.
        own: What :func:`prompts_of_round` gives for the round.
        round_index: From 0.
        seed: The training seed.
    """
    taken = {prompt.problem_id for prompt in own}
    order = np.random.default_rng(derive_seed(seed, "refill", round_index)).permutation(
        len(prompts)
    )
    for i in order:
        if prompts[i].problem_id not in taken:
            yield prompts[i]
