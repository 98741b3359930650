"""The report's sections on theory: which figures, under which titles, with which words."""

from collections.abc import Mapping

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import message
from pmd_pipeline.reporting.drawing.thinning import thinning_note

_OVER_ROUNDS = "theory_in_the_loop_by_round"

LOOP_FIGURES = {
    "theory_in_the_loop_by_pass_rate": (
        "Updates against their exact solutions, by pass rate",
        "One point per prompt group, of every training seed: how far its right and its wrong "
        "responses moved in a round (mean log-ratio of whole responses), over the share that was "
        "right before. Of a round with very many groups some are drawn; the line in its colour is "
        "the mean of all. The thick line is where the exact update would have taken them. Points "
        "between 0 and that line went part of the way; right responses below 0 were lost with the "
        "wrong ones.",
    ),
    _OVER_ROUNDS: (
        "Updates against their exact solutions, by round",
        "Progress is the slope of measured on predicted log-ratios: 0 nothing moved, 1 the fixed "
        "point was reached, below 0 the wrong way. Dashed lines are the exact update's own values; "
        "a gap in λ says that right and wrong responses moved alike. A falling learning rate "
        "lowers progress. Past the bound goes no exact update at the group's own pass rate. Of "
        "several training seeds each is a thin line, and the thick one their mean, with a gap "
        "where one of them has no value.",
    ),
}
"""Title and caption by figure: this run's training held against theory."""

THEORY_FIGURES = {
    "theory_figure_1": (
        "What PMD-mean replaces, and where it leads",
        "Left: the scaled log-partition, which PMD-part estimates, and the mean reward that "
        "PMD-mean takes for it. Right: the policies over three actions that both lead to, from the "
        "initial one along a falling τ.",
    ),
    "theory_figure_2": (
        "Log-ratios of the exact updates",
        "PMD-mean moves right and wrong responses less than PMD-part does, and wrong ones far less "
        "where success is rare.",
    ),
    "theory_figure_3": (
        "Error of targets estimated from n rollouts",
        "Lines are exact expectations, points means over random groups. Scaled: times exp(B₊), B₊ "
        "the largest log-ratio, as the error enters the bound on one update's improvement.",
    ),
    "theory_laboratory": (
        "Rounds on one bandit",
        "Exact updates against updates from sampled groups, on the same small problem: median, "
        "with the band from the 10th to the 90th percentile of seeds.",
    ),
}
"""Title and caption by figure: exact solutions, the same for every run."""


def theory_sections(
    figures: Mapping[str, InteractiveFigure], *, num_rounds: int, num_seeds: int = 1
) -> list[tuple[str, InteractiveFigure, str]]:
    """Return title, figure and caption of each section; a figure that shows nothing has none.

    Args:
        figures: By name.
        num_rounds: Of the run.
        num_seeds: Of the training.
    """
    sections = []
    for name, (title, caption) in {**LOOP_FIGURES, **THEORY_FIGURES}.items():
        note = thinning_note(num_rounds, num_seeds) if name == _OVER_ROUNDS else ""
        if figures[name].data:
            sections.append((title, figures[name], f"{caption} {note}".strip()))
    return sections


def nothing_to_compare() -> InteractiveFigure:
    """Return a figure that says why it is empty."""
    text = (
        "There is no exact update to hold this run against: no round of PMD-mean or PMD-part,\n"
        "with rewards of two values, had right and wrong responses to one prompt."
    )
    return plotly_figure(message("nothing_to_compare", text))
