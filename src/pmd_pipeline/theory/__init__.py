"""Exact theory of policy mirror descent for finitely many actions, in numbers.

Population updates of PMD-mean and PMD-part, their bounds and limits, the error of estimated
baselines, a tabular laboratory, and the comparison of a training round with the exact update.
"""

from pmd_pipeline.theory.binary import BinarySolution, binary_log_partition, solve_binary
from pmd_pipeline.theory.bounds import PmdMeanBounds, pmd_mean_bounds
from pmd_pipeline.theory.empirical import EmpiricalSolution, solve_empirical_regression
from pmd_pipeline.theory.finite_rollouts import (
    BaselineMoments,
    baseline_moments,
    simulate_target_error,
)
from pmd_pipeline.theory.improvement import ImprovementBound, one_step_improvement
from pmd_pipeline.theory.in_the_loop import (
    RoundComparison,
    compare_round,
    predict_update,
)
from pmd_pipeline.theory.laboratory import GradientSteps, LaboratoryRun, run_laboratory
from pmd_pipeline.theory.limits import (
    BinaryLimit,
    FailureGapContraction,
    binary_large_tau_limit,
    binary_small_tau_limit,
    failure_gap_contraction,
    pmd_mean_small_tau_policy,
)
from pmd_pipeline.theory.loop_groups import GroupComparison, GroupLogRatios, summarise_groups
from pmd_pipeline.theory.population import PopulationSolution, solve_pmd_mean, solve_pmd_part
from pmd_pipeline.theory.tables import (
    ComparedRound,
    TheoryTables,
    build_theory_tables,
    loop_group_table,
    loop_round_table,
)

__all__ = [
    "BaselineMoments",
    "BinaryLimit",
    "BinarySolution",
    "ComparedRound",
    "EmpiricalSolution",
    "FailureGapContraction",
    "GradientSteps",
    "GroupComparison",
    "GroupLogRatios",
    "ImprovementBound",
    "LaboratoryRun",
    "PmdMeanBounds",
    "PopulationSolution",
    "RoundComparison",
    "TheoryTables",
    "baseline_moments",
    "binary_large_tau_limit",
    "binary_log_partition",
    "binary_small_tau_limit",
    "build_theory_tables",
    "compare_round",
    "failure_gap_contraction",
    "loop_group_table",
    "loop_round_table",
    "one_step_improvement",
    "pmd_mean_bounds",
    "pmd_mean_small_tau_policy",
    "predict_update",
    "run_laboratory",
    "simulate_target_error",
    "solve_binary",
    "solve_empirical_regression",
    "solve_pmd_mean",
    "solve_pmd_part",
    "summarise_groups",
]
