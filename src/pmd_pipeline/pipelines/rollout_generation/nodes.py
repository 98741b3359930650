"""Nodes of the stage ``rollout_generation``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

import pandas as pd

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.rollout_generation import RolloutGenerationConfig
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.problems.prompts import table_to_prompts
from pmd_pipeline.progress import progress_bar
from pmd_pipeline.rewards.choice import reward_for
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.tables import rollouts_to_table
from pmd_pipeline.seeds import derive_seed


def generate_rollouts(
    train_problems: pd.DataFrame,
    initial_policy: PolicyReference,
    engine: RolloutEngine,
    config: RolloutGenerationConfig,
    training: TrainingConfig,
    rewards: RewardParameters,
    compute: ComputeConfig,
    seed: int,
) -> pd.DataFrame:
    """Sample and grade ``num_samples`` responses of the initial policy per train problem.

    Raises:
        ValueError: If the policy cannot be trained as ``training`` says.
    """
    from pmd_pipeline.policies.packing import uses_packing
    from pmd_pipeline.rollouts.collect import collect_rollouts

    policy = initial_policy.load(compute)
    # What would stop the training is better known now than after the sampling.
    uses_packing(policy.model, training.packing, device=policy.device, precision=policy.precision)
    prompts = table_to_prompts(train_problems, policy.tokenizer)
    total = len(prompts) * config.num_samples
    with progress_bar("initial rollouts", total, "rollouts") as bar:
        collected = collect_rollouts(
            engine,
            policy,
            prompts,
            num_samples=config.num_samples,
            sampling=training.sampling,
            seeds=[derive_seed(seed, "initial rollout", p.problem_id) for p in prompts],
            reward=reward_for(rewards.root),
            length_penalty=length_penalty_of(rewards.root),
            progress=bar,
        )
    return rollouts_to_table(collected.rollouts)


def compute_prompt_statistics(initial_rollouts: pd.DataFrame) -> pd.DataFrame:
    """Return pass rate, mean reward, mean length and truncated share per prompt."""
    # NaN where the reward does not tell right from wrong.
    judged = initial_rollouts.assign(correct=initial_rollouts["correct"].astype("Float64"))
    groups = judged.astype({"correct": "float64"}).groupby("problem_id", sort=False)
    return groups.agg(
        num_samples=("reward", "size"),
        pass_rate=("correct", "mean"),
        mean_reward=("reward", "mean"),
        mean_response_tokens=("num_tokens", "mean"),
        truncated_fraction=("truncated", "mean"),
    ).reset_index()


def select_prompts(
    train_problems: pd.DataFrame,
    prompt_statistics: pd.DataFrame,
    config: RolloutGenerationConfig,
    training: TrainingConfig,
) -> pd.DataFrame:
    """Return the train problems whose mean reward lies strictly between the configured bounds.

    Raises:
        ValueError: If they do not fill a round.
    """
    rewards = prompt_statistics.set_index("problem_id")["mean_reward"]
    mean_reward = train_problems["problem_id"].map(rewards)
    selected = pd.Series(True, index=train_problems.index)
    if config.min_mean_reward is not None:
        selected &= mean_reward > config.min_mean_reward
    if config.max_mean_reward is not None:
        selected &= mean_reward < config.max_mean_reward
    found = int(selected.sum())
    if found < training.prompts_per_round:
        raise ValueError(
            f"{found or 'no'} prompt{'s have' if found > 1 else ' has'} a mean reward strictly "
            f"between {config.min_mean_reward} and {config.max_mean_reward}, and "
            f"training.prompts_per_round is {training.prompts_per_round}: those of the "
            f"{len(train_problems)} train problems go from {mean_reward.min():.4g} to "
            f"{mean_reward.max():.4g}; widen the bounds in rollout_generation, raise "
            "rollout_generation.num_samples, give more problems or lower prompts_per_round"
        )
    return train_problems[selected].reset_index(drop=True)
