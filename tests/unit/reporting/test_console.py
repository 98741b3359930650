"""Tables and words on a console."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from pmd_pipeline.reporting.console import as_text, plain_table, print_parts

PROGRAM = """
from pmd_pipeline.reporting.console import plain_table, print_parts
print_parts("[bold]words[/bold]", plain_table(
    [["a" * 60, "1.5", "why not at all, or perhaps"]],
    names=["name"], numbers=["number"], texts=["text"],
))
"""


def on_a_terminal(num_columns: int) -> str:
    """Return what the program prints on a terminal of so many columns."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(num_columns), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=end, env=environment) as process:
        os.close(end)
        printed = b""
        while True:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # Linux says so that the other side has closed it
                break
            if not chunk:
                break
            printed += chunk
    os.close(terminal)
    assert process.returncode == 0
    return printed.decode()


def test_names_stand_left_numbers_right_and_no_line_ends_in_spaces() -> None:
    table = plain_table(
        [["short", "1", "a"], ["a longer one", "100", ""]],
        names=["name"],
        numbers=["number"],
        texts=["text"],
    )
    assert as_text(table).splitlines() == [
        "name          number  text",
        "------------- ------- ----",
        "short              1  a",
        "a longer one     100",
    ]


def test_what_looks_like_markup_is_text() -> None:
    assert as_text("[red]x[/red] :smile:", Text("[0.1, 0.2]")) == "[red]x[/red] :smile:\n[0.1, 0.2]"


def test_where_there_is_no_room_names_fold_and_numbers_stay_whole() -> None:
    """Even in ten columns, which are too few for any of it."""
    number = "0.460 -> 0.880"
    table = plain_table([["a" * 12, number]], names=["name"], numbers=["number"])
    for width in (10, 24):
        lines = as_text(table, width=width).splitlines()
        assert lines[2:] == ["a" * 8 + "  " + number, "a" * 4]


def test_a_header_longer_than_its_numbers_folds() -> None:
    """The numbers below it do not."""
    table = plain_table([["name", "0.000123"]], names=["name"], numbers=["training.group_size"])
    assert as_text(table, width=18).splitlines() == [
        "      training.gro",
        "name       up_size",
        "----- ------------",
        "name      0.000123",
    ]


def test_a_pipe_gets_whole_lines_without_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says of the terminal that is not there."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    table = plain_table([["a" * 60, "1.5"]], names=["name"], numbers=["number"])
    print_parts("words " * 20, table)
    words, header, rule, row = capsys.readouterr().out.splitlines()
    assert words == ("words " * 20).rstrip()
    assert header == "name" + " " * 58 + "number"
    assert rule == "-" * 61 + " " + "-" * 6
    assert row == "a" * 60 + "     1.5"


def test_a_terminal_gets_its_own_width_and_colours() -> None:
    """Forty columns: the name is folded, the text wrapped between words, the header bold."""
    printed = on_a_terminal(40)
    assert "\x1b[1m" in printed
    assert "a" * 60 not in printed
    assert printed.count("a" * 8) >= 1
    assert "[bold]words[/bold]" in printed
    assert max(len(line) for line in on_a_terminal(200).splitlines() if "aaa" in line) < 110
    assert "a" * 60 in on_a_terminal(200)


def test_a_console_table_loads_no_drawing_library() -> None:
    """A table at the end of a run must not cost the seconds that plotly and matplotlib take."""
    code = (
        "import sys; import pmd_pipeline.reporting.run_page.final_table; "
        "print(sorted({'matplotlib', 'plotly'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert result.stdout.strip() == "[]"
