"""Interactive figures as plotly.js draws them: plain values, made without the library plotly."""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol, Self

# Read as a file: the function of plotly that returns it imports IPython.
_PLOTLY_JS = files("plotly").joinpath("package_data/plotly.min.js")


class _WritesItself(Protocol):
    def to_json(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractiveFigure:
    """A figure in the words of https://plotly.com/javascript/reference.

    Attributes:
        data: Its traces: lists, numbers and texts, as JSON holds them.
        layout: Everything else that it shows.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]

    @classmethod
    def of(cls, figure: _WritesItself) -> Self:
        """Return a figure that a library has drawn with plotly, such as Optuna."""
        return cls.from_json(figure.to_json())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the figure of such a text; what is neither data nor layout is left out.

        Raises:
            ValueError: If the text is no figure.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or not {"data", "layout"} <= content.keys():
            raise ValueError("a figure's JSON has the keys 'data' and 'layout'; these are missing")
        return cls(data=content["data"], layout=content["layout"])

    def to_json(self) -> str:
        """Return the figure as JSON, the same text for the same figure."""
        content = {"data": self.data, "layout": self.layout}
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def with_layout(self, **changes: Any) -> Self:
        """Return the figure with other parts of its layout; those that are None are left out."""
        layout = {**self.layout, **changes}
        kept = {name: part for name, part in layout.items() if part is not None}
        return type(self)(data=self.data, layout=kept)


def script_safe(text: str) -> str:
    """Return JSON that cannot end the script element around it."""
    # HTML ends there at "</" and "<!--" alone, whatever the JSON around it.
    return text.replace("<", "\\u003c")


def plotly_js() -> bytes:
    """Return the script of plotly.js that the package plotly brings along, in UTF-8."""
    return _PLOTLY_JS.read_bytes()
