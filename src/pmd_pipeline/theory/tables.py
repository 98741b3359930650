"""All tables of the theory stage from its parameters, and the tables of theory in the loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmd_pipeline.config.theory import PmdMethod, ProbabilityGrid, TheoryConfig
from pmd_pipeline.theory.arrays import FloatArray
from pmd_pipeline.theory.figure_tables import (
    estimation_error_table,
    laboratory_table,
    log_partition_table,
    log_ratio_table,
    simplex_table,
)
from pmd_pipeline.theory.in_the_loop import RoundComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class TheoryTables:
    """One tidy table per theory figure; the columns are those of the functions that make them."""

    log_partition: pd.DataFrame
    simplex: pd.DataFrame
    log_ratio: pd.DataFrame
    estimation_error: pd.DataFrame
    laboratory: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRound:
    """One round of one algorithm, held against theory.

    Attributes:
        algorithm: Its label in the experiment.
        method: The exact update that it was compared with.
        round: Counted from 1.
        comparison: The result of `compare_round`.
    """

    algorithm: str
    method: PmdMethod
    round: int
    comparison: RoundComparison


def build_theory_tables(config: TheoryConfig, *, seed: int) -> TheoryTables:
    """Return the tables of all theory figures.

    Args:
        config: Section ``theory`` of the parameters.
        seed: Decides the Monte Carlo draws.
    """
    simplex, error = config.simplex, config.estimation_error
    taus = np.geomspace(simplex.tau_high, simplex.tau_low, simplex.num_points).tolist()
    return TheoryTables(
        log_partition=log_partition_table(
            _end_heavy_grid(config.log_partition.grid), config.log_partition.taus
        ),
        simplex=simplex_table(simplex.probs, simplex.rewards, taus, simplex.tau),
        log_ratio=log_ratio_table(_end_heavy_grid(config.log_ratio.grid), config.log_ratio.taus),
        estimation_error=estimation_error_table(
            _even_grid(error.grid),
            error.group_sizes,
            error.tau,
            num_seeds=error.num_seeds,
            seed=seed,
            leave_one_out=error.leave_one_out,
        ),
        laboratory=laboratory_table(config.laboratory, seed=seed),
    )


def loop_group_table(rounds: Sequence[ComparedRound]) -> pd.DataFrame:
    """Return predicted and measured log-ratios, one row per group and kind of response.

    Returns:
        Columns ``algorithm, method, round, group, pass_rate, response, predicted_log_ratio,
        measured_log_ratio, is_past_bound``.
    """
    columns = [
        *("algorithm", "method", "round", "group", "pass_rate", "response"),
        *("predicted_log_ratio", "measured_log_ratio", "is_past_bound"),
    ]
    frames = []
    for item in rounds:
        groups = item.comparison.groups
        for response, predicted, measured in (
            ("right", groups.predicted_success, groups.measured_success),
            ("wrong", groups.predicted_failure, groups.measured_failure),
        ):
            frames.append(
                pd.DataFrame(
                    {
                        "group": groups.group,
                        "pass_rate": groups.pass_rate,
                        "predicted_log_ratio": predicted,
                        "measured_log_ratio": measured,
                        "is_past_bound": groups.is_past_bound,
                    }
                ).assign(
                    algorithm=item.algorithm,
                    method=item.method,
                    round=item.round,
                    response=response,
                )
            )
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[columns]


def loop_round_table(rounds: Sequence[ComparedRound]) -> pd.DataFrame:
    """Return the numbers of each compared round, one row per algorithm and round.

    Returns:
        Columns ``algorithm, method, round`` and those of `RoundComparison.metrics`.
    """
    return pd.DataFrame(
        [
            {
                "algorithm": item.algorithm,
                "method": item.method,
                "round": item.round,
                **item.comparison.metrics(),
            }
            for item in rounds
        ]
    )


def _even_grid(grid: ProbabilityGrid) -> FloatArray:
    return np.linspace(grid.low, grid.high, grid.num_points)


def _end_heavy_grid(grid: ProbabilityGrid) -> FloatArray:
    """Return points that are densest at both ends, where the curves bend most."""
    share = np.sin(np.linspace(0.0, np.pi / 2.0, grid.num_points)) ** 2
    return grid.low + (grid.high - grid.low) * share
