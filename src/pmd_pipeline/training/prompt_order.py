"""Which prompts a round trains on."""

from collections.abc import Sequence

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
