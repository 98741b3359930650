r"""What surrounds a number: ``\$32,\!348``, ``864 \text{ inches}^2``, ``50\%``, ``336^\circ``."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pmd_pipeline.rewards.answers.words import factors_of

# Spellings of units, the first one canonical; a bare word must be one of them or a plain noun.
_UNIT_SPELLINGS: Final = (
    "mm millimeter millimetre",
    "cm centimeter centimetre",
    "dm decimeter decimetre",
    "m meter metre",
    "km kilometer kilometre",
    "inch inche in",
    "ft foot feet",
    "yd yard",
    "mi mile",
    "mg milligram",
    "g gram gramme gm",
    "kg kilogram kilo",
    "lb pound",
    "oz ounce",
    "ml milliliter millilitre",
    "l liter litre",
    "gal gallon",
    "s sec second",
    "min minute",
    "h hr hour",
    "day",
    "week wk",
    "month",
    "year yr",
    "dollar usd buck",
    "cent",
    "euro eur",
    "gbp",
    "yen",
    "rupee rs inr",
    "degree deg",
    "radian rad",
    "unit",
)
_CANONICAL: Final = {
    spelling: line.split()[0] for line in _UNIT_SPELLINGS for spelling in line.split()
}
_COMPOUND: Final = {
    "mph": (("mi", 1), ("h", -1)),
    "kph": (("km", 1), ("h", -1)),
    "kmh": (("km", 1), ("h", -1)),
}
_MEASURES: Final = frozenset(_CANONICAL.values()) - {"unit"}
_SCALES: Final = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
# After a number these are no units: they change what is said, or are mathematics.
_WORDS_OF_LOGIC: Final = (
    "or and nor not no none more less fewer greater least most about over under above below "
    "plus minus times divided mod modulo remainder rem to from between if when where for else "
    "factorial squared cubed root half halves third quarter double twice base into infinity inf "
    "infinite undefined alpha beta gamma delta theta lambda sigma omega sqrt frac sinh cosh tanh "
    "through until except only with is are be than approximately roughly either neither both "
    "but then pi any all"
)
_NOT_UNITS: Final = frozenset(_WORDS_OF_LOGIC.split())
_GENERIC: Final = frozenset({"unit", "of", "the", "a", "an", "total", "old", "age"})
_AFTER_WORDS: Final = frozenset({"squared", "cubed", "of", "old", "age"})  # never after a number
_PHYSICAL_SYMBOLS: Final = frozenset("NJWVKACFLH")  # \text{ N}; any other letter is a variable
_CURRENCIES: Final = {"\\$": "dollar", "$": "dollar", "€": "euro", "£": "gbp", "¥": "yen"}

_DEGREES: Final = frozenset({("degree", 1)})

_CURRENCY = re.compile(r"(?P<sign>[+-]?)\s*(?P<symbol>\\?\$|€|£|¥)\s*")
_CURRENCY_AFTER = re.compile(r"\s*(?P<symbol>\\\$|€|£|¥)$")
_PERCENT = re.compile(r"\s*(?:\\?%|\\text\{\s*(?:percent|pct)\s*\}|(?:percent|pct))$")
_DEGREE = re.compile(r"\s*°$")
_TEMPERATURE = re.compile(r"\s*°\s*(?:\\text\{\s*(?P<a>[CF])\s*\}|(?P<b>[CF]))$")
_EXPONENT = r"(?:\s*\^\s*\{?\s*(?P<exponent>-?[1-3])\s*\}?)?"
_TEXT_UNIT = re.compile(rf"\s*\\text\{{(?P<words>[^{{}}]*[a-zA-Z][^{{}}]*)\}}{_EXPONENT}$")
_BARE_UNIT = re.compile(rf"(?<![a-zA-Z\\{{])(?P<words>[a-zA-Z]{{2,20}})\.?{_EXPONENT}$")
_JOINER = re.compile(r"\s*(?P<sign>/|\\cdot)\s*$")
_UNIT_SYMBOL = rf"[a-zA-Z]+{_EXPONENT.replace('?P<exponent>', '?:')}"
# 7 m/s, 5 kg/m^3: letters are units where all of them are and a blank parts them from the number.
_BARE_RATIO = re.compile(
    rf"(?<=[0-9)}}])(?P<blank>\s*)(?P<ratio>{_UNIT_SYMBOL}(?:\s*/\s*{_UNIT_SYMBOL})+)$"
)
_MAX_PARTS = 8


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value's text and what was said around it.

    Attributes:
        text: The value, unit and percent sign removed.
        unit: Its unit's words with their exponents, empty when none is given.
        percent: True when a percent sign followed.
        scale: What the words multiply it by: a million for ``5 million``.
    """

    text: str
    unit: frozenset[tuple[str, int]] = frozenset()
    percent: bool = False
    scale: Fraction = Fraction(1)

    def same_unit(self, other: "Quantity") -> bool:
        """Return False when both name a unit and the units differ; one may leave it out."""
        mine, theirs = (_measures(unit) for unit in (self.unit, other.unit))
        if mine and theirs:
            return mine == theirs
        return self.unit <= other.unit or other.unit <= self.unit


def parse_quantity(text: str) -> Quantity:
    """Split normalised ``text`` into a value and its unit, percent sign or currency."""
    currency = _CURRENCY.match(text)
    if currency is not None and currency.end() < len(text):
        rest = _parse_suffix(currency["sign"] + text[currency.end() :])
        unit = rest.unit or frozenset({(_CURRENCIES[currency["symbol"]], 1)})
        return Quantity(rest.text, unit, rest.percent, rest.scale)
    return _parse_suffix(text)


