"""Whether two answers are the same, as far as it can be told without computer algebra."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pmd_pipeline.rewards.answers.bound_names import (
    Family,
    letters_of,
    parse_definition,
    parse_family,
    rename,
)
from pmd_pipeline.rewards.answers.choices import parse_option
from pmd_pipeline.rewards.answers.exact import exact_value
from pmd_pipeline.rewards.answers.names import asks
from pmd_pipeline.rewards.answers.notation import compact, normalise_notation
from pmd_pipeline.rewards.answers.numerals import integer_key, numerals_equal, rounded_equal
from pmd_pipeline.rewards.answers.quantities import Quantity, in_one_angle_unit, parse_quantity
from pmd_pipeline.rewards.answers.roles import drop_shared_name, matched, parse_roles
from pmd_pipeline.rewards.answers.sets import RealSet, parse_set
from pmd_pipeline.rewards.answers.sides import answer_values, drop_label, drop_name, is_of_numbers
from pmd_pipeline.rewards.answers.signs import expand_signs
from pmd_pipeline.rewards.answers.sizes import is_too_large, nesting
from pmd_pipeline.rewards.answers.structure import Collection, parse_collection
from pmd_pipeline.rewards.answers.words import factors_of, words_of

MAX_CHARACTERS: Final = 2000  # of an answer; anything longer than this is not read
# What makes a statement of an answer: x > 5 is not 5, and neither is 7 \Rightarrow x = 5.
_STATEMENT: Final = re.compile(
    r"[<>]|\\(?:le|ge|ne|lt|gt|n?sim|simeq|n?cong|equiv|n?mid|propto|notin|not|neg|lnot|forall|exists"
    r"|nexists|implies|impliedby|iff|to|[a-z]*mapsto|[a-zA-Z]*[Rr]ightarrow|[a-zA-Z]*[Ll]eftarrow"
    r"|therefore|because|vdash|models|[bx]?cancel|sout|st)(?![a-zA-Z])"
)
_MAX_NESTING: Final = 60  # of brackets; the steps of reading are as many
_DOUBLE_FACTORIAL: Final = re.compile(r"!\s*!")
_BOUND: Final = re.compile(r"_\s*\{[^{}]*\}")  # the arrow of \lim_{x \to 0}
_SIGNS: Final = re.compile(r"\\[pm][pm](?![a-zA-Z])")
_BROKEN: Final = re.compile(r"[0-9]\.?\s+[0-9.]|[0-9]\.[0-9]*\.[0-9]")
_WORD: Final = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z]{4,}")
_KNOWN_WORDS: Final = frozenset(
    {"sqrt", "frac", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "infty", "infinity"}
)


class Verdict(StrEnum):
    """What a comparison found; ``LIMIT``: it would not fit its limits of time, memory or size."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNPARSABLE = "unparsable"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class AlgebraQuestion:
    """What computer algebra must decide: is every one of ``values`` equal to ``gold``?

    With a ``parameter``, a letter that runs over all integers, as families of values.
    """

    gold: str
    values: tuple[str, ...]
    parameter: str = ""


Comparison = Verdict | AlgebraQuestion


def compare(answer: str, gold: str) -> Comparison:
    """Compare an answer with the reference answer, or say what computer algebra must be asked.

    Integers are compared digit by digit at any size; rational arithmetic exactly. Costs at most
    milliseconds for any input.
    """
    answer_integer, gold_integer = integer_key(answer), integer_key(gold)
    if answer_integer is not None and gold_integer is not None:
        return _verdict(answer_integer == gold_integer)
    if answer.strip() == gold.strip():
        return Verdict.EQUAL
    if max(len(answer), len(gold)) > MAX_CHARACTERS or nesting(answer) > _MAX_NESTING:
        return Verdict.LIMIT
    return _compare_texts(drop_label(normalise_notation(answer)), normalise_notation(gold))


