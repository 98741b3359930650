"""Metadata as JSON text."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from pmd_pipeline.problems.metadata import metadata_to_text, num_characters, text_to_metadata


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.str_("x"), "x"),
        (np.array([[1, 2]]), [[1, 2]]),
        (float("nan"), None),
        (float("-inf"), None),
        (Decimal("7"), 7),
        (Decimal("0.1"), 0.1),
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        (Decimal("NaN"), None),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (time(3, 4), "03:04:00"),
        ((1, (2,)), [1, [2]]),
        ({"b", "a"}, ["a", "b"]),
        ({1: None}, {"1": None}),
        (10**30, 10**30),
        ("é\u2028", "é\u2028"),
    ],
)
def test_values_become_json_values(value: Any, back: Any) -> None:
    assert text_to_metadata(metadata_to_text({"x": value})) == {"x": back}


def test_the_text_is_the_same_for_the_same_metadata() -> None:
    text = metadata_to_text({"b": [1, 2], "a": {"d": "ü", "c": True}})
    assert text == '{"a":{"c":true,"d":"ü"},"b":[1,2]}'
    assert metadata_to_text({}) == "{}"


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"type bytes has no JSON form: b'x'"):
        metadata_to_text({"x": b"x"})


def test_size_counts_the_characters_of_texts_and_keys() -> None:
    assert num_characters({"ab": ["cde", {"f": "g"}]}) == 2 + 3 + 1 + 1
