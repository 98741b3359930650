"""The policy that training continues from."""

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.setup import TrainingSetup


def load_start(start: PolicyReference, setup: TrainingSetup, compute: ComputeConfig) -> Policy:
    """Return the live policy of a reference, with a fresh adapter if one is to be trained.

    Raises:
        CheckpointError: If a file is damaged.
        LoraError: If an adapter cannot be used.
        ValueError: If the device is not available.
    """
    policy = start.load(compute)
    lora = setup.training.lora
    if lora is not None and policy.base_folder is None:
        seed = derive_seed(setup.adapter_seed, "adapter")
        add_adapter(policy, lora, base_folder=start.folder, seed=seed)
    return policy
