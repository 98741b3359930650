"""What happened to the rows of every source."""

from typing import Any

import pandas as pd

from pmd_pipeline.config.data_preparation import (
    TRAIN_SET,
    DataPreparationConfig,
    origin_of,
)
from pmd_pipeline.config.prompt_templates import TemplateName, TemplateTurns, asked_convention
from pmd_pipeline.problems.tables import OVERLAPS_EVAL, set_names_of


def data_report(
    raw: pd.DataFrame,
    kept: pd.DataFrame,
    dropped: pd.DataFrame,
    overlaps: pd.DataFrame,
    config: DataPreparationConfig,
) -> dict[str, Any]:
    """Return a report that JSON can hold; in every set, rows in = rows kept + rows dropped.

    Args:
        raw: Problems as they came.
        kept: Train and evaluation problems with their prompts.
        dropped: Every row dropped for another reason than an overlap.
        overlaps: Train problems dropped as copies of evaluation problems.
        config: What was asked for.

    Raises:
        ValueError: If a row is neither kept nor dropped, or both.
    """
    sets = {
        name: _set_report(name, raw, kept, dropped, overlaps, config) for name in config.set_names()
    }
    return {
        "num_rows_in": len(raw),
        "num_kept": len(kept),
        "num_dropped": len(raw) - len(kept),
        "dropped_by_reason": _add_up([entry["dropped_by_reason"] for entry in sets.values()]),
        "sets": sets,
        "decontaminated": overlaps.to_dict(orient="records"),
        "prompts": {
            "template": _template(config.prompt_template),
            "answer_convention": asked_convention(config.prompt_template),
            "chat_template_used": bool(kept["has_special_tokens"].any()),
            "max_prompt_tokens": config.max_prompt_tokens,
        },
    }


def _set_report(
    name: str,
    raw: pd.DataFrame,
    kept: pd.DataFrame,
    dropped: pd.DataFrame,
    overlaps: pd.DataFrame,
    config: DataPreparationConfig,
) -> dict[str, Any]:
    num_rows_in = int((set_names_of(raw) == name).sum())
    kept_here = kept[set_names_of(kept) == name]
    reasons = dropped.loc[dropped["set_name"] == name, "reason"].value_counts().to_dict()
    if name == TRAIN_SET and len(overlaps) > 0:
        reasons[OVERLAPS_EVAL] = len(overlaps)
    if num_rows_in != len(kept_here) + sum(reasons.values()):
        raise ValueError(
            f"set {name!r}: {num_rows_in} rows came in, but {len(kept_here)} are kept and "
            f"{reasons} dropped; the tables are of different runs, run data_preparation again"
        )
    tokens = kept_here["num_prompt_tokens"]
    return {
        "source": origin_of(config.source_of(name)),
        "num_rows_in": num_rows_in,
        "num_kept": len(kept_here),
        "num_dropped": num_rows_in - len(kept_here),
        "dropped_by_reason": {reason: int(count) for reason, count in sorted(reasons.items())},
        "prompt_tokens": {
            "min": int(tokens.min()),
            "mean": float(tokens.mean()),
            "max": int(tokens.max()),
        },
    }


def _template(template: TemplateName | TemplateTurns) -> str | dict[str, str]:
    if isinstance(template, TemplateTurns):
        return template.model_dump(exclude_none=True)
    return template


def _add_up(counts: list[dict[str, int]]) -> dict[str, int]:
    reasons = sorted({reason for count in counts for reason in count})
    return {reason: sum(count.get(reason, 0) for count in counts) for reason in reasons}
