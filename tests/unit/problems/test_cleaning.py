"""Missing values, duplicates and contradictions."""

import pandas as pd
import pytest

from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem


def make_table(
    *rows: tuple[str, str | None], source: str = "dapo", split: str = "train"
) -> pd.DataFrame:
    return problems_to_table(
        Problem(problem_id=f"{source}/{i}", problem=p, answer=a, source=source, split=split)
        for i, (p, a) in enumerate(rows)
    )


def reasons(dropped: pd.DataFrame) -> dict[str, str]:
    return dict(zip(dropped["problem_id"], dropped["reason"], strict=True))


def test_rows_without_text_or_answer_are_dropped_by_reason() -> None:
    table = make_table(("a", "1"), (" \n", "2"), ("b", " "), ("", ""))
    kept, dropped = clean_problems(table, missing_rows="drop")
    assert kept["problem_id"].tolist() == ["dapo/0"]
    assert reasons(dropped) == {
        "dapo/1": "missing_problem",
        "dapo/2": "missing_answer",
        "dapo/3": "missing_problem",
    }


def test_missing_values_can_be_refused() -> None:
    table = make_table(("a", "1"), ("b", ""), ("c", ""))
    with pytest.raises(ProblemSourceError, match=r"2 rows have no.*'dapo/1'.*missing_rows: drop"):
        clean_problems(table, missing_rows="refuse")
    kept, _ = clean_problems(table.iloc[:1], missing_rows="refuse")
    assert len(kept) == 1


def test_the_first_of_several_duplicates_stays() -> None:
    table = make_table(("find x", "1"), ("Find x", "2"), ("find\n x ", "01"), ("find x", "1"))
    kept, dropped = clean_problems(table, missing_rows="drop")
    assert kept["problem_id"].tolist() == ["dapo/0", "dapo/1"]
    assert reasons(dropped) == {"dapo/2": "duplicate", "dapo/3": "duplicate"}


def test_all_members_of_a_group_with_conflicting_answers_go() -> None:
    table = make_table(("x", "1"), ("y", "1"), ("x", "1"), (" x", "2"))
    kept, dropped = clean_problems(table, missing_rows="drop")
    assert kept["problem"].tolist() == ["y"]
    assert set(reasons(dropped).values()) == {"conflicting_answers"}
    assert len(dropped) == 3


def test_a_missing_answer_does_not_conflict_with_a_present_one() -> None:
    kept, dropped = clean_problems(make_table(("x", "1"), ("x", "")), missing_rows="drop")
    assert kept["problem_id"].tolist() == ["dapo/0"]
    assert reasons(dropped) == {"dapo/1": "missing_answer"}


def test_the_sets_do_not_see_each_others_problems() -> None:
    table = pd.concat(
        [
            make_table(("x", "1"), ("z", "1")),
            make_table(("x", "2"), source="aime", split="eval"),
            make_table(("x", "2"), source="math", split="eval"),
        ],
        ignore_index=True,
    )
    kept, dropped = clean_problems(table, missing_rows="drop")
    assert len(kept) == 4
    assert dropped.empty
    assert list(dropped.columns) == ["problem_id", "set_name", "reason"]


def test_texts_and_answers_are_normalised() -> None:
    kept, _ = clean_problems(make_table(("  a\u00a0b ", " 12 ")), missing_rows="drop")
    assert kept[["problem", "answer"]].to_numpy().tolist() == [["a b", "12"]]


def test_a_set_that_loses_everything_is_an_error_that_counts_the_reasons() -> None:
    table = pd.concat(
        [make_table(("x", "1")), make_table(("y", ""), ("z", ""), source="aime", split="eval")],
        ignore_index=True,
    )
    with pytest.raises(ProblemSourceError, match=r"set 'aime' is left.*'missing_answer': 2"):
        clean_problems(table, missing_rows="drop")


def test_answers_may_be_missing_where_none_is_required() -> None:
    table = make_table(("a", "1"), ("b", ""), ("c", None), ("", "1"))
    kept, dropped = clean_problems(table, missing_rows="drop", answers_required=False)
    assert kept["answer"].tolist() == ["1", None, None]
    assert reasons(dropped) == {"dapo/3": "missing_problem"}
    with pytest.raises(ProblemSourceError, match="1 rows have no problem text"):
        clean_problems(table, missing_rows="refuse", answers_required=False)


def test_of_equal_problems_the_first_with_an_answer_stays() -> None:
    table = make_table(("x", None), ("x", "1"), ("x", "01"), ("y", None), ("y", ""), ("z", "1"))
    kept, dropped = clean_problems(table, missing_rows="drop", answers_required=False)
    assert kept["problem_id"].tolist() == ["dapo/1", "dapo/3", "dapo/5"]
    assert reasons(dropped) == {f"dapo/{i}": "duplicate" for i in (0, 2, 4)}


def test_answers_that_differ_contradict_each_other_also_beside_a_missing_one() -> None:
    table = make_table(("x", None), ("x", "1"), ("x", "2"), ("y", None))
    kept, dropped = clean_problems(table, missing_rows="drop", answers_required=False)
    assert kept["problem_id"].tolist() == ["dapo/3"]
    assert set(reasons(dropped).values()) == {"conflicting_answers"}


def test_a_set_without_any_answer_is_an_error_that_says_where_answers_come_from() -> None:
    with pytest.raises(ProblemSourceError, match=r"name their column \(columns.answer"):
        clean_problems(make_table(("x", None), ("y", "")), missing_rows="drop")


def test_the_texts_of_verbatim_sets_stay_as_they_came() -> None:
    code = "def f():\n        return  1\n"
    table = pd.concat(
        [
            make_table((code, " 1\n"), (code.replace("  ", " "), "1"), (" \n", "1")),
            make_table((code, " 1 "), source="aime", split="eval"),
        ],
        ignore_index=True,
    )
    kept, dropped = clean_problems(table, missing_rows="drop", verbatim_sets={"train"})
    assert kept["problem"].tolist() == [code, "def f():\nreturn 1"]
    assert kept["answer"].tolist() == [" 1\n", "1"]
    assert reasons(dropped) == {"dapo/1": "duplicate", "dapo/2": "missing_problem"}


def test_chats_are_the_same_when_all_their_turns_are() -> None:
    def chat(number: int, first: str, answer: str) -> Problem:
        turns = [{"role": "user", "content": first}, {"role": "assistant", "content": "?"}]
        return Problem(
            problem_id=f"t/{number}",
            problem="and now?",
            answer=answer,
            source="table",
            split="train",
            turns=(*turns, {"role": "user", "content": "and now?"}),
        )

    table = problems_to_table([chat(0, "a", "1"), chat(1, "b", "2"), chat(2, "a", "1")])
    kept, dropped = clean_problems(table, missing_rows="drop")
    assert kept["problem_id"].tolist() == ["t/0", "t/1"]
    assert reasons(dropped) == {"t/2": "duplicate"}


def test_the_input_table_is_not_changed() -> None:
    table = make_table((" x ", " 1 "), ("", "1"))
    before = table.copy(deep=True)
    clean_problems(table, missing_rows="drop")
    pd.testing.assert_frame_equal(table, before)
