"""Which answers vote together in maj@k: there is no reference answer to compare them with."""

import re
from typing import TYPE_CHECKING, Final

from pmd_pipeline.rewards.answers.choices import parse_option
from pmd_pipeline.rewards.answers.equivalence import MAX_CHARACTERS
from pmd_pipeline.rewards.answers.exact import exact_value
from pmd_pipeline.rewards.answers.notation import compact, normalise_notation
from pmd_pipeline.rewards.answers.quantities import parse_quantity
from pmd_pipeline.rewards.answers.roles import parse_roles
from pmd_pipeline.rewards.answers.sets import parse_set
from pmd_pipeline.rewards.answers.sides import answer_values, drop_label
from pmd_pipeline.rewards.answers.signs import expand_signs
from pmd_pipeline.rewards.answers.structure import parse_collection
from pmd_pipeline.rewards.answers.words import factors_of, words_of

if TYPE_CHECKING:
    import pandas as pd

_UNION: Final = re.compile(r"\\cup(?![a-zA-Z])\s*")


def vote_label(answer: str | None) -> str | None:
    r"""Return one spelling for answers that mean the same, so that they vote together.

    ``1/2``, ``0.50`` and ``\frac{1}{2}`` all give ``"1/2"``; lists of numbers do so element by
    element, an option gives its letter, ``x > 2`` gives ``"(2,\infty)"``. Any other answer is only
    tidied up. None, no answer, stays None.
    """
    if answer is None or len(answer) > MAX_CHARACTERS:
        return answer
    text = drop_label(normalise_notation(answer))
    option = parse_option(text)
    if option is not None:
        return option.letter
    words = factors_of(text) or words_of(text)
    if words is not None:
        return words
    real_set = parse_set(text)
    if real_set is not None and real_set.stated:
        return r"\cup".join(sorted(map(_label, _UNION.split(real_set.text))))
    roles = parse_roles(text)
    if roles is not None and not roles.of_one_letter():
        return _label(roles.in_order(roles.usual_order()).text())
    return _label(text)


def with_vote_labels(completions: "pd.DataFrame") -> "pd.DataFrame":
    """Return completions whose answers are replaced by what they vote for in maj@k.

    Args:
        completions: With a column ``answer``, missing where there is none.
    """
    labels = {answer: vote_label(answer) for answer in completions["answer"].dropna().unique()}
    return completions.assign(answer=completions["answer"].map(labels))


def _label(text: str) -> str:
    """Spell numbers one way; other elements without needless blanks, names and units."""
    collection = expand_signs(parse_collection(text))
    labels = [_element_label(element) for element in collection.elements]
    if collection.ordered:
        return f"{collection.opening}{','.join(labels)}{collection.closing}"
    return ",".join(sorted(labels)) or compact(text)


def _element_label(element: str) -> str:
    quantities = [parse_quantity(value) for value in answer_values(element) or (element,)]
    values = [exact_value(quantity.text) for quantity in quantities]
    value, quantity = values[-1], quantities[-1]
    if len(set(values) - {None}) > 1:
        return compact(element)  # 3 = 5 is no vote for 5
    if value is None:
        return compact(quantity.text)
    return f"{value * quantity.scale}{'%' if quantity.percent else ''}"
