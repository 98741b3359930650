"""Results of units as JSON values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pmd_pipeline.claims.results import Evaluation, GroupShift, SeedPair, UnitResult


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON values."""
    return {
        "round": evaluation.round,
        "num_right": list(evaluation.num_right),
        "num_samples": evaluation.num_samples,
    }


def evaluation_from_json(values: Mapping[str, Any]) -> Evaluation:
    """Return what :func:`evaluation_to_json` was given."""
    return Evaluation(
        round=values["round"],
        num_right=tuple(values["num_right"]),
        num_samples=values["num_samples"],
    )


def result_to_json(result: UnitResult) -> dict[str, Any]:
    """Return a result as JSON values; groups column by column, to keep the file small."""
    return {
        "settings": dict(result.settings),
        "seeds": {"warm_start": result.seeds.warm_start, "training": result.seeds.training},
        "problem_ids": list(result.problem_ids),
        "evaluations": [evaluation_to_json(evaluation) for evaluation in result.evaluations],
        "rounds": [{name: _plain(value) for name, value in row.items()} for row in result.rounds],
        "groups": {
            name: [_plain(getattr(group, name)) for group in result.groups]
            for name in _GROUP_COLUMNS
        },
        "diverged_in_round": result.diverged_in_round,
        "cpu_seconds": dict(result.cpu_seconds),
        "wall_seconds": dict(result.wall_seconds),
    }


def result_from_json(values: Mapping[str, Any]) -> UnitResult:
    """Return what :func:`result_to_json` was given."""
    columns = values["groups"]
    return UnitResult(
        settings=values["settings"],
        seeds=SeedPair(**values["seeds"]),
        problem_ids=tuple(values["problem_ids"]),
        evaluations=tuple(evaluation_from_json(item) for item in values["evaluations"]),
        rounds=tuple(
            {name: _number(value) for name, value in row.items()} for row in values["rounds"]
        ),
        groups=tuple(
            GroupShift(**dict(zip(_GROUP_COLUMNS, map(_number, cells), strict=True)))
            for cells in zip(*(columns[name] for name in _GROUP_COLUMNS), strict=True)
        ),
        diverged_in_round=values["diverged_in_round"],
        cpu_seconds=values["cpu_seconds"],
        wall_seconds=values["wall_seconds"],
    )


_GROUP_COLUMNS = tuple(GroupShift.__dataclass_fields__)


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity: NaN is null, an infinity a text."""
    if not isinstance(value, float) or np.isfinite(value):
        return value
    return None if np.isnan(value) else str(value)


def _number(value: Any) -> Any:
    return (
        float("nan" if value is None else value) if value is None or type(value) is str else value
    )
