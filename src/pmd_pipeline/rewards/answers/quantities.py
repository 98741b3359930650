r"""What surrounds a number: ``\$32,\!348``, ``864 \text{ inches}^2``, ``50\%``, ``336^\circ``."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pmd_pipeline.rewards.answers.scales import changes_number, scale_of
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
_GENERIC: Final = frozenset({"unit", "of", "the", "a", "an", "total", "old", "age"})
_AFTER_UNITS: Final = frozenset({"squared", "cubed", "is", "are"})  # 5 apples are left
_AFTER_WORDS: Final = frozenset({"squared", "cubed", "of", "old", "age"})  # never after a number
_PHYSICAL_SYMBOLS: Final = frozenset("NJWVKACFLH")  # \text{ N}; any other letter is a variable
_CURRENCIES: Final = {"\\$": "dollar", "$": "dollar", "€": "euro", "£": "gbp", "¥": "yen"} | {
    "₹": "rupee",
    "usd": "dollar",
    "eur": "euro",
    "gbp": "gbp",
    "inr": "rupee",
    "rs": "rupee",
}

_DEGREES: Final = frozenset({("degree", 1)})

_CURRENCY = re.compile(
    r"(?P<sign>[+-]?)\s*(?:\\text\{\s*)?(?P<symbol>\\?\$|[€£¥₹]|USD|EUR|GBP|INR|Rs(?=\.|\s|[0-9]))\.?\s*\}?\s*(?=[0-9.])"
)
_CURRENCY_AFTER = re.compile(r"\s*(?P<symbol>\\\$|[€£¥₹])$")
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
        unit = rest.unit or frozenset({(_CURRENCIES[currency["symbol"].lower()], 1)})
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
    if not parts or not re.search(r"[0-9}a-z)°]$", rest):
        return Quantity(text)
    scale = _take_scale(parts[0][0], of_one=rest.strip() == "1")
    return Quantity(text) if _says_more(parts) else _with_unit(rest, scale, parts)


def _take_scale(words: list[str], *, of_one: bool) -> Fraction:
    """Take the words off the front that multiply the number: "5 hundred thousand people"."""
    scale = Fraction(1)
    while words and (factor := scale_of(words[0], of_one=of_one)) is not None:
        scale *= factor
        del words[0]
    return scale


def _is_bare_unit(word: str, before: str) -> bool:
    """Tell a unit written without a wrapper from letters that are variables: 5 cm, not 5 xy."""
    is_unit = _singular(word) in _CANONICAL or word in _COMPOUND
    if is_unit or scale_of(word) or word in ("square", "cubic", "sq", "per"):
        return bool(re.search(r"[0-9})\sa-z/]$", before)) and (word != "in" or before.endswith(" "))
    if word in _AFTER_WORDS:
        return bool(re.search(r"[a-zA-Z}]\s+$", before))
    is_noun = len(word) >= 4 and factors_of(word) is None
    return is_noun and bool(re.search(r"[0-9})a-z]\s+$", before))


def _is_letter(words: str) -> bool:
    return len(words) == 1 and words not in _CANONICAL and words not in _PHYSICAL_SYMBOLS


def _says_more(parts: list[tuple[list[str], int]]) -> bool:
    """Tell words that are no unit, and "square" or "per" without one."""
    words = [word for group, _ in parts for word in group]
    if any(scale_of(word) is not None for word in words):
        return True  # parts per million
    if words and (words[0] in _AFTER_UNITS or words[-1] in ("square", "sq", "cubic", "cu", "per")):
        return True
    return any(changes_number(word) and word not in _AFTER_UNITS for word in words)


def _with_unit(rest: str, scale: Fraction, parts: list[tuple[list[str], int]]) -> Quantity:
    unit: dict[str, int] = {}
    power, sign, last = 1, 1, ""
    for words, exponent in parts:
        for word in words:
            name = _singular(word)
            if word in ("per", "/"):
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
