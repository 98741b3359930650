"""The page of a study: one HTML file that opens without a network."""

from collections.abc import Mapping

import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.html_pages import HtmlFigure, html_figure, packed_plotly_js, template
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.nested import name_value_table
from pmd_pipeline.reporting.study.dimensions import short_name
from pmd_pipeline.reporting.study.results import StudySummary
from pmd_pipeline.reporting.study.words import best_word, study_paragraphs

CAPTIONS = {
    "history": "A point per trial; the line is the highest value so far. Open circles were pruned "
    "and show their last evaluation. Look for where the line stops rising: trials after it found "
    "nothing better.",
    "learning_curves": "A line per trial, through its evaluation after each phase; phase 0 is the "
    "initial policy. Dotted, faint lines were pruned. Look for lines that fall again: longer "
    "training would make them worse.",
    "contour": "A point per finished trial. The colours between them are interpolated: a reading "
    "aid, no measurement. Look for a ridge: parameters that must change together.",
    "slices": "The same trials against each parameter. Look for a hump, and whether it lies inside "
    "the range: at an end, a better value may lie beyond.",
    "parallel": "A line per trial through its parameters, coloured by its value at the right; "
    "dotted, faint lines were pruned. Look for lines of one colour that run together.",
    "importances": "Share of the finished trials' variance that a parameter explains by itself or "
    "with others (functional ANOVA on a random forest), from 20 finished trials on: fewer say "
    "nothing.",
    "pareto": "Trials on the front are beaten by no other in both. Look for where a little more "
    "accuracy begins to cost much time.",
}


def render_study_page(
    trials: pd.DataFrame, summary: StudySummary, figures: Mapping[str, InteractiveFigure]
) -> str:
    """Return the page.

    Args:
        trials: One row per trial.
        summary: What else is known.
        figures: By the names of ``CAPTIONS``, in the order to show.
    """
    return template("study.html.j2").render(
        title=f"Study {summary.name}",
        paragraphs=study_paragraphs(trials, summary),
        best_table=_best_table(summary),
        figures=[_figure(name, figure) for name, figure in figures.items()],
        trials_table=_trials_table(trials, summary),
        settings=name_value_table(summary.settings, caption="What the study was told"),
        plotly_js=packed_plotly_js(),
    )


def _figure(name: str, figure: InteractiveFigure) -> HtmlFigure:
    title, words = figure.layout["title"]["text"], "The table of trials has the figures."
    return html_figure(f"study-{name}", title, CAPTIONS[name], words, figure)


def _best_table(summary: StudySummary) -> HtmlTable | None:
    if summary.optimum is None:
        return None
    optimum = summary.optimum
    rows = []
    for name, value in optimum["values"].items():
        if name in optimum["close_ranges"]:
            low, high = optimum["close_ranges"][name]
            close = f"{formatting.number(low)} to {formatting.number(high)}"
        else:
            close = ", ".join(optimum["close_choices"].get(name, []))
        share = summary.importances.get(name)
        importance = formatting.MISSING if share is None else formatting.percent(round(share, 3))
        rows.append((name, formatting.number(value), close, importance))
    return HtmlTable(
        caption=f"Parameters of the {best_word(summary)} trial, and those of the "
        f"{optimum['num_close']} trials within {formatting.share(optimum['tolerance'])} of it",
        header=("parameter", best_word(summary), "as good", "importance"),
        rows=tuple(rows),
        num_text_columns=1,
    )


def _trials_table(trials: pd.DataFrame, summary: StudySummary) -> HtmlTable:
    names = [name for name in summary.dimensions if name in trials]
    order = trials.sort_values("value", ascending=False, na_position="last")
    rows = tuple(
        (
            str(row["trial"]),
            str(row["state"]),
            "" if pd.isna(row["error"]) else str(row["error"]),
            formatting.share(row["value"]),
            formatting.interval(row["ci_low"], row["ci_high"]),
            *(
                formatting.MISSING if pd.isna(row[name]) else formatting.number(row[name])
                for name in names
            ),
            formatting.number(round(row["training_seconds"], 1)),
        )
        for _, row in order.iterrows()
    )
    return HtmlTable(
        caption="All trials, highest first",
        header=(
            "trial",
            "state",
            "error",
            summary.metric,
            "interval",
            *(short_name(name) for name in names),
            "seconds",
        ),
        rows=rows,
        num_text_columns=3,
    )
