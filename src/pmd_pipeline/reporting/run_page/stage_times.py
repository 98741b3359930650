"""Where the time of a run went."""

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.budgets import has_lag
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.spec import Axis, Bars, FigureSpec, Panel, Text
from pmd_pipeline.reporting.drawing.styles import AMBER, GREEN, GREY, ORANGE, SKY

STAGE_TIME_COLUMNS = ("stage", "kind", "seconds")
_KINDS = ("sampling", "grading", "updating", "waiting")
_COLOURS = {"sampling": SKY, "grading": AMBER, "updating": GREEN, "waiting": ORANGE}


def training_times(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds of each algorithm's rounds by kind of work (``STAGE_TIME_COLUMNS``).

    Those of several training seeds are added up. Where rollouts were sampled beside the updates of
    earlier rounds, the kinds are updating and waiting, which do not overlap.
    Other stages' rows can be put before and after, with an empty ``kind``.
    """
    rows = [
        (_training(str(algorithm), rounds), kind, float(rounds[f"{kind}_seconds"].sum()))
        for algorithm, rounds in round_metrics.groupby("algorithm", sort=False)
        for kind in (("updating", "waiting") if has_lag(rounds) else _KINDS[:3])
    ]
    return pd.DataFrame(rows, columns=list(STAGE_TIME_COLUMNS))


def _training(algorithm: str, rounds: pd.DataFrame) -> str:
    num_seeds = rounds["seed"].nunique()
    return f"training {algorithm}" + (f" ({num_seeds} seeds)" if num_seeds > 1 else "")


def stacked_times(stage_times: pd.DataFrame) -> pd.DataFrame:
    """Return seconds with a row per stage and a column per kind, both in order of appearance.

    Args:
        stage_times: Columns ``stage, seconds`` and, where known, ``kind``.

    Raises:
        ValueError: If a column is missing or a time is negative.
    """
    missing = {"stage", "seconds"} - set(stage_times.columns)
    if missing:
        raise ValueError(
            f"stage_times lacks columns {sorted(missing)}, found {list(stage_times.columns)}"
        )
    if (stage_times["seconds"] < 0).any():
        row = stage_times[stage_times["seconds"] < 0].iloc[0]
        raise ValueError(f"stage_times: {row['stage']} took {row['seconds']} seconds")
    kinds = stage_times["kind"] if "kind" in stage_times.columns else ""
    table = stage_times.assign(kind=kinds).fillna({"kind": "", "seconds": 0.0})
    stacks = table.pivot_table(
        index="stage", columns="kind", values="seconds", aggfunc="sum", sort=False, fill_value=0.0
    )
    known = [kind for kind in (*_KINDS, "") if kind in stacks.columns]
    others = [kind for kind in stacks.columns if kind not in known]
    return stacks.loc[table["stage"].unique(), [*known, *others]]


def stage_time_figure(stage_times: pd.DataFrame) -> FigureSpec:
    """Return a bar per stage, stacked by kind of work, its total written beside it.

    Args:
        stage_times: Columns ``stage, seconds`` and, where known, ``kind``.
    """
    stacks = stacked_times(stage_times)
    kinds = [str(kind) for kind in stacks.columns]
    bars = tuple(
        Bars(
            names=tuple(str(stage) for stage in stacks.index),
            lengths=stacks[kind].to_numpy(dtype=np.float64),
            colour=_COLOURS.get(kind, GREY),
            label=(kind or "whole stage") if len(kinds) > 1 else None,
            hover=tuple(
                f"{stage}{kind and f', {kind}'}: {formatting.seconds(float(seconds))}"
                for stage, seconds in stacks[kind].items()
            ),
        )
        for kind in kinds
    )
    totals = stacks.sum(axis=1).to_numpy(dtype=np.float64)
    panel = Panel(
        name="stage_times",
        title="Time per stage",
        x=Axis(label="seconds"),
        y=Axis(),
        bars=bars,
        texts=tuple(
            Text(x=float(total), y=i, text=formatting.seconds(float(total)), align="left", shift=4)
            for i, total in enumerate(totals)
        ),
    )
    return FigureSpec.of(panel, inches=(8.0, 1.0 + 0.32 * len(stacks)))