def _compare_texts(answer: str, gold: str) -> Comparison:
    """Compare what is written: options, words, products of letters, else mathematics."""
    if compact(answer) == compact(gold) != "":
        return Verdict.EQUAL
    option, gold_option = parse_option(answer), parse_option(gold)
    if option is not None and gold_option is not None and option.letter != gold_option.letter:
        return Verdict.DIFFERENT
    if option is not None and gold_option is not None:
        if not option.content or not gold_option.content:
            return Verdict.EQUAL
        return _compare_texts(option.content, gold_option.content)
    if option is not None and option.content:
        return _compare_texts(option.content, gold)
    if gold_option is not None and gold_option.content:
        return _compare_texts(answer, gold_option.content)
    factors = factors_of(gold)
    if factors is not None and factors == factors_of(answer):
        return Verdict.EQUAL
    read_answer, read_gold = parse_set(answer), parse_set(gold)
    if read_answer and read_gold and (read_answer.stated or read_gold.stated):
        return _compare_sets(read_answer, read_gold)
    words = words_of(gold)
    if words is not None and factors is None:
        return _verdict(words == (words_of(answer) or compact(answer).casefold()))
    bound = _compare_bound(answer, gold)
    if bound is not None:
        return bound
    if parse_roles(answer) or parse_roles(gold):
        roles = matched(answer, gold)
        return Verdict.DIFFERENT if roles is None else _compare_collections(*roles)
    return _compare_collections(*_collections(drop_name(answer, gold), drop_name(gold, answer)))


def _compare_bound(answer: str, gold: str) -> Comparison | None:
    """Compare where letters are bound, so that others would do; None where none are."""
    defined, gold_defined = parse_definition(answer), parse_definition(gold)
    if defined is not None and gold_defined is not None and defined.name == gold_defined.name:
        if len(defined.arguments) != len(gold_defined.arguments):
            return Verdict.DIFFERENT
        formula = defined.formula_in(gold_defined.arguments)
        return (
            Verdict.DIFFERENT if formula is None else _compare_texts(formula, gold_defined.formula)
        )
    family, gold_family = parse_family(answer), parse_family(gold)
    if family is not None and gold_family is not None:
        return _compare_families(family, gold_family)
    if family is not None:
        return _compare_texts(family.formula, gold)
    if gold_family is not None:
        return _compare_texts(answer, gold_family.formula)
    return None


def _compare_families(answer: Family, gold: Family) -> Comparison:
    """Compare what runs over all integers: another letter, start or direction changes nothing."""
    formula, reference = answer.formula, gold.formula
    if "°" in formula and "°" in reference:
        formula, reference = formula.replace("°", " "), reference.replace("°", " ")
    formula = rename(formula, {answer.parameter: gold.parameter})
    if gold.parameter != answer.parameter and gold.parameter in letters_of(answer.formula):
        return Verdict.DIFFERENT
    read_answer, read_gold = _collections(
        drop_name(formula, reference), drop_name(reference, formula)
    )
    if len(read_answer.elements) != len(read_gold.elements) or read_answer.ordered:
        return Verdict.DIFFERENT
    question = _question(read_gold.text(), [read_answer.text()])
    if isinstance(question, AlgebraQuestion):
        return replace(question, parameter=gold.parameter)
    return question


def _compare_sets(answer: RealSet, gold: RealSet) -> Comparison:
    """Compare two sets of real numbers, whatever says so: conditions, intervals, set builders."""
    if answer.name != gold.name and answer.name and gold.name:
        return Verdict.DIFFERENT  # y > 2 is not x > 2
    if compact(answer.text) == compact(gold.text):
        return Verdict.EQUAL
    read_answer, read_gold = parse_collection(answer.text), parse_collection(gold.text)
    if read_answer.opening and read_gold.opening:
        return _compare_collections(read_answer, read_gold)
    return _question(gold.text, [answer.text])


def _collections(answer: str, gold: str) -> tuple[Collection, Collection]:
    """Read both; ``100,200`` is a list where the reference answer is one of as many elements."""
    read_gold = expand_signs(parse_collection(gold))
    read_answer = expand_signs(parse_collection(answer))
    if len(read_gold.elements) > 1 and len(read_answer.elements) == 1:
        as_list = parse_collection(answer, thousands=False)
        if len(as_list.elements) == len(read_gold.elements):
            read_answer = as_list
    if _SIGNS.search(answer) and not read_answer.opening:
        read_answer = Collection(r"\{", read_answer.elements, r"\}")  # in no order
    return read_answer, drop_shared_name(read_gold, read_answer)


def _compare_collections(answer: Collection, gold: Collection) -> Comparison:
    if not answer.elements or not gold.elements:
        return Verdict.UNPARSABLE
    if any(_BROKEN.search(element) for element in answer.elements):
        return Verdict.DIFFERENT  # two numbers side by side are neither one answer nor a product
    same_number = len(answer.elements) == len(gold.elements)
    if len(gold.elements) == 1 and not gold.opening and same_number and not answer.opening:
        return _compare_values(answer.elements[0], gold.elements[0])
    if not same_number:
        return _ask(answer, gold) if _is_range(gold) else Verdict.DIFFERENT
    return _compare_elements(answer, gold)


