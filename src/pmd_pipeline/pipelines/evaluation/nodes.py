"""Nodes of the stage ``evaluation``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from pmd_pipeline.config.algorithms import AlgorithmParameters
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training import TrainingConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.metrics import evaluate_completions
from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.problems.prompts import table_to_prompts
from pmd_pipeline.progress import progress_bar
from pmd_pipeline.rewards import with_vote_labels
from pmd_pipeline.rewards.choice import reward_for, two_values_of
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.tables import rollouts_to_table
from pmd_pipeline.seeds import derive_seed

_COMPLETION_COLUMNS = [
    "eval_set",
    "problem_id",
    "sample_index",
    "problem",
    "gold",
    "metadata",
    "response",
    "answer",
    "correct",
    "grade_reason",
    "reward",
    "truncated",
    "num_tokens",
]


def evaluate_policy(
    policy: PolicyReference,
    eval_problems: pd.DataFrame,
    engine: RolloutEngine,
    config: EvaluationConfig,
    rewards: RewardParameters,
    compute: ComputeConfig,
    seed: int,
) -> pd.DataFrame:
    """Sample and grade k responses per evaluation problem; return every completion.

    All policies answer with the same random numbers, which makes their comparison sharper.
    """
    return sample_completions(policy.load(compute), eval_problems, engine, config, rewards, seed)


def sample_completions(
    policy: Policy,
    eval_problems: pd.DataFrame,
    engine: RolloutEngine,
    config: EvaluationConfig,
    rewards: RewardParameters,
    seed: int,
) -> pd.DataFrame:
    """Sample and grade k responses per evaluation problem from a live policy."""
    from pmd_pipeline.rollouts.collect import collect_rollouts

    prompts = table_to_prompts(eval_problems, policy.tokenizer)
    with progress_bar("evaluation", len(prompts) * config.num_samples, "responses") as bar:
        collected = collect_rollouts(
            engine,
            policy,
            prompts,
            num_samples=config.num_samples,
            sampling=config.sampling,
            seeds=[derive_seed(seed, "evaluation", p.problem_id) for p in prompts],
            reward=reward_for(rewards.root),
            length_penalty=length_penalty_of(rewards.root),
            progress=bar,
        )
    return with_problems(rollouts_to_table(collected.rollouts), eval_problems)


def with_problems(graded: pd.DataFrame, eval_problems: pd.DataFrame) -> pd.DataFrame:
    """Return graded responses as a table of completions, each with its problem."""
    problems = eval_problems[["problem_id", "problem", "answer", "metadata", "source"]].rename(
        columns={"answer": "gold", "source": "eval_set"}
    )
    return graded.merge(problems, on="problem_id", how="left", validate="many_to_one")[
        _COMPLETION_COLUMNS
    ]


def compute_eval_metrics(
    completions: pd.DataFrame, config: EvaluationConfig, rewards: RewardParameters
) -> pd.DataFrame:
    """Return avg@k, pass@k, maj@k (or the mean reward), truncated share and length per set."""
    return measure_completions(
        completions, level=config.interval_level, has_answers=rewards.root.gives_answers
    )


def measure_completions(
    completions: pd.DataFrame, *, level: float, has_answers: bool
) -> pd.DataFrame:
    """Return the metrics of each evaluation set, one after the other."""
    tables = []
    for eval_set, rows in completions.groupby("eval_set", sort=False):
        # Answers that mean the same vote together.
        votes = with_vote_labels(rows)
        table = evaluate_completions(votes, level=level, has_answers=has_answers)
        table.insert(0, "eval_set", eval_set)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def make_summarise(
    run: TrainingRun, phases: range, rounds_per_phase: int
) -> Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    """Return the node function that puts the phases of one training run together."""

    def summarise(
        initial: pd.DataFrame, **tables: pd.DataFrame
    ) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return the evaluations, round 0 first, every completion, and the rounds' metrics."""
        rounds = {phase: phase * rounds_per_phase for phase in phases}
        evaluations = {rounds[phase]: tables[f"eval_metrics_{phase}"] for phase in phases}
        completions = [
            tables[f"eval_completions_{phase}"].assign(round=rounds[phase]) for phase in phases
        ]
        round_metrics = [tables[f"round_metrics_{phase}"] for phase in phases]
        comparison = build_comparison(initial, {run.algorithm: evaluations})
        comparison.insert(1, "seed", run.seed)
        return (
            comparison,
            pd.concat(completions, ignore_index=True),
            pd.concat(round_metrics, ignore_index=True),
        )

    return summarise


def make_compare_with_theory(run: TrainingRun) -> Callable[..., pd.DataFrame]:
    """Return the node function that holds the rounds of a training run against exact updates."""

    def compare_with_theory(
        training: TrainingConfig,
        algorithm: AlgorithmParameters,
        rewards: RewardParameters,
        **rollouts: Mapping[str, Callable[[], pd.DataFrame]],
    ) -> pd.DataFrame:
        """Return predicted and measured log-ratios of each round's prompt groups."""
        from pmd_pipeline.training.theory_in_the_loop import compared_groups, exact_update_of

        rounds = (load() for phase in rollouts.values() for load in phase.values())
        exact_update = exact_update_of(
            algorithm.root,
            two_values_of(rewards.root),
            weighs_stale_rollouts=training.weighs_stale_rollouts,
        )
        return compared_groups(run.algorithm, run.seed, rounds, exact_update)

    return compare_with_theory
