"""Nodes of the stage ``policy_initialisation``."""

from transformers import PreTrainedTokenizerBase

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.policy import PolicyInitialisationConfig
from pmd_pipeline.policies import loading
from pmd_pipeline.policies.policy import Policy, resolve_device
from pmd_pipeline.training.seeds import derive_seed


def load_tokenizer(config: PolicyInitialisationConfig) -> PreTrainedTokenizerBase:
    """Return the policy's tokenizer, without loading any weights."""
    return loading.load_tokenizer(config)


def initialise_policy(
    config: PolicyInitialisationConfig, compute: ComputeConfig, seed: int
) -> Policy:
    """Return the policy that all algorithms start from."""
    return loading.initialise_policy(
        config, seed=derive_seed(seed, "initial policy"), device=resolve_device(compute)
    )
