"""A study's figures that optuna.visualization draws, in this project's words and look."""

from collections.abc import Mapping

import numpy as np
import optuna
import pandas as pd
import plotly.graph_objects as go
from optuna import visualization
from optuna.distributions import CategoricalDistribution

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import (
    ANY_AXIS,
    LEGEND,
    PLAIN_LOOK,
    plotly_figure,
    whole_ticks,
)
from pmd_pipeline.reporting.drawing.plotly_traces import COLOUR_SCALE
from pmd_pipeline.reporting.drawing.scales import log_ticks
from pmd_pipeline.reporting.drawing.spec import message
from pmd_pipeline.reporting.drawing.styles import BLUE, GREY
from pmd_pipeline.reporting.study.dimensions import (
    CHOICE,
    numeric_dimension,
    short_name,
    short_names,
)
from pmd_pipeline.reporting.study.figures import value_title
from pmd_pipeline.reporting.study.rebuilt import rebuild_study
from pmd_pipeline.reporting.study.results import FINISHED, StudySummary

_TOO_FEW = "Too few finished trials to tell, or all equally good."
_UNIMPORTANT = (
    "Not told: it takes 20 finished trials, not all equally good,\nin which parameters vary."
)
_NO_PAIR = "No two parameters vary together in three or more finished trials."
_LEAST_POINTS = 3
_LONGEST_TICK = 4  # characters


def draw_importances(trials: pd.DataFrame, summary: StudySummary) -> InteractiveFigure:
    """Return each dimension's share of the variance of finished trials."""
    title = "Parameter importances"
    if not summary.importances:
        return plotly_figure(message("importances", _UNIMPORTANT, title=title))
    names = short_names(summary.dimensions)
    figure = visualization.plot_param_importances(
        rebuild_study(trials, summary),
        evaluator=_Known({names[name]: share for name, share in summary.importances.items()}),
    )
    figure.update_traces(marker_color=BLUE, hovertemplate="%{y}: %{x:.3f}<extra></extra>")
    figure.update_xaxes(title_text="share of the variance", range=[0, 1.1])
    figure.update_yaxes(title_text=None, automargin=True, ticksuffix=" ")
    return _in_our_look(figure, title, height=150 + 40 * max(len(summary.importances), 2))


def draw_slices(trials: pd.DataFrame, summary: StudySummary) -> InteractiveFigure:
    """Return the finished trials' values against each dimension, coloured by their order."""
    title = "Slices"
    if not (trials["state"] == FINISHED).any():
        return plotly_figure(message("slices", _TOO_FEW, title=title))
    study = rebuild_study(trials, summary)
    figure = visualization.plot_slice(study, target_name=value_title(summary))
    figure.update_traces(
        marker={
            "size": 8,
            "line": {"width": 0},
            "colorscale": COLOUR_SCALE,
            "colorbar": {"title": "trial", **whole_ticks(len(trials))},
        }
    )
    _set_ticks(figure, study, summary, most=4)
    num_columns = len(list(figure.select_xaxes()))
    figure.update_layout(width=max(600, 360 * num_columns))
    return _in_our_look(figure, title, height=400)


def draw_contour(trials: pd.DataFrame, summary: StudySummary) -> InteractiveFigure:
    """Return finished trials' values over two dimensions: tau and group size where searched."""
    study = rebuild_study(trials, summary)
    pair = _pair(study, summary)
    if pair is None:
        return plotly_figure(message("contour", _NO_PAIR, title="Contour"))
    figure = visualization.plot_contour(study, params=pair, target_name=summary.metric)
    figure.update_traces(selector={"type": "contour"}, colorscale=COLOUR_SCALE, line={"width": 0.5})
    figure.update_traces(
        selector={"type": "scatter"},
        marker={"size": 9, "color": "black", "line": {"color": "white", "width": 1.5}},
    )
    _set_ticks(figure, study, summary, most=8)
    return _in_our_look(figure, f"Contour: {' x '.join(pair)}", height=430)


