"""A figure described once, for both drawing libraries."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from pmd_pipeline.reporting.drawing.scales import SymlogScale

Dash = Literal["none", "solid", "dash", "dashdot", "dot", "longdash"]
Marker = Literal[
    "none", "circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "cross"
]

_LEGEND_HANDLE_INCHES = 0.85
_LEGEND_CHARACTERS_PER_INCH = 12.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, several drawn alike, or one set of points where ``dash`` is ``none``.

    Attributes:
        x, y: N points, [N]; a NaN leaves a gap.
        colour: Hexadecimal.
        label: Legend entry; what has the same label shares one. None: no entry.
        group: The label with which it is hidden and shown; None: its own.
        name: What pointing at it calls it; None: its label.
        strands: Which of several lines each point is of, such as the seed, [N]; the points of one
            stand together. None: it is one line.
        strand_name: What the numbers in ``strands`` count.
        dash: Of the line.
        marker: Of the points; left out along a line of very many.
        low, high: Edges of a band around the line, [N]; None where there is none.
        opacity: Of points and line.
        width: Of the line, points.
        size: Of the markers, points.
        is_step: True for a line that keeps each value until the next point.
        is_hollow: True for markers without a filling.
        hover: What pointing at each point says, N texts of one or more lines; None: label, x and
            y; empty: nothing.
    """

    x: np.ndarray
    y: np.ndarray
    colour: str
    label: str | None = None
    group: str | None = None
    name: str | None = None
    strands: np.ndarray | None = None
    strand_name: str = "line"
    dash: Dash = "solid"
    marker: Marker = "none"
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    opacity: float = 1.0
    width: float = 1.6
    size: float = 4.5
    is_step: bool = False
    is_hollow: bool = False
    hover: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        lengths = {
            name: len(values)
            for name, values in (
                ("x", self.x),
                ("y", self.y),
                ("low", self.low),
                ("high", self.high),
                ("strands", self.strands),
                ("hover", self.hover or None),
            )
            if values is not None
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"series {self.label!r}: its parts differ in length: {lengths}")

    @property
    def breaks(self) -> np.ndarray:
        """Where a new strand begins, but for the first."""
        strands = np.empty(0) if self.strands is None else self.strands
        return np.flatnonzero(np.diff(strands)) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Horizontal bars, one per name from the top down, stacked on those before them.

    Attributes:
        names: What each bar stands for; the same in all bars of a panel.
        lengths: Along x, [N].
        colour: Hexadecimal.
        label: Legend entry; None: no entry.
        hover: What pointing at each bar says, N texts.
    """

    names: tuple[str, ...]
    lengths: np.ndarray
    colour: str
    label: str | None = None
    hover: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A word in a panel.

    Attributes:
        x, y: Where it stands; y counts from 0 at the top where the panel has bars.
        text: The word.
        align: Which end of it stands at x.
        shift: To the right, points.
        has_ground: True to hide what lies below it.
    """

    x: float
    y: float
    text: str
    align: Literal["left", "center", "right"] = "center"
    shift: float = 0.0
    has_ground: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A dashed line over the whole width, named in the legend: no curve crosses its name there."""

    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis.

    Attributes:
        label: What it shows, and its units.
        scale: Linear, logarithmic, or logarithmic on both sides of zero.
        range: Lowest and highest value shown; None: what the data need.
        is_integer: True to keep ticks on whole numbers.
        ticks: Place and text of each tick, where places have names; of one or more lines. Empty:
            numbers of the renderer's choice, as on a scale with two logarithmic sides.
    """

    label: str = ""
    scale: Literal["linear", "log"] | SymlogScale = "linear"
    range: tuple[float, float] | None = None
    is_integer: bool = False
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourBar:
    """What the colours of a panel's series mean, from `styles.scale_colour` at 0 to that at 1.

    Attributes:
        title: The quantity.
        ticks: Place on the scale, 0 to 1, and text of each tick.
    """

    title: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes, or a drawing without any.

    Attributes:
        title: Above it.
        x, y: Its axes.
        series, bars, levels, texts: What is drawn.
        colour_bar: Right of it; None where colours need none.
        has_axes: False for a drawing that explains itself, such as a simplex.
        has_equal_scales: True where a unit of x must be as long as one of y.
        name: For file names and elements of pages.
        meaning: One or two sentences for a reader who meets it for the first time.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    bars: tuple[Bars, ...] = ()
    levels: tuple[Level, ...] = ()
    texts: tuple[Text, ...] = ()
    colour_bar: ColourBar | None = None
    has_axes: bool = True
    has_equal_scales: bool = False
    name: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """Panels in rows, with one legend below them all.

    Attributes:
        name: For file names.
        title: Above all panels; empty where the only panel's own is enough.
        panels: Row by row, at least one.
        most_columns: Panels in a row; fewer where there are fewer.
        panel_inches: Width and height of a panel with its labels.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    most_columns: int = 3
    panel_inches: tuple[float, float] = (4.6, 3.4)

    def __post_init__(self) -> None:
        if not self.panels:
            raise ValueError(f"figure {self.name!r} has no panel; leave it out")

    @classmethod
    def of(cls, panel: Panel, *, inches: tuple[float, float] = (6.4, 3.8)) -> Self:
        """Return a figure of one panel, under its name and title."""
        return cls(name=panel.name, title="", panels=(panel,), panel_inches=inches)

    @property
    def num_columns(self) -> int:
        """Panels in a row."""
        return min(self.most_columns, len(self.panels))

    @property
    def num_rows(self) -> int:
        """Rows of panels."""
        return -(-len(self.panels) // self.num_columns)

    @property
    def width_inches(self) -> float:
        """Width of all panels in a row."""
        return self.panel_inches[0] * self.num_columns

    @property
    def legend(self) -> dict[str, Series | Bars | Level]:
        """The first thing drawn of each label, in order of appearance, levels last."""
        entries: dict[str, Series | Bars | Level] = {}
        for panel in self.panels:
            everything: tuple[Series | Bars, ...] = (*panel.series, *panel.bars)
            for drawn in everything:
                if drawn.label is not None:
                    entries.setdefault(drawn.label, drawn)
        for level in (level for panel in self.panels for level in panel.levels):
            entries.setdefault(level.text, level)
        return entries


def legend_shape(spec: FigureSpec) -> tuple[int, int]:
    """Return how many entries stand in a row of the legend, and how many rows there are."""
    labels = list(spec.legend)
    if not labels:
        return 0, 0
    widths = [_LEGEND_HANDLE_INCHES + len(text) / _LEGEND_CHARACTERS_PER_INCH for text in labels]
    for num_rows in range(1, len(labels)):
        per_row = -(-len(labels) // num_rows)
        columns = np.array_split(widths, per_row)
        if sum(column.max() for column in columns) <= spec.width_inches:
            return per_row, num_rows
    return 1, len(labels)


def message(name: str, text: str, *, title: str = "") -> FigureSpec:
    """Return a figure that says in words why it shows nothing else; ``text`` may have lines."""
    unit = Axis(range=(0.0, 1.0))
    words = Text(x=0.5, y=0.5, text=text)
    panel = Panel(name=name, title=title, x=unit, y=unit, texts=(words,), has_axes=False)
    return FigureSpec.of(panel, inches=(6.4, 1.2))
