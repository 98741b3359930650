"""What the algorithms' trainings cost, as the report tells it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The section "What it cost".

    Attributes:
        in_short: Seconds and tokens of a training run, in one sentence.
        sentences: What was equal, and what differs by how much.
        table: One row per algorithm.
    """

    in_short: str
    sentences: tuple[str, ...]
    table: HtmlTable


_COUNTS = {
    "num_rollouts": "rollouts",
    "num_prompts": "prompts",
    "num_updates": "updates",
    "num_sampled_tokens": "sampled tokens",
    "num_trained_tokens": "trained tokens",
    "num_generation_calls": "generation calls",
}
_SECONDS = {
    "sampling_seconds": "sampling",
    "grading_seconds": "grading",
    "updating_seconds": "updating",
    "total_seconds": "total",
}
_SECONDS_WITH_LAG = {
    "sampling_seconds": "sampling",
    "grading_seconds": "grading",
    "updating_seconds": "updating",
    "waiting_seconds": "waiting",
    "total_seconds": "total",
}
_OVERLAP = (
    "Sampling and grading went on beside the updates of earlier rounds, so these times overlap: "
    "the total is that of updating and of waiting, in which nothing was trained. {}."
)


def costs(
    budgets: pd.DataFrame, *, has_lag: bool = False, refills: Mapping[str, str] | None = None
) -> Costs:
    """Return the section for a table of ``metrics.budgets.BUDGET_COLUMNS``.

    Args:
        budgets: The table.
        has_lag: Whether rollouts were sampled beside the updates of earlier rounds.
        refills: What is to be said of each algorithm whose rounds are refilled.
    """
    sentences = _sentences(budgets, refills or {})
    if has_lag:
        sentences.append(_OVERLAP.format(_saved(_by_algorithm(budgets))))
    return Costs(
        in_short=_in_short(_by_algorithm(budgets)),
        sentences=tuple(sentences),
        table=_table(budgets, _SECONDS_WITH_LAG if has_lag else _SECONDS),
    )


def _in_short(means: pd.DataFrame) -> str:
    time = _span(means["total_seconds"], formatting.seconds)
    tokens = _span(means["num_sampled_tokens"], formatting.count)
    return f"Cost of a training run: time {time}; sampled tokens {tokens}."


def _table(budgets: pd.DataFrame, times: Mapping[str, str]) -> HtmlTable:
    means = _by_algorithm(budgets)
    num_seeds = budgets["seed"].nunique()
    of_seeds = "" if num_seeds == 1 else f", mean over {num_seeds} training seeds"
    return HtmlTable(
        caption=f"One training run of {_rounds(budgets)}{of_seeds}: counts, and wall time",
        header=("algorithm", *_COUNTS.values(), *times.values()),
        rows=tuple(
            (
                str(algorithm),
                *(formatting.count(row[column]) for column in _COUNTS),
                *(formatting.seconds(row[column]) for column in times),
            )
            for algorithm, row in means.iterrows()
        ),
        num_text_columns=1,
    )


def _sentences(budgets: pd.DataFrame, refills: Mapping[str, str]) -> list[str]:
    # What an algorithm may have done: a sentence of its own tells the updates that were not made.
    budgets = budgets.assign(num_updates=budgets["num_updates"] + budgets["num_skipped_updates"])
    columns = ("num_rollouts", "num_updates", "num_prompts")
    equal = [column for column in columns if len(set(budgets[column])) == 1]
    means = _by_algorithm(budgets)
    sentences = []
    if equal:
        numbers = [_counted(budgets[column].iloc[0], _COUNTS[column]) for column in equal]
        sentences.append(f"Every training run had {formatting.listed(numbers)}.")
    for column in columns:
        if column not in equal:
            sentences.append(_each(means[column], _COUNTS[column]))
    sentences += _skipped(means["num_skipped_updates"])
    sentences += refills.values()
    if len(means) == 1:
        return sentences
    others = means.drop(index=list(refills))
    per_round = others["num_generation_calls"] / others["num_rounds"]
    if len(set(per_round)) > 1:
        sentences.append(_calls(per_round))
    sentences.append(
        _range(means["num_sampled_tokens"], "Sampled tokens", formatting.count)
        + _range(means["num_trained_tokens"], "; trained tokens", formatting.count)
        + _range(means["total_seconds"], "; time", formatting.seconds)
        + "."
    )
    return sentences


def _saved(means: pd.DataFrame) -> str:
    """Return how much of each algorithm's sampling and grading was not waited for."""
    work = means["sampling_seconds"] + means["grading_seconds"]
    fractions = 1 - means["waiting_seconds"] / work
    each = [
        f"{100 * max(0.0, fraction):.0f} % of {label}'s" for label, fraction in fractions.items()
    ]
    return f"Not waited for: {formatting.listed(each)} sampling and grading"


def _by_algorithm(budgets: pd.DataFrame) -> pd.DataFrame:
    numbers = budgets.drop(columns="seed")
    return numbers.groupby("algorithm", sort=False).mean()


def _rounds(budgets: pd.DataFrame) -> str:
    rounds = budgets["num_rounds"]
    return formatting.counted_from_to(rounds.min(), rounds.max(), "round")


def _each(values: pd.Series, name: str) -> str:
    listed = formatting.listed(
        [f"{label} {formatting.count(value)}" for label, value in values.items()]
    )
    return f"{name.capitalize()} differ: {listed}."


def _skipped(values: pd.Series) -> list[str]:
    some = [f"{formatting.count(value)} of {label}" for label, value in values.items() if value > 0]
    if not some:
        return []
    return [f"Updates with nothing to learn from were not made: {formatting.listed(some)}."]


def _calls(per_round: pd.Series) -> str:
    usual = per_round.mode().iloc[0]
    more = [
        f"{label} made {formatting.count(value)}"
        for label, value in per_round.items()
        if value != usual
    ]
    others = "the others" if (per_round == usual).sum() > 1 else "the other"
    return (
        f"{formatting.listed(more)} generation calls a round, each with a transfer of the weights "
        f"to the sampler; {others} made {formatting.count(usual)}."
    )


def _range(values: pd.Series, name: str, write: Callable[[float], str]) -> str:
    return f"{name}: {_span(values, write)}"


def _span(values: pd.Series, write: Callable[[float], str]) -> str:
    numbers = {str(label): float(value) for label, value in values.items()}
    least, most = min(numbers, key=numbers.__getitem__), max(numbers, key=numbers.__getitem__)
    low, high = numbers[least], numbers[most]
    if low == high:
        return f"{write(low)} each" if len(numbers) > 1 else write(low)
    text = f"from {write(low)} ({least}) to {write(high)} ({most})"
    return text if low == 0 else f"{text}, {_more(high / low)}"


def _more(ratio: float) -> str:
    return f"{100 * (ratio - 1):.0f} % more" if ratio < 2 else f"{ratio:.1f} times as much"


def _counted(value: float, name: str) -> str:
    singular = name.removesuffix("s") if value == 1 else name
    return f"{formatting.count(value)} {singular}"