def _parse_suffix(text: str) -> Quantity:
    percent = _PERCENT.search(text)
    if percent is not None and percent.start() > 0:
        return Quantity(text[: percent.start()], percent=True)
    temperature = _TEMPERATURE.search(text)
    if temperature is not None and temperature.start() > 0:
        name = "celsius" if "C" in (temperature["a"], temperature["b"]) else "fahrenheit"
        return Quantity(text[: temperature.start()], frozenset({(name, 1)}))
    currency = _CURRENCY_AFTER.search(text)
    if currency is not None and currency.start() > 0:
        unit = frozenset({(_CURRENCIES[currency["symbol"]], 1)})
        return Quantity(text[: currency.start()], unit)
    degree = _DEGREE.search(text)
    if degree is not None and degree.start() > 0:
        return Quantity(text[: degree.start()], _DEGREES)
    return _strip_words(text)


def in_one_angle_unit(one: Quantity, other: Quantity) -> tuple[Quantity, Quantity]:
    """Turn degrees into radians where the other angle is given in multiples of pi."""
    if one.unit == _DEGREES and not other.unit and r"\pi" in other.text:
        return _radians(one), other
    if other.unit == _DEGREES and not one.unit and r"\pi" in one.text:
        return one, _radians(other)
    return one, other


def _radians(angle: Quantity) -> Quantity:
    return Quantity(rf"\frac{{({angle.text})\pi}}{{180}}")


def _strip_words(text: str) -> Quantity:
    """Take words off the end while they read as units; give up where one of them does not."""
    rest, parts = _wrap_ratio(text), list[tuple[list[str], int]]()
    for _ in range(_MAX_PARTS):
        match = _TEXT_UNIT.search(rest) or _BARE_UNIT.search(rest)
        if match is None:
            break
        bare = match.re is _BARE_UNIT
        words = re.findall(r"[a-z]+|/", match["words"].lower())
        if bare and not _is_bare_unit(words[0], rest[: match.start()]):
            break
        if re.search(r"[^a-zA-Z\s./'()°-]", match["words"]) or _is_letter(match["words"].strip()):
            return Quantity(text)
        parts.insert(0, (words, int(match["exponent"] or 1)))
        rest = rest[: match.start()].rstrip()
        joiner = _JOINER.search(rest)
        if joiner is not None:
            rest = rest[: joiner.start()]
            if joiner["sign"] == "/":
                parts[0][0].insert(0, "per")
    if not parts or not re.search(r"[0-9}a-z)°]$", rest) or _says_more(parts):
        return Quantity(text)
    return _with_unit(rest, parts)


def _is_bare_unit(word: str, before: str) -> bool:
    """Tell a unit written without a wrapper from letters that are variables: 5 cm, not 5 xy."""
    is_unit = _singular(word) in _CANONICAL or word in _COMPOUND
    if is_unit or word in _SCALES or word in ("square", "cubic", "sq", "per"):
        return bool(re.search(r"[0-9})\sa-z/]$", before)) and (word != "in" or before.endswith(" "))
    if word in _AFTER_WORDS:
        return bool(re.search(r"[a-zA-Z}]\s+$", before))
    is_noun = len(word) >= 4 and factors_of(word) is None
    return is_noun and bool(re.search(r"[0-9})a-z]\s+$", before))


def _is_letter(words: str) -> bool:
    return len(words) == 1 and words not in _CANONICAL and words not in _PHYSICAL_SYMBOLS


def _says_more(parts: list[tuple[list[str], int]]) -> bool:
    words = [word for group, _ in parts for word in group]
    return words[0] in _NOT_UNITS or any(
        word in _NOT_UNITS and word not in ("squared", "cubed", "is", "are") for word in words
    )


def _with_unit(rest: str, parts: list[tuple[list[str], int]]) -> Quantity:
    scale = Fraction(1)
    unit: dict[str, int] = {}
    power, sign, last = 1, 1, ""
    for words, exponent in parts:
        for word in words:
            name = _singular(word)
            if not unit and name in _SCALES:
                scale *= _SCALES[name]
            elif word in ("per", "/"):
                sign = -1
            elif word in ("square", "sq", "cubic", "cu"):
                power = 2 if word.startswith("sq") else 3
            elif word in ("squared", "cubed") and last:
                unit[last] = sign * (2 if word == "squared" else 3)
            elif word in _COMPOUND:
                unit.update(_COMPOUND[word])
            elif name not in _GENERIC:
                last = _CANONICAL.get(name, name)
                unit[last], power = sign * power, 1
        if last and exponent != 1:
            unit[last] = sign * exponent
    return Quantity(rest, frozenset(unit.items()), scale=scale)


def _measures(unit: frozenset[tuple[str, int]]) -> frozenset[tuple[str, int]]:
    return frozenset((name, power) for name, power in unit if name in _MEASURES)


def _wrap_ratio(text: str) -> str:
    r"""Write ``7 m/s`` as ``7 \text{m}/\text{s}``."""
    ratio = _BARE_RATIO.search(text)
    if ratio is None:
        return text
    names = re.findall(r"[a-zA-Z]+", ratio["ratio"])
    if not all(_singular(name) in _CANONICAL for name in names):
        return text
    if not ratio["blank"] and len(names[0]) == 1:
        return text
    return text[: ratio.start()] + re.sub(r"([a-zA-Z]+)", r"\\text{\1}", ratio["ratio"])


def _singular(word: str) -> str:
    lowered = word.lower()
    if lowered in _CANONICAL or len(lowered) < 3:
        return lowered
    if lowered.endswith("ies"):
        return lowered[:-3] + "y"
    return lowered.removesuffix("s")
