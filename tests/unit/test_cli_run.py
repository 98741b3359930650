"""Options of ``kedro run`` that are refused before anything starts."""

import pytest
from click.testing import CliRunner

from pmd_pipeline.cli import cli


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--runner", "ThreadRunner"], "ThreadRunner does not work here"),
        (["--runner", "kedro.runner.ParallelRunner"], "ParallelRunner does not work here"),
        (["--async"], "loading and saving by threads (--async) does not work here"),
        (["--runner-params", "is_async=True"], "loading and saving by threads"),
        (["--overwrite", "--only-missing-outputs"], "exclude each other"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: list[str], message: str) -> None:
    result = CliRunner().invoke(cli, ["run", *options])
    assert result.exit_code != 0
    assert message in result.output
