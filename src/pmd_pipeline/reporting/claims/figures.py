"""A claim's figures: its panels as the renderers draw them."""

from collections.abc import Iterable, Mapping

import numpy as np

from pmd_pipeline.claims.verdicts.records import ClaimPanel, Line
from pmd_pipeline.reporting.drawing.spec import Axis, Dash, FigureSpec, Level, Panel, Series
from pmd_pipeline.reporting.drawing.styles import BLUE, GREY, AlgorithmStyle, algorithm_styles
from pmd_pipeline.reporting.formatting import tick

_ROW_INCHES = 0.42
_WIDTH_INCHES = 9.2
_LINE_CHARACTERS = 34


def claim_figures(name: str, title: str, panels: Iterable[ClaimPanel]) -> tuple[FigureSpec, ...]:
    """Return a figure of the panels that stand side by side, and one of each that is read down.

    Args:
        name: Of the claim; the figures' names begin with it.
        title: Above panels that stand side by side.
        panels: Of its judgement.
    """
    drawn = tuple(panels)
    styles = algorithm_styles(
        line.label for panel in drawn for line in panel.lines if not line.like
    )
    beside = [_panel(panel, styles) for panel in drawn if not panel.names]
    figures = []
    if beside:
        width = min(4.6, _WIDTH_INCHES / min(len(beside), 3))
        figures.append(
            FigureSpec(
                name=name,
                title=title if len(beside) > 1 else "",
                panels=tuple(beside),
                panel_inches=(max(width, 3.6), 3.2),
            )
        )
    figures += (
        FigureSpec.of(_list(f"{name}_differences", panel), inches=(8.0, _list_inches(panel)))
        for panel in drawn
        if panel.names
    )
    return tuple(figures)


def panels_of(spec: FigureSpec, name: str, panels: Iterable[ClaimPanel]) -> list[ClaimPanel]:
    """Return the panels that one of a claim's figures shows.

    Args:
        spec: One of ``claim_figures``.
        name: Of the claim.
        panels: Of its judgement.
    """
    is_list = spec.name != name
    return [panel for panel in panels if bool(panel.names) == is_list]


def caption(panels: Iterable[ClaimPanel]) -> str:
    """Return what the marks of a claim's figures mean, those that there are."""
    drawn = tuple(panels)
    roles = {line.role for panel in drawn for line in panel.lines}
    sentences = []
    if "mean" in roles:
        sentences.append("Lines are means, bands their 95 % intervals.")
    if "pair" in roles:
        sentences.append("Thin lines are pairs of seeds.")
    if "theory" in roles:
        sentences.append("Dotted lines are what theory predicts, scaled as the legend says.")
    if "cloud" in roles:
        sentences.append(
            "Listed: a point per pair of seeds, and their mean with its interval. Look for "
            "intervals that leave out the full line."
        )
    if any(panel.margin is not None for panel in drawn):
        sentences.append("Dotted: the margin from which on a difference matters.")
    return " ".join(sentences)


def in_words(panels: Iterable[ClaimPanel]) -> str:
    """Return figures for who cannot see them: the ends of every line, each row of a list."""
    texts = []
    for panel in panels:
        if panel.names:
            texts.append(f"{panel.title}. {_list_in_words(panel)}.")
            continue
        lines = [_line_in_words(line) for line in panel.lines if line.role == "mean"]
        texts.append(f"{panel.title}. {'; '.join(text for text in lines if text)}.")
    return " ".join(texts)


def _panel(panel: ClaimPanel, styles: Mapping[str, AlgorithmStyle]) -> Panel:
    level = () if panel.level is None else (Level(y=panel.level[0], text=panel.level[1]),)
    return Panel(
        title=panel.title,
        x=Axis(
            label=panel.x_label,
            scale="log" if panel.log_x_ticks else "linear",
            ticks=tuple((value, tick(value)) for value in panel.log_x_ticks),
        ),
        y=Axis(label=panel.y_label, range=panel.y_range),
        series=_all_series(panel, styles),
        levels=level,
    )


