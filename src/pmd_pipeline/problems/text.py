"""How problem texts and answers are normalised and compared."""

import re
import unicodedata

# Backslash commands whose first letter a careless escape turned into a control character:
# "\frac" into a form feed and "rac", "\text" into a tab and "ext", "\beta" into a backspace.
_BROKEN_ESCAPES = (
    (re.compile("\x0c(?=rac\\b)"), r"\\f"),
    (re.compile("\t(?=(?:ext|frac|imes|heta)\\b)"), r"\\t"),
    (re.compile("\x08(?=(?:eta|inom|egin|oxed|ar)\\b)"), r"\\b"),
)
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_TYPOGRAPHY = re.compile(r"\\(?:left|right|displaystyle)(?![a-z])|\\[,;:! ()\[\]]|[$\s~]")
_FRACTION = re.compile(r"\\[dt]frac(?![a-z])")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\d+|[^\W\d_]+")
_INTEGER = re.compile(r"([+-]?)0*(\d+)")


def normalise_text(text: str) -> str:
    """Return a text as problem tables hold it.

    Unicode NFC; broken escapes mended; runs of blanks become one space, runs of empty lines one
    empty line, line ends ``\\n``; nothing invisible, no blank at either end. Line breaks stay, as
    they can carry meaning.
    """
    text = unicodedata.normalize("NFC", text)
    for broken, mended in _BROKEN_ESCAPES:
        text = broken.sub(mended, text)
    text = _INVISIBLE.sub("", text)
    text = _CONTROL.sub(" ", text)
    text = re.sub(r"\r\n?", "\n", text)
    text = re.sub(r"[^\S\n]+", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def duplicate_key(normalised: str) -> str:
    """Return what two normalised texts share when they differ in white space alone."""
    return " ".join(normalised.split())


def answer_key(answer: str) -> str:
    """Return what equal answers share: integers of any size compare as integers."""
    match = _INTEGER.fullmatch(answer)
    if match is None:
        return duplicate_key(answer)
    sign = "-" if match[1] == "-" and match[2] != "0" else ""
    return f"{sign}{match[2]}"


def copy_key(text: str) -> str:
    """Return what two typesettings of one problem share.

    Case, white space, dollar signs, spacing commands, ``\\left`` / ``\\right`` and the size of
    fractions do not count; operators and punctuation do.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _TYPOGRAPHY.sub("", _FRACTION.sub(r"\\frac", folded))


def words(text: str) -> list[str]:
    """Return words and numbers in order, case-folded; a Chinese character is a word of its own."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
