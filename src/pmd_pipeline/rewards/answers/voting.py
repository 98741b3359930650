"""Which answers vote together in maj@k: there is no reference answer to compare them with."""

import re
from typing import Final

from pmd_pipeline.rewards.answers.choices import parse_option
from pmd_pipeline.rewards.answers.equivalence import MAX_CHARACTERS
from pmd_pipeline.rewards.answers.exact import exact_value
from pmd_pipeline.rewards.answers.notation import compact, normalise_notation
from pmd_pipeline.rewards.answers.quantities import parse_quantity
from pmd_pipeline.rewards.answers.sets import parse_set
from pmd_pipeline.rewards.answers.sides import answer_values, drop_label
from pmd_pipeline.rewards.answers.signs import expand_signs
from pmd_pipeline.rewards.answers.structure import parse_collection
from pmd_pipeline.rewards.answers.words import factors_of, words_of

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
    return _label(text)


def _label(text: str) -> str:
    """Spell numbers one way; other elements only without needless blanks."""
    collection = expand_signs(parse_collection(text))
    labels = [_number(element) for element in collection.elements]
    if not any(labels):
        return compact(text)
    known = [
        label or compact(element)
        for label, element in zip(labels, collection.elements, strict=True)
    ]
    if not collection.ordered:
        known.sort()
    return f"{collection.opening}{','.join(known)}{collection.closing}"


def _number(element: str) -> str | None:
    quantity = parse_quantity((answer_values(element) or (element,))[-1])
    value = exact_value(quantity.text)
    if value is None:
        return None
    return f"{value * quantity.scale}{'%' if quantity.percent else ''}"
