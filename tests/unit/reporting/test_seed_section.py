"""How the seeds differ: their scores, and how many score how high."""

import numpy as np
from made_up_runs import made_up_scores

from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.seed_section import seed_section
from pmd_pipeline.statistics.aggregates import interquartile_mean, performance_profile

GRPO = np.array([[0.0, 0.5, 1.0, 1.0], [0.5, 0.5, 0.5, 1.0]])
GSPO = np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5]])
SCORES = made_up_scores({"grpo": GRPO, "gspo": GSPO}, np.zeros(4))


def test_a_row_per_algorithm_has_its_seeds_their_spread_and_their_middle_half() -> None:
    """Means over problems, their standard deviation, and rliable's interquartile mean."""
    section = seed_section(SCORES, Coverage.of(SCORES, level=0.95))
    assert section is not None
    (table,) = section.tables
    assert table.header[:4] == ("algorithm", "seed 0", "seed 1", "seeds differ by")
    name, first, second, spread, mean, alone, middle = table.rows[1]
    assert (name, first, second) == ("gspo", "0.250", "0.375")
    assert spread == f"{np.std([0.25, 0.375], ddof=1):.3f}"
    assert mean.startswith("0.312\n[")
    assert alone == "[0.000, 1.000]"
    assert middle.startswith(f"{interquartile_mean(GSPO).value:.3f}\n[0.000, ")  # no share below 0
    assert "4 problems" in table.caption


def test_profiles_are_the_shares_above_every_score_that_there_is() -> None:
    """A step from one score to the next, with the interval of the share."""
    section = seed_section(SCORES, Coverage.of(SCORES, level=0.95))
    assert section is not None
    (panel,) = section.profiles.panels
    grpo = panel.series[0]
    assert grpo.x.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert grpo.y.tolist() == [7 / 8, 7 / 8, 3 / 8, 3 / 8]
    low, high = performance_profile(GRPO, [0.5])[0].interval()[1:]
    assert grpo.low is not None
    assert grpo.high is not None
    assert (grpo.low[-1], grpo.high[-1]) == (low, high)
    assert "2 training seeds and problems" in section.caption


def test_equal_scores_still_have_a_profile() -> None:
    """All cells score the same: none scores higher."""
    scores = made_up_scores({"grpo": np.ones((2, 3))}, np.zeros(3))
    section = seed_section(scores, Coverage.of(scores, level=0.95))
    assert section is not None
    assert section.profiles.panels[0].series[0].y.tolist() == [0.0, 0.0]


def test_seeds_that_an_algorithm_lacks_are_left_blank() -> None:
    scores = made_up_scores(
        {"grpo": GRPO, "gspo": GSPO}, np.zeros(4), seeds={"grpo": (0, 1), "gspo": (1, 2)}
    )
    section = seed_section(scores, Coverage.of(scores, level=0.95))
    assert section is not None
    assert [row[1:4] for row in section.tables[0].rows] == [
        ("0.625", "0.625", "–"),
        ("–", "0.250", "0.375"),
    ]


def test_one_seed_has_no_such_section() -> None:
    scores = made_up_scores({"grpo": GRPO[:1]}, np.zeros(4))
    assert seed_section(scores, Coverage.of(scores, level=0.95)) is None