def draw_pareto(trials: pd.DataFrame, summary: StudySummary) -> InteractiveFigure:
    """Return accuracy against seconds, and the trials that no other beats in both."""
    title = "Accuracy against seconds"
    if not (trials["state"] == FINISHED).any():
        return plotly_figure(message("pareto", _TOO_FEW, title=title))
    figure = visualization.plot_pareto_front(
        rebuild_study(trials, summary, has_seconds=True),
        target_names=["seconds of training", value_title(summary)],
    )
    looks = (("beaten in both", GREY, 8), ("Pareto front", BLUE, 10))
    for trace, (name, colour, size) in zip(figure.data, looks, strict=True):
        marker = {"color": colour, "size": size, "line": {"width": 0}}
        # One colour each: the order of the trials is in the figure of the slices.
        trace.update(marker=None)
        trace.update(name=name, showlegend=True, marker=marker)
    figure.update_xaxes(rangemode="tozero")
    return _in_our_look(figure, title, height=420)


class _Known(optuna.importance.BaseImportanceEvaluator):
    """Importances that are known already: those of the page's words and tables."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        return dict(sorted(self._shares.items(), key=lambda item: -item[1]))


def _pair(study: optuna.Study, summary: StudySummary) -> list[str] | None:
    """Return two parameters that vary together: tau and group size first, then by importance."""
    names = short_names(summary.dimensions)
    first = numeric_dimension(summary)
    groups = [name for name in summary.dimensions if short_name(name) == "group_size"]
    by_importance = sorted(summary.dimensions, key=lambda n: -summary.importances.get(n, 0.0))
    wanted = [names[n] for n in dict.fromkeys([*filter(None, [first]), *groups, *by_importance])]
    finished = [trial.params for trial in study.trials if trial.state.name == "COMPLETE"]
    for i, one in enumerate(wanted):
        for other in wanted[i + 1 :]:
            both = [
                (params[one], params[other]) for params in finished if {one, other} <= {*params}
            ]
            if len(both) >= _LEAST_POINTS and all(
                len({*part}) > 1 for part in zip(*both, strict=True)
            ):
                return [one, other]
    return None


def _set_ticks(figure: go.Figure, study: optuna.Study, summary: StudySummary, *, most: int) -> None:
    """Mark round values on logarithmic axes, and choices by their own names."""
    names = {short: name for name, short in short_names(summary.dimensions).items()}
    for axis in [*figure.select_xaxes(), *figure.select_yaxes()]:
        short = axis.title.text
        if short not in names:
            continue
        dimension = summary.dimensions[names[short]]
        distributions = [t.distributions[short] for t in study.trials if short in t.params]
        values = np.array([t.params[short] for t in study.trials if short in t.params])
        if isinstance(distributions[0], CategoricalDistribution):
            if figure.data[0].type == "contour":
                continue
            choices = [str(choice) for choice in dimension["choices"]]
            axis.update(tickvals=[repr(choice) for choice in choices], ticktext=choices)
        elif dimension["kind"] == CHOICE:
            choices = list(dimension["choices"])
            axis.update(tickvals=choices, ticktext=[str(choice) for choice in choices])
        elif dimension["log"]:
            ticks = _log_ticks(values.min(), values.max(), most)
            axis.update(tickvals=list(ticks), ticktext=list(ticks.values()), tickangle=0)


def _log_ticks(low: float, high: float, most: int) -> dict[float, str]:
    """Return round values and their texts, half as many where these are long."""
    ticks: dict[float, str] = {}
    for number in (most, most // 2):
        around = log_ticks(low, high, most=number)
        # One just outside would crowd the first one within; between near ends there may be none.
        within = [tick for tick in around if low <= tick <= high]
        ticks = {float(tick): f"{tick:.2g}" for tick in (within or (low, high))}
        if max(map(len, ticks.values())) <= _LONGEST_TICK:
            break
    return ticks


def _in_our_look(figure: go.Figure, title: str, *, height: int) -> InteractiveFigure:
    figure.update_layout(
        template="none",
        **PLAIN_LOOK,
        title={"text": title, "x": 0, "xref": "paper"},
        height=height,
        margin={"l": 70, "r": 20, "t": 60, "b": 55},
        hovermode="closest",
        legend=LEGEND,
    )
    figure.update_xaxes(zeroline=False, title_standoff=8, **ANY_AXIS)
    figure.update_yaxes(zeroline=False, title_standoff=8, **ANY_AXIS)
    return InteractiveFigure.of(figure).with_layout(template=None)
