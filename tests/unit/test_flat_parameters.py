"""Nested parameters, flat, and what differs between two states of them."""

from pmd_pipeline.flat_parameters import changed_parameters, flatten


def test_keys_are_joined_by_dots_and_the_order_is_kept() -> None:
    nested = {"b": {"y": 1, "x": {"z": None}}, "a": "text"}
    assert list(flatten(nested).items()) == [("b.y", 1), ("b.x.z", None), ("a", "text")]


def test_lists_and_empty_mappings_are_values() -> None:
    nested = {"a": {"sets": {}}, "b": (1, 2), "c": [{"d": 1}]}
    assert flatten(nested) == {"a.sets": {}, "b": [1, 2], "c": [{"d": 1}]}


def test_a_change_is_told_with_both_values() -> None:
    assert changed_parameters({"a": 1, "b": [1, 2], "c": 0}, {"a": 2, "b": (1, 2), "d": None}) == [
        "a: 1 -> 2",
        "c: 0 -> (not set)",
        "d: (not set) -> null",
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = changed_parameters({"a": "x" * 1000}, {"a": 1})
    assert line == f'a: "{"x" * 199}... -> 1'
