"""The report: one HTML file that opens without a network."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.metrics.budgets import has_lag
from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves import cost_curves
from pmd_pipeline.reporting.curves.panels import alt_text, learning_curve_panels, thinning_of
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import FigureSpec, Panel
from pmd_pipeline.reporting.html_pages import HtmlFigure, html_figure, packed_plotly_js, template
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.nested import name_value_table, nested_tables
from pmd_pipeline.reporting.run_page import tables as report_tables
from pmd_pipeline.reporting.run_page.budgets import costs
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.legend import legend_entries
from pmd_pipeline.reporting.run_page.pair_table import pair_table
from pmd_pipeline.reporting.run_page.refills import refill_sentences
from pmd_pipeline.reporting.run_page.samples import choose_samples
from pmd_pipeline.reporting.run_page.seed_section import SeedSection, seed_section
from pmd_pipeline.reporting.run_page.stage_times import stage_time_figure
from pmd_pipeline.reporting.run_page.staleness import staleness
from pmd_pipeline.reporting.run_page.summary import summarise

_PANEL_HEIGHT = 280
_PANEL_TITLE_HEIGHT = 50
_COST_CURVES_HEIGHT = 620
_LONG_TEXT_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """What a report is made of.

    Attributes:
        comparison: The comparison table.
        comparison_by_seed: The same for each training seed; None: curves show no evaluation of a
            single seed.
        round_metrics: One row per algorithm, training seed and round.
        budgets: What each training run has used; None where it was not counted.
        gains: Paired differences.
        pairs: Every pair of algorithms compared.
        scores: Of every policy on every problem.
        completions: Evaluated completions of the policies worth reading, by the name to show, such
            as ``"initial policy"`` and each algorithm's label.
        stage_times: Columns ``stage, kind, seconds``.
        data_report: Counts of data preparation, as JSON holds them.
        decontaminated_problems: Train problems dropped as copies of evaluation problems.
        parameters: Of the run, nested.
        provenance: Seed, commit, versions and the like, nested; what is unknown is left out.
        on_policy: Algorithms that sample anew before each update.
        figures: Curves, costs and times that are drawn already, by name; others are drawn.
        extra_figures: Title, figure and caption of further sections.
        interval_level: Of every interval.
    """

    comparison: pd.DataFrame
    round_metrics: pd.DataFrame
    comparison_by_seed: pd.DataFrame | None = None
    budgets: pd.DataFrame | None = None
    gains: pd.DataFrame
    pairs: pd.DataFrame
    scores: pd.DataFrame
    completions: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    stage_times: pd.DataFrame
    data_report: Mapping[str, Any] = field(default_factory=dict)
    decontaminated_problems: pd.DataFrame | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    on_policy: Sequence[str] = ()
    figures: Mapping[str, InteractiveFigure] = field(default_factory=dict)
    extra_figures: Sequence[tuple[str, InteractiveFigure, str]] = ()
    interval_level: float = 0.95


def render_report(inputs: ReportInputs, config: ReportingConfig) -> str:
    """Return the page; the same inputs give the same text.

    Raises:
        ValueError: If a table lacks a column.
    """
    panels = learning_curve_panels(
        inputs.round_metrics,
        inputs.comparison,
        inputs.comparison_by_seed,
        interval_level=inputs.interval_level,
        smoothing_rounds=config.smoothing_rounds,
    )
    coverage = Coverage.of(inputs.scores, level=inputs.interval_level)
    lag = staleness(inputs.round_metrics)
    spent = None
    if inputs.budgets is not None:
        refills = refill_sentences(inputs.round_metrics)
        spent = costs(inputs.budgets, has_lag=lag is not None, refills=refills)
    seeds = seed_section(inputs.scores, coverage)
    return template("report.html.j2").render(
        title=config.title,
        created=inputs.provenance.get("created"),
        intervals=coverage.intervals,
        has_one_seed=coverage.has_one_seed,
        has_pairs=len(inputs.pairs) > 0,
        summary=summarise(
            inputs.comparison,
            inputs.gains,
            inputs.pairs,
            coverage,
            lag="" if lag is None else lag.sentence,
            cost="" if spent is None else spent.in_short,
        ),
        comparison_table=report_tables.comparison_table(
            inputs.comparison, inputs.gains, intervals=coverage.intervals
        ),
        gains_table=report_tables.gains_table(
            inputs.gains,
            metric=headline_metric(inputs.comparison),
            intervals=coverage.intervals,
        ),
        pair_table=pair_table(inputs.pairs, intervals=coverage.intervals)
        if len(inputs.pairs) > 0
        else None,
        legend=legend_entries(panels[0]),
        sampled_anew=_sampled_anew(inputs),
        curves=[_curve(panel, inputs) for panel in panels],
        cost_curves=_cost_curves(inputs),
        metrics=set(inputs.comparison["metric"]),
        evaluation_tables=report_tables.evaluation_tables(inputs.comparison),
        seed_tables=() if seeds is None else seeds.tables,
        seed_figure=None if seeds is None else _profiles(seeds),
        staleness_table=None if lag is None else lag.table,
        last_round_table=report_tables.last_round_table(inputs.round_metrics),
        costs=spent,
        samples=_samples(inputs.completions, config.num_sample_completions),
        long_text_characters=_LONG_TEXT_CHARACTERS,
        stage_times=_stage_times(inputs),
        stage_time_table=report_tables.stage_time_table(inputs.stage_times),
        extra_figures=[
            _extra_figure(f"extra-{i}", title, figure, caption)
            for i, (title, figure, caption) in enumerate(inputs.extra_figures)
        ],
        data_tables=_data_tables(inputs, config.num_listed_overlaps),
        parameters=name_value_table(inputs.parameters, caption="Parameters", collapsed=True),
        provenance=name_value_table(inputs.provenance, caption="Where this run comes from"),
        plotly_js=packed_plotly_js(),
    )


def _sampled_anew(inputs: ReportInputs) -> str:
    """Return what to know of rounds where algorithms sample at different moments."""
    if not inputs.on_policy:
        return ""
    has_others = len(set(inputs.comparison["algorithm"])) > len(inputs.on_policy)
    samples = "samples" if len(inputs.on_policy) == 1 else "sample"
    return (
        f"Within a round {formatting.listed(inputs.on_policy)} {samples} anew before each update"
        f"{', the others once' if has_others else ''}. "
    )


def _drawn(spec: FigureSpec, inputs: ReportInputs) -> InteractiveFigure:
    return inputs.figures.get(spec.name) or plotly_figure(spec)


def _curve(panel: Panel, inputs: ReportInputs) -> HtmlFigure:
    # The page has the title as a heading, and one legend for all panels.
    figure = _drawn(FigureSpec.of(panel), inputs).with_layout(
        title=None,
        showlegend=False,
        height=_PANEL_HEIGHT,
        margin={"l": 62, "r": 8, "t": 8, "b": 44},
    )
    caption = f"{panel.meaning} {thinning_of(panel)}".strip()
    return html_figure(panel.name, panel.title, caption, alt_text(panel), figure)


def _cost_curves(inputs: ReportInputs) -> HtmlFigure:
    spec = cost_curves.cost_figure(
        inputs.round_metrics, inputs.comparison, inputs.comparison_by_seed
    )
    caption = cost_curves.cost_caption(
        inputs.comparison,
        inputs.comparison_by_seed,
        interval_level=inputs.interval_level,
        has_lag=has_lag(inputs.round_metrics),
    )
    # One legend above serves this figure too.
    figure = _drawn(spec, inputs).with_layout(
        title=None,
        showlegend=False,
        height=_COST_CURVES_HEIGHT,
        margin={"l": 62, "r": 8, "t": 30, "b": 44},
    )
    return html_figure(
        cost_curves.NAME, cost_curves.TITLE, caption, cost_curves.cost_alt_text(spec), figure
    )


def _profiles(seeds: SeedSection) -> HtmlFigure:
    # The legend of the learning curves serves this figure too.
    figure = plotly_figure(seeds.profiles).with_layout(showlegend=False)
    return _extra_figure(
        seeds.profiles.name, seeds.profiles.title, figure, seeds.caption, seeds.alt_text
    )


def _stage_times(inputs: ReportInputs) -> HtmlFigure:
    figure = _drawn(stage_time_figure(inputs.stage_times), inputs).with_layout(
        title=None, margin={"l": 8, "r": 8, "t": 8, "b": 44}
    )
    caption = "Seconds of wall time, stacked by kind of work where it is known."
    return html_figure(
        "stage-times", "Time per stage", caption, "The table below has the figures.", figure
    )


def _extra_figure(
    name: str, title: str, figure: InteractiveFigure, caption: str, alt_text: str = ""
) -> HtmlFigure:
    # The page has the title as a heading; what stays above the axes are titles of panels.
    margin = figure.layout.get("margin", {})
    top = min(margin.get("t", _PANEL_TITLE_HEIGHT), _PANEL_TITLE_HEIGHT)
    untitled = figure.with_layout(title=None, margin={**margin, "t": top})
    return html_figure(name, title, caption, alt_text or caption, untitled)


def _samples(
    completions: Mapping[str, pd.DataFrame], num_samples: int
) -> dict[str, list[dict[Hashable, Any]]]:
    return {
        name: [
            {**row, "answer": formatting.number(row["answer"])}
            for row in choose_samples(table, num_samples=num_samples).to_dict(orient="records")
        ]
        for name, table in completions.items()
        if num_samples > 0
    }


def _data_tables(inputs: ReportInputs, num_listed: int) -> list[HtmlTable]:
    counts = {key: value for key, value in inputs.data_report.items() if key != "decontaminated"}
    tables = nested_tables(counts, caption="Data preparation")
    overlaps = inputs.decontaminated_problems
    if overlaps is not None and len(overlaps) > 0:
        tables.append(report_tables.overlap_table(overlaps, num_listed=num_listed))
    return tables
