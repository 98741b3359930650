"""Nested values as tables."""

from pmd_pipeline.reporting.nested import leaves_as_text, name_value_table, nested_tables


def test_leaves_have_dotted_paths_in_their_order() -> None:
    """Lists are written out, missing values and empty mappings are shown as such."""
    nested = {
        "training": {"sampling": {"top_p": 1.0}, "algorithms": ["grpo", "gspo"], "cap": None},
        "data": {},
        "on": True,
    }
    assert leaves_as_text(nested) == {
        "training.sampling.top_p": "1",
        "training.algorithms": "grpo, gspo",
        "training.cap": "–",
        "data": "none",
        "on": "yes",
    }


def test_small_numbers_keep_their_digits() -> None:
    """A learning rate of 1e-06 is not shown as 0."""
    assert leaves_as_text({"learning_rate": 1e-6, "epsilon": 1e-8}) == {
        "learning_rate": "1e−06",
        "epsilon": "1e−08",
    }


def test_a_mapping_of_mappings_becomes_a_column_each() -> None:
    """Sources stand side by side; what one lacks is a dash."""
    report = {
        "num_rows_in": 12,
        "sets": {
            "train": {"num_kept": 9, "dropped": {"duplicate": 1}},
            "aime": {"num_kept": 2, "dropped": {}},
        },
    }
    plain, sets = nested_tables(report, caption="Data")
    assert plain.rows == (("num_rows_in", "12"),)
    assert sets.caption == "Data: sets"
    assert sets.header == ("name", "train", "aime")
    assert sets.rows == (("num_kept", "9", "2"), ("dropped.duplicate", "1", "–"))


def test_a_list_of_mappings_becomes_a_row_each() -> None:
    """Columns are all keys that occur."""
    (table,) = nested_tables({"runs": [{"a": 1}, {"a": 2, "b": "x"}]}, caption="Runs")
    assert table.header == ("a", "b")
    assert table.rows == (("1", "–"), ("2", "x"))


def test_every_row_is_as_long_as_its_header() -> None:
    """Also for an empty mapping, which gives an empty table."""
    table = name_value_table({}, caption="Parameters")
    assert table.rows == ()
    assert len(table.header) == 2
