"""The report: one HTML file that opens without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
from pmd_pipeline.reporting.drawing.styles import algorithm_styles
from pmd_pipeline.reporting.html_legend import legend_entries
from pmd_pipeline.reporting.html_pages import HtmlFigure, html_figure, packed_plotly_js, template
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.nested import name_value_table, nested_tables
from pmd_pipeline.reporting.run_page import tables as report_tables
from pmd_pipeline.reporting.run_page.budgets import costs
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.first_look import first_looks
from pmd_pipeline.reporting.run_page.pair_table import pair_table
from pmd_pipeline.reporting.run_page.refills import refill_sentences
from pmd_pipeline.reporting.run_page.seed_section import SeedSection, seed_section
from pmd_pipeline.reporting.run_page.stage_times import stage_time_figure
from pmd_pipeline.reporting.run_page.staleness import staleness
from pmd_pipeline.reporting.run_page.summary import summarise
from pmd_pipeline.reporting.side_by_side import side_by_side

_PANEL_HEIGHT = 226
_VERSION_FORMAT = "%Y-%m-%dT%H.%M.%S.%fZ"


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
    summary = summarise(
        inputs.comparison,
        inputs.gains,
        inputs.pairs,
        coverage,
        lag="" if lag is None else lag.sentence,
        cost="" if spent is None else spent.in_short,
    )
    styles = algorithm_styles([*inputs.comparison["algorithm"], *inputs.round_metrics["algorithm"]])
    return template("report.html.j2").render(
        title=config.title,
        created=_moment(str(inputs.provenance.get("created", ""))),
        intervals=coverage.intervals,
        has_one_seed=coverage.has_one_seed,
        has_pairs=len(inputs.pairs) > 0,
        first_looks=first_looks(inputs.comparison, inputs.gains, coverage, summary, styles),
        paragraphs=summary.paragraphs,
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
        algorithm_legend=legend_entries(plotly_figure(FigureSpec.of(panels[0]))),
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
        answerers=list(inputs.completions),
        problems=side_by_side(inputs.completions, num_problems=config.num_sample_completions),
        stage_times=_stage_times(inputs),
        stage_time_table=report_tables.stage_time_table(inputs.stage_times),
        extra_figures=[
            html_figure(f"extra-{i}", title, caption, caption, figure)
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


def _moment(version: str) -> str:
    """Return a version of Kedro's as people write moments; another text as it is."""
    try:
        moment = datetime.strptime(version, _VERSION_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return version
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _drawn(spec: FigureSpec, inputs: ReportInputs) -> InteractiveFigure:
    return inputs.figures.get(spec.name) or plotly_figure(spec)


def _curve(panel: Panel, inputs: ReportInputs) -> HtmlFigure:
    # One legend serves all panels, and the cost curves and profiles too.
    figure = _drawn(FigureSpec.of(panel), inputs).with_layout(
        showlegend=False, meta={"panel_height": _PANEL_HEIGHT}
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
    figure = _drawn(spec, inputs).with_layout(showlegend=False)
    return html_figure(
        cost_curves.NAME, cost_curves.TITLE, caption, cost_curves.cost_alt_text(spec), figure
    )


def _profiles(seeds: SeedSection) -> HtmlFigure:
    spec = seeds.profiles
    figure = plotly_figure(spec).with_layout(showlegend=False)
    return html_figure(spec.name, spec.title, seeds.caption, seeds.alt_text, figure)


def _stage_times(inputs: ReportInputs) -> HtmlFigure:
    figure = _drawn(stage_time_figure(inputs.stage_times), inputs)
    caption = (
        "Seconds of wall time, stacked by kind of work where it is known. Look for the longest "
        "bar: what shortens it shortens the run."
    )
    return html_figure(
        "stage-times", "Time per stage", caption, "The table below has the figures.", figure
    )


def _data_tables(inputs: ReportInputs, num_listed: int) -> list[HtmlTable]:
    counts = {key: value for key, value in inputs.data_report.items() if key != "decontaminated"}
    tables = nested_tables(counts, caption="Data preparation")
    overlaps = inputs.decontaminated_problems
    if overlaps is not None and len(overlaps) > 0:
        tables.append(report_tables.overlap_table(overlaps, num_listed=num_listed))
    return tables