def _all_series(panel: ClaimPanel, styles: Mapping[str, AlgorithmStyle]) -> tuple[Series, ...]:
    """Return what is drawn: the pairs of each label as one, below everything else."""
    pairs: dict[str, list[Line]] = {}
    for line in panel.lines:
        if line.role == "pair":
            pairs.setdefault(line.label, []).append(line)
    return (
        *(_pairs(label, lines, styles[label]) for label, lines in pairs.items()),
        *(
            _series(line, styles[line.like or line.label])
            for line in panel.lines
            if line.role != "pair"
        ),
    )


def _pairs(label: str, lines: list[Line], style: AlgorithmStyle) -> Series:
    return Series(
        x=np.concatenate([line.x for line in lines]),
        y=np.concatenate([line.y for line in lines]),
        strands=np.repeat(np.arange(len(lines)) + 1, [len(line.x) for line in lines]),
        strand_name="pair",
        name=label,
        group=label,
        colour=style.colour,
        width=0.7,
        opacity=0.3,
    )


def _series(line: Line, style: AlgorithmStyle) -> Series:
    if line.role == "theory":
        return Series(x=line.x, y=line.y, colour=style.colour, label=line.label, dash="dot")
    return Series(
        x=line.x,
        y=line.y,
        low=line.low,
        high=line.high,
        colour=style.colour,
        label=line.label,
        dash=style.dash,
        marker=style.marker,
    )


def _list(name: str, panel: ClaimPanel) -> Panel:
    """Return a panel that is read from top to bottom: a row per name, values to the right."""
    series: list[Series] = []
    last = len(panel.names) - 0.5
    at = 0.0 if panel.level is None else panel.level[0]
    if panel.level is not None:
        series.append(_upright(at, last, dash="solid"))
    if panel.margin is not None:
        series += (_upright(at + side * panel.margin, last) for side in (-1, 1))
    for line in panel.lines:
        if line.role == "cloud":
            # Pairs of one label share an entry of the legend.
            series.append(
                Series(
                    x=line.y,
                    y=line.x,
                    colour=GREY,
                    label=line.label,
                    dash="none",
                    marker="circle",
                    size=3.5,
                    opacity=0.7,
                )
            )
        else:
            series += _with_intervals(line)
    return Panel(
        name=name,
        title=panel.title,
        x=Axis(label=panel.y_label),
        y=Axis(
            range=(last, -0.5),
            ticks=tuple((float(i), _folded(text)) for i, text in enumerate(panel.names)),
        ),
        series=tuple(series),
    )


def _upright(x: float, last: float, *, dash: Dash = "dot") -> Series:
    ends = np.array([-0.5, last])
    return Series(x=np.full(2, x), y=ends, colour=GREY, dash=dash, width=1.0, hover=())


def _with_intervals(line: Line) -> tuple[Series, ...]:
    assert line.low is not None
    assert line.high is not None
    gap = np.full(len(line.x), np.nan)
    across = np.column_stack([line.low, line.high, gap]).ravel()
    down = np.column_stack([line.x, line.x, gap]).ravel()
    return (
        Series(x=across, y=down, colour=BLUE, width=2.0, hover=()),
        Series(
            x=line.y,
            y=line.x,
            colour=BLUE,
            label=line.label,
            dash="none",
            marker="diamond",
            size=6.0,
        ),
    )


def _list_inches(panel: ClaimPanel) -> float:
    rows = sum(_folded(name).count("\n") + 1 for name in panel.names)
    return 1.2 + _ROW_INCHES * max(rows, len(panel.names))


def _folded(text: str) -> str:
    """Return a name on lines that leave room for what is drawn."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LINE_CHARACTERS:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _list_in_words(panel: ClaimPanel) -> str:
    means = next(line for line in panel.lines if line.role == "points")
    return "; ".join(
        f"{name}: {value:.3g}" for name, value in zip(panel.names, means.y, strict=True)
    )


def _line_in_words(line: Line) -> str:
    known = np.flatnonzero(np.isfinite(line.y))
    if known.size == 0:
        return ""
    first, last = known[0], known[-1]
    return (
        f"{line.label}: {line.y[first]:.3g} at {line.x[first]:.3g}, "
        f"{line.y[last]:.3g} at {line.x[last]:.3g}"
    )