def _compare_elements(answer: Collection, gold: Collection) -> Comparison:
    """Compare as many elements with as many: in order where the reference answer has one."""
    closed = {answer.opening, gold.opening, answer.closing, gold.closing} & {"[", "]"}
    if closed and (answer.opening, answer.closing) != (gold.opening, gold.closing):
        return Verdict.DIFFERENT  # [1, 2) is not [1, 2]
    if gold.ordered and answer.opening == r"\{":
        return Verdict.DIFFERENT
    if answer.ordered and not gold.ordered:
        return Verdict.DIFFERENT  # a pair or an interval is no list
    if gold.ordered and not answer.ordered and re.search(r"=|\\infty", answer.text() + gold.text()):
        return Verdict.DIFFERENT  # a list is no interval, and two values of one name are no pair
    table = [[_compare_values(a, g) for a in answer.elements] for g in gold.elements]
    if any(isinstance(cell, AlgebraQuestion) for row in table for cell in row):
        return _ask(answer, gold)
    if gold.ordered:
        return _verdict(all(row[i] == Verdict.EQUAL for i, row in enumerate(table)))
    free = set(range(len(answer.elements)))
    for row in table:
        match = next((i for i in sorted(free) if row[i] == Verdict.EQUAL), None)
        if match is None:
            return Verdict.DIFFERENT
        free.remove(match)
    return Verdict.EQUAL


def _compare_values(answer: str, gold: str) -> Comparison:
    """Compare one value with one value; every side of an equation must hold."""
    if _STATEMENT.search(_BOUND.sub("", answer)) and not (
        _STATEMENT.search(gold) or r"\in" in gold
    ):
        return Verdict.DIFFERENT
    if _SIGNS.search(answer):
        return Verdict.DIFFERENT  # two answers
    if is_of_numbers(gold):
        gold = answer_values(gold)[-1]
    values = answer_values(answer) if "=" not in gold else (answer,)
    if not values:
        return Verdict.UNPARSABLE
    reference, questions = parse_quantity(gold), list[str]()
    for value in values:
        quantity = parse_quantity(value)
        quantity, reference = in_one_angle_unit(quantity, parse_quantity(gold))
        equal = _quantities_equal(quantity, reference)
        if equal is False:
            return Verdict.DIFFERENT
        if equal is None:
            questions.append(quantity.text)
    return _question(reference.text, questions) if questions else Verdict.EQUAL


def _quantities_equal(answer: Quantity, gold: Quantity) -> bool | None:
    """Return None where algebra must decide."""
    if (
        not answer.same_unit(gold)
        or (answer.percent and gold.unit)
        or (gold.percent and answer.unit)
    ):
        return False
    in_a_base = numerals_equal(answer.text, gold.text)
    if in_a_base is not None:
        return in_a_base
    a, g = exact_value(answer.text), exact_value(gold.text)
    if a is None or g is None:
        if answer.scale != gold.scale:
            return False
        return True if compact(answer.text) == compact(gold.text) else None
    a, g = a * answer.scale, g * gold.scale
    if a == g or (answer.percent and a / 100 == g) or (gold.percent and g / 100 == a):
        return True
    return rounded_equal(answer.text, a, g) or rounded_equal(gold.text, g, a)


def _ask(answer: Collection, gold: Collection) -> Comparison:
    return _question(gold.text(), [answer.text()])


def _question(gold: str, values: list[str]) -> Comparison:
    """Ask algebra, but not about prose, which it would take for a product of letters, nor about
    what repeats the problem.
    """
    for value in values:
        if asks(value) and not asks(gold):
            return Verdict.DIFFERENT
        if any(value.count(sign) != gold.count(sign) for sign in ("'", r"\ldots")):
            return Verdict.DIFFERENT  # the parser would see neither a prime nor what goes on
        bare = re.sub(r"\\text\{[^{}]*\}|\\(?:begin|end)\{[a-z]*\}", " ", value)
        words = {word for word in _WORD.findall(bare) if not factors_of(word)} - _KNOWN_WORDS
        if not re.fullmatch(r"[\x20-\x7e°]+", value) or (words and not _WORD.search(gold)):
            return Verdict.UNPARSABLE
        if _DOUBLE_FACTORIAL.search(value):
            return Verdict.UNPARSABLE
    if any(map(is_too_large, (gold, *values))):
        return Verdict.LIMIT
    return AlgebraQuestion(gold, tuple(values))


def _is_range(collection: Collection) -> bool:
    return bool(collection.opening or _STATEMENT.search(collection.text()))


def _verdict(equal: bool) -> Verdict:
    return Verdict.EQUAL if equal else Verdict.DIFFERENT
