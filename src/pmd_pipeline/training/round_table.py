"""A round as a table: one row per rollout."""

import pandas as pd

from pmd_pipeline.rollouts.tables import rollouts_to_table
from pmd_pipeline.training.round import RoundResult


def round_to_table(result: RoundResult) -> pd.DataFrame:
    """Return one row per rollout of a round, with the effect of the updates on it.

    ``sampled_version`` counts the updates that the policy had seen which sampled it.

    ``sequence_log_ratio`` compares the policy after the last mini-batch of the rollout's cycle with
    the policy that sampled it, or with that before the updates where importance weights correct for
    an older one, nats.

    With a refill, ``is_trained`` says which rollouts the updates used.
    """
    tables = []
    for cycle, measured in enumerate(result.cycles):
        table = rollouts_to_table(measured.rollouts)
        table.insert(0, "round", result.round_index)
        table.insert(1, "cycle", cycle)
        table.insert(2, "sampled_version", measured.sampled_version)
        table["advantage"] = measured.advantages.astype(float)
        table["behaviour_log_prob"] = measured.behaviour_log_probs.astype(float)
        table["sequence_log_ratio"] = measured.sequence_log_ratios.astype(float)
        table["entropy"] = measured.mean_entropies.astype(float)
        if measured.is_trained is not None:
            table["is_trained"] = measured.is_trained
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
