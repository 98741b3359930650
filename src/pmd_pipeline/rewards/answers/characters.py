r"""Unicode characters as TeX and ASCII write them: ``2θ`` is ``2\theta``, ``５`` is ``5``."""

import re
import unicodedata
from typing import Final

_GREEK_LETTERS: Final = "αβγδεϵζηθϑικλμνξπρϱσςτυφϕχψωΓΔΘΛΞΠΣΥΦΨΩ"
_GREEK_NAMES: Final = """
alpha beta gamma delta epsilon epsilon zeta eta theta theta iota kappa lambda mu nu xi pi rho rho
sigma sigma tau upsilon phi phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
_COMMANDS: Final = {
    **dict(zip(_GREEK_LETTERS, _GREEK_NAMES.split(), strict=True)),
    "\u00b5": "mu",
    "\u2126": "Omega",
    "\u2206": "Delta",
    "×": "times",
    "✕": "times",
    **dict.fromkeys("·⋅∙", "cdot"),
    "÷": "div",
    "∞": "infty",
    "±": "pm",
    "∓": "mp",
    "≤": "le",
    "⩽": "le",
    "≥": "ge",
    "⩾": "ge",
    "≠": "ne",
    "≈": "approx",
    "∈": "in",
    "∪": "cup",
    "∩": "cap",
    "∅": "emptyset",
    "∖": "setminus",
    "∣": "mid",
    "∨": "vee",
    "∧": "wedge",
    "⋆": "star",
    "★": "star",
    "☆": "star",
    "∗": "ast",
    "⊕": "oplus",
    "⊗": "otimes",
    "⊙": "odot",
    "⊖": "ominus",
    "◇": "diamond",
    "♦": "diamond",
    "♣": "clubsuit",
    "♠": "spadesuit",
    "♥": "heartsuit",
    "∑": "sum",
    "∏": "prod",
    "⌊": "lfloor",
    "⌋": "rfloor",
    "⌈": "lceil",
    "⌉": "rceil",
    "⟨": "langle",
    "⟩": "rangle",
    **dict.fromkeys("∎■◼▪", "blacksquare"),
    **dict.fromkeys("□◻", "square"),
}
_FRACTIONS: Final = {
    "½": (1, 2),
    "⅓": (1, 3),
    "⅔": (2, 3),
    "¼": (1, 4),
    "¾": (3, 4),
    "⅕": (1, 5),
    "⅖": (2, 5),
    "⅗": (3, 5),
    "⅘": (4, 5),
    "⅙": (1, 6),
    "⅚": (5, 6),
    "⅛": (1, 8),
    "⅜": (3, 8),
    "⅝": (5, 8),
    "⅞": (7, 8),
}
# Nothing to see: soft hyphen, zero width, marks of writing direction that turn nothing around.
_INVISIBLE: Final = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2061\u2062\u2063\u2064\ufe0e\ufe0f\ufeff"
)
_MATHEMATICAL: Final = range(0x1D400, 0x1D800)  # letters and digits in other type faces
_CHARACTERS: Final = str.maketrans(
    {
        # Their own character, or the Greek letter that it is a type face of.
        **{chr(code): unicodedata.normalize("NFKC", chr(code)) for code in _MATHEMATICAL},
        **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)},  # full width to ASCII
        **dict.fromkeys("−–﹣‐‑‒", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\u200a\u2002\u2003\u3000\t\r", " "),
        **dict.fromkeys(_INVISIBLE, ""),
        "º": "°",
        "′": "'",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℕ": r"\mathbb{N}",
        **{character: rf"\frac{{{a}}}{{{b}}}" for character, (a, b) in _FRACTIONS.items()},
    }
)
_AS_COMMANDS: Final = str.maketrans({key: rf"\{name} " for key, name in _COMMANDS.items()})
_RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_LOWERED: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_RAISED_RUN: Final = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|⁻?ⁿ")
_LOWERED_RUN: Final = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")


def to_tex(text: str) -> str:
    """Return ``text`` in ASCII where TeX has a spelling; other characters stay as they are."""
    if text.isascii():
        return text.translate(_CHARACTERS)
    text = _RAISED_RUN.sub(lambda run: f"^{{{run.group().translate(_RAISED)}}}", text)
    text = _LOWERED_RUN.sub(lambda run: f"_{{{run.group().translate(_LOWERED)}}}", text)
    return text.translate(_CHARACTERS).translate(_AS_COMMANDS)
