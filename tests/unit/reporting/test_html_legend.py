"""Legends of the pages, read from what is drawn."""

import numpy as np

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import Axis, Bars, FigureSpec, Level, Panel, Series
from pmd_pipeline.reporting.html_legend import legend_entries
from pmd_pipeline.reporting.html_pages import html_figure


def drawn() -> InteractiveFigure:
    x = np.arange(3.0)
    panel = Panel(
        title="t",
        x=Axis(),
        y=Axis(),
        series=(
            Series(x=x, y=x, colour="#0077bb", label="dashed", dash="dash", low=x, high=x),
            Series(x=x, y=x, colour="#d55e00", label="points", dash="none", marker="square"),
            Series(x=x, y=x, colour="#009e73", group="dashed"),
        ),
        levels=(Level(y=1.0, text="initial policy"),),
    )
    bars = Bars(
        names=("x",), lengths=np.ones(1), colour="#56b4e9", label="sampling", hover=("1 s",)
    )
    stacked = Panel(title="u", x=Axis(), y=Axis(), bars=(bars,))
    return plotly_figure(FigureSpec(name="f", title="", panels=(panel, stacked)))


def test_every_label_has_an_entry_that_looks_like_what_it_names() -> None:
    """Lines with their dash, points with their marker, bars, and levels; bands have none."""
    entries = {entry.label: entry for entry in legend_entries(drawn())}
    assert list(entries) == ["dashed", "points", "sampling", "initial policy"]
    assert (entries["dashed"].has_line, entries["dashed"].dash) == (True, "8 3")
    assert (entries["points"].has_line, entries["points"].glyph) == (False, "■")
    assert entries["points"].colour == "#d55e00"
    assert (entries["sampling"].has_line, entries["sampling"].colour) == (False, "#56b4e9")
    assert entries["initial policy"].has_line


def test_a_figure_that_another_legend_serves_has_none() -> None:
    assert legend_entries(drawn().with_layout(showlegend=False)) == ()


def test_a_page_gets_a_figure_without_its_title_and_with_room_for_those_of_panels() -> None:
    figure = plotly_figure(
        FigureSpec(
            name="f",
            title="Above all",
            panels=tuple(Panel(title=name, x=Axis(), y=Axis()) for name in ("one", "two")),
        )
    )
    alone = html_figure("a", "A", "", "", figure.with_layout(annotations=[]))
    titled = html_figure("b", "B", "", "", figure)
    assert titled.height - alone.height == 22
    assert "Above all" not in titled.json
