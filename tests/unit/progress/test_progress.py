"""Bars on a terminal with everything else above them; elsewhere a line a minute."""

import logging
import re

import pytest
from terminals import on_terminal

from pmd_pipeline.progress import close_screen, hidden_bars, open_screen, progress_bar
from pmd_pipeline.progress.lines import Lines
from pmd_pipeline.progress.screen import Bar


def test_warnings_stand_on_lines_of_their_own_above_the_bars() -> None:
    logger = logging.getLogger("somebody")
    with on_terminal() as terminal:
        handler = logging.StreamHandler(terminal)
        logger.addHandler(handler)
        screen = open_screen()
        assert screen is not None
        with progress_bar("training pmd_mean, seed 0", 3, "rounds") as bar:
            bar.update()
            screen.show_whole(Bar(description="run", total=9, unit="steps"), seconds_left=300)
            logger.warning("beware")
            bar.update()
        close_screen()
        logger.warning("afterwards")
        logger.removeHandler(handler)
    assert {"beware", "afterwards"} <= set(terminal.lines)
    assert max(map(len, terminal.lines)) <= 79
    below = [line for line in terminal.lines[terminal.lines.index("beware") + 1 :] if line]
    assert re.fullmatch(r"run +\S+ +0 of 9 steps +5 min left *", below[0])
    assert re.fullmatch(r"training pmd_mean, seed 0 +\S+ +1 of 3 rounds +\d+ s left *", below[1])
    assert handler.stream is terminal


def test_notes_are_for_wide_terminals() -> None:
    written = {}
    for columns in (79, 120):
        with on_terminal(columns) as terminal:
            screen = open_screen()
            assert screen is not None
            screen.show_part("training")
            screen.note("reward 0.5")
        written[columns] = terminal.getvalue()
    assert "reward 0.5" in written[120]
    assert "training" in written[79]
    assert "reward 0.5" not in written[79]


def test_nothing_is_drawn_where_lines_cannot_be_drawn_again_or_are_hidden() -> None:
    with on_terminal() as terminal, hidden_bars():
        assert open_screen() is None
    with on_terminal(kind="dumb") as dumb:
        assert open_screen() is None
        with progress_bar("training", 2, "rounds") as bar:
            bar.update(2)
    assert terminal.getvalue() == dumb.getvalue() == ""


def test_a_log_is_told_once_a_minute_and_not_of_the_end(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 30.0, 60.0, 90.0, 119.0, 120.0, 600.0])
    lines = Lines("evaluation", 1000, "responses", clock=lambda: next(times))
    with caplog.at_level(logging.INFO, "pmd_pipeline"):
        for done in (50, 50, 50, 50, 50, 750):
            lines.update(done)
    assert caplog.messages == [
        "evaluation: 100 of 1,000 responses, 9 min left",
        "evaluation: 250 of 1,000 responses, 6 min left",
    ]
