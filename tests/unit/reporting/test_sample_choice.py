"""Which completions the report shows."""

import pandas as pd

from pmd_pipeline.reporting.run_page.samples import choose_samples


def completions(*correct: tuple[int, int]) -> pd.DataFrame:
    """Return a problem per pair of counts: that many right and that many wrong samples."""
    rows = [
        ("aime", f"p{problem}", sample, sample < num_right)
        for problem, (num_right, num_wrong) in enumerate(correct)
        for sample in range(num_right + num_wrong)
    ]
    return pd.DataFrame(rows, columns=["eval_set", "problem_id", "sample_index", "correct"])


def test_half_are_wrong_and_half_right_where_there_are_enough() -> None:
    """Wrong ones come first."""
    chosen = choose_samples(completions(*[(2, 2)] * 10), num_samples=4)
    assert chosen["correct"].tolist() == [False, False, True, True]


def test_the_other_kind_fills_up_where_one_runs_out() -> None:
    """One wrong completion in all: three right ones join it, and the other way round."""
    table = completions(*[(4, 0)] * 5, (3, 1))
    assert choose_samples(table, num_samples=4)["correct"].tolist() == [False, True, True, True]
    table = completions(*[(0, 4)] * 5)
    assert choose_samples(table, num_samples=4)["correct"].tolist() == [False] * 4


def test_no_problem_comes_twice_while_another_is_left() -> None:
    """Four wrong completions of four problems."""
    chosen = choose_samples(completions(*[(0, 8)] * 4), num_samples=4)
    assert sorted(chosen["problem_id"]) == ["p0", "p1", "p2", "p3"]


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    """Shuffled completions give the same samples."""
    table = completions(*[(2, 2)] * 12)
    shuffled = table.sample(frac=1, random_state=1)
    names = ["problem_id", "sample_index"]
    one = choose_samples(table, num_samples=6)[names].to_numpy().tolist()
    other = choose_samples(shuffled, num_samples=6)[names].to_numpy().tolist()
    assert one == other


def test_fewer_completions_than_asked_for_are_all_shown() -> None:
    """Three completions, eight asked for; none, none shown."""
    assert len(choose_samples(completions((1, 2)), num_samples=8)) == 3
    assert len(choose_samples(completions((1, 2)).head(0), num_samples=8)) == 0
