"""Words that every room writes alike."""

import pytest

from pmd_pipeline.wording import rough_time


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a minute"),
        (75, "about a minute"),
        (91, "about 2 minutes"),
        (3569, "about 59 minutes"),
        (3571, "about 1.0 hours"),
        (9000, "about 2.5 hours"),
    ],
)
def test_a_rough_time_is_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert rough_time(seconds) == words
