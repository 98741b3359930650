"""The look of the algorithms."""

from pmd_pipeline.reporting.drawing.styles import algorithm_styles


def test_forty_algorithms_all_look_different() -> None:
    """No two share colour, dashes and marker."""
    styles = algorithm_styles([f"algorithm_{i}" for i in range(40)])
    assert len(set(styles.values())) == 40


def test_the_first_five_differ_in_colour_dashes_and_marker() -> None:
    """The default algorithms can be told apart by any one of the three."""
    styles = algorithm_styles("abcde").values()
    assert len({style.colour for style in styles}) == 5
    assert len({style.dash for style in styles}) == 5
    assert len({style.marker for style in styles}) == 5


def test_a_label_named_twice_has_one_style() -> None:
    """Styles follow the first appearance."""
    styles = algorithm_styles(["a", "b", "a"])
    assert list(styles) == ["a", "b"]
    assert styles["b"] == algorithm_styles(["a", "b"])["b"]
