"""Train problems that are copies of evaluation problems."""

import pandas as pd
import pytest

from pmd_pipeline.problems.decontamination import OVERLAP_COLUMNS, drop_eval_overlaps
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem

LETTERS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi"
SAFE = "an unrelated problem"


def make_table(train: list[str], evals: list[str]) -> pd.DataFrame:
    rows = [(f"train/{i}", text, "dapo", "train") for i, text in enumerate(train)]
    rows += [(f"aime/{i}", text, "aime", "eval") for i, text in enumerate(evals)]
    return problems_to_table(
        Problem(problem_id=i, problem=text, answer="1", source=source, split=split)
        for i, text, source, split in rows
    )


def overlaps(
    train: list[str], evals: list[str], *, ngram_words: int = 13, overlap_fraction: float = 0.2
) -> list[tuple[object, ...]]:
    table = make_table([SAFE, *train], evals)
    kept, listed = drop_eval_overlaps(
        table, ngram_words=ngram_words, overlap_fraction=overlap_fraction
    )
    gone = set(table["problem_id"]) - set(kept["problem_id"])
    assert gone == set(listed["problem_id"])
    assert tuple(listed.columns) == OVERLAP_COLUMNS
    return list(listed.itertuples(index=False, name=None))


def test_the_same_problem_in_other_typesetting_is_an_exact_copy() -> None:
    found = overlaps(["FIND  $\\dfrac{x}{2}$"], ["other", "Find \\(\\frac{x}{2}\\)"])
    assert found == [("train/1", "aime/1", "aime", "exact", 1.0)]


def test_a_problem_within_a_longer_one_is_a_copy() -> None:
    found = overlaps([f"First. {LETTERS} Give m + n."], [LETTERS])
    assert found == [("train/1", "aime/0", "aime", "ngram", 1.0)]


def test_the_share_of_the_eval_problems_ngrams_decides() -> None:
    """16 words make 9 distinct 8-grams; the first 9 words of it make 2 of them."""
    start = " ".join(LETTERS.split()[:9])
    assert overlaps([start], [LETTERS], ngram_words=8, overlap_fraction=2 / 9) == [
        ("train/1", "aime/0", "aime", "ngram", 2 / 9)
    ]
    assert overlaps([start], [LETTERS], ngram_words=8, overlap_fraction=0.23) == []


def test_one_stock_phrase_in_a_long_problem_is_no_copy() -> None:
    phrase = "where m and n are relatively prime positive integers find the value of m"  # 14 words
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(80)]
    assert (
        overlaps([f"{' '.join(words[:40])} {phrase}"], [f"{' '.join(words[40:])} {phrase}"]) == []
    )


def test_a_short_eval_problem_is_looked_for_as_a_whole() -> None:
    short = "how many outfits can be made from nine shirts"  # 9 words
    assert [row[3] for row in overlaps([f"{short} today"], [short])] == ["ngram"]
    assert overlaps(["how many outfits can be made from nine hats today"], [short]) == []


def test_a_very_short_eval_problem_matches_exactly_or_not_at_all() -> None:
    assert overlaps(["evaluate two plus two and three"], ["evaluate two plus two"]) == []
    assert [row[3] for row in overlaps(["Evaluate two plus two"], ["evaluate two plus two"])] == [
        "exact"
    ]
    assert overlaps(["12+34"], ["12-34", "1+234"]) == []


def test_the_closest_eval_problem_is_listed() -> None:
    words = LETTERS.split()
    found = overlaps([LETTERS + " end"], [" ".join([*words[:13], "x", "y"]), LETTERS])
    assert [row[1] for row in found] == ["aime/1"]


def test_eval_problems_are_never_dropped() -> None:
    kept, listed = drop_eval_overlaps(
        make_table([SAFE], ["same", "same text"]), ngram_words=13, overlap_fraction=0.2
    )
    assert len(kept) == 3
    assert listed.empty


def test_losing_every_train_problem_is_an_error() -> None:
    with pytest.raises(ProblemSourceError, match=r"'train' is left.*'overlaps_eval': 1"):
        drop_eval_overlaps(make_table(["a b"], ["A b"]), ngram_words=13, overlap_fraction=0.2)


def test_of_a_chat_all_turns_but_the_systems_make_an_exact_copy() -> None:
    """And the n-grams are those of the last turn: worked examples may be the same throughout."""

    def chat(problem_id: str, *contents: str, system: str = "s") -> Problem:
        roles = ["user", "assistant"] * len(contents)
        turns = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
        is_eval = problem_id.startswith("e")
        return Problem(
            problem_id=problem_id,
            problem=contents[-1],
            answer="1",
            source="aime" if is_eval else "table",
            split="eval" if is_eval else "train",
            turns=({"role": "system", "content": system}, *turns),
        )

    table = problems_to_table(
        [
            chat("same", LETTERS, "yes", "and now?", system="other"),
            chat("other_start", "else", "yes", "and now?"),
            chat("same_examples", LETTERS, "yes", "something else"),
            chat("alone", "and then?", system="other"),
            chat("ngram", "else", "yes", f"Now {LETTERS}"),
            chat("e0", LETTERS, "yes", "and now?"),
            chat("e1", "and then?"),
            chat("e2", "new", "yes", LETTERS),
        ]
    )
    _, found = drop_eval_overlaps(table, ngram_words=13, overlap_fraction=0.2)
    assert found[["problem_id", "eval_problem_id", "rule"]].to_numpy().tolist() == [
        ["same", "e0", "exact"],
        ["alone", "e1", "exact"],
        ["ngram", "e2", "ngram"],
    ]


INSTRUCTION = "Read the following question with care and answer it in one sentence of your own"


def test_what_most_problems_of_a_set_say_is_no_copied_text() -> None:
    evals = [f"{INSTRUCTION}: {LETTERS}", f"{INSTRUCTION}: {SAFE}", f"{INSTRUCTION}: who?"]
    assert overlaps([f"{INSTRUCTION}: something else"], evals) == []
    (copy,) = overlaps([f"{INSTRUCTION}: {LETTERS}"[20:]], evals)
    assert copy[:4] == ("train/1", "aime/0", "aime", "ngram")
    # Of one problem alone nobody can tell its instruction.
    assert len(overlaps([f"{INSTRUCTION}: something else"], evals[2:])) == 1


def test_of_a_generators_problems_copies_are_exact_alone() -> None:
    evals = [f"{INSTRUCTION}: {LETTERS} {number}?" for number in (1, 2)]
    table = make_table([SAFE, f"{INSTRUCTION}: {LETTERS} 3?", evals[1].upper()], evals)
    _, found = drop_eval_overlaps(
        table, ngram_words=13, overlap_fraction=0.2, exact_sets=frozenset({"aime"})
    )
    assert found[["problem_id", "rule"]].to_numpy().tolist() == [["train/2", "exact"]]


def test_when_all_look_like_copies_the_message_says_what_to_change() -> None:
    with pytest.raises(ProblemSourceError, match=r"raise data_preparation.decontamination_overlap"):
        drop_eval_overlaps(make_table(["a"], ["a"]), ngram_words=13, overlap_fraction=0.2)
