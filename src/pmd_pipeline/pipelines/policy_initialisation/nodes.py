"""Nodes of the stage ``policy_initialisation``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

import pandas as pd

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.policies.policy import Policy, resolve_device, weight_dtype
from pmd_pipeline.seeds import derive_seed


def initialise_policy(
    config: PolicyInitialisationConfig,
    eval_problems: pd.DataFrame,
    data: DataPreparationConfig,
    compute: ComputeConfig,
    seed: int,
) -> Policy:
    """Return the policy that all algorithms start from; it has not seen any evaluation problem."""
    from pmd_pipeline.policies import loading

    return loading.initialise_policy(
        config,
        seed=derive_seed(seed, "initial policy"),
        held_out=frozenset(eval_problems["problem"]),
        train=data.train,
        device=resolve_device(compute),
        dtype=weight_dtype(compute.weights),
    )
