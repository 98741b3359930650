"""Conversations in a tokenizer's chat template, with nothing lost on the way.

Chat templates are programs. Some drop a system turn without a word, some refuse one, some expect a
turn's content in parts and write nothing for a text, some write today's date into every prompt.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Protocol

from pmd_pipeline.problems.turns import Turn

_END_OF_THOUGHT = "</think>"


class ChatTemplateError(ValueError):
    """A chat template cannot take a conversation, or only with a loss; the message says why."""


class ChatTokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    chat_template: Any

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a conversation is handed to a template.

    Attributes:
        folds_system: What a system turn says begins the next user turn.
        in_parts: A content is a list of parts, of which one is the text.
    """

    folds_system: bool
    in_parts: bool

    def of(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Return the conversation in this form."""
        shaped = _folded(turns) if self.folds_system else [dict(turn) for turn in turns]
        if self.in_parts:
            for turn in shaped:
                turn["content"] = [{"type": "text", "text": turn["content"]}]
        return shaped


# The first that loses nothing is taken.
_FORMS = tuple(
    _Form(folds_system=folds_system, in_parts=in_parts)
    for in_parts, folds_system in itertools.product((False, True), repeat=2)
)


class ChatTemplate:
    """A tokenizer's chat template.

    Args:
        tokenizer: It has one.
        today: The date for templates that ask for today's: a prompt must not depend on the day.
        enable_thinking: Passed to templates that know the switch.
    """

    def __init__(
        self, tokenizer: ChatTokenizer, *, today: date, enable_thinking: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._variables: dict[str, Any] = {}
        source = str(tokenizer.chat_template)
        if "enable_thinking" in source:
            self._variables["enable_thinking"] = enable_thinking
        if "strftime_now" in source:
            # Given as a variable, it hides the function of this name that transformers offers.
            self._variables["strftime_now"] = datetime.combine(today, time()).strftime
        self._forms: dict[tuple[Any, ...], _Form] = {}

    def render(self, turns: Sequence[Turn], *, add_generation_prompt: bool = True) -> str:
        """Return a conversation as the template writes it.

        Where the template has no system turns, what one says begins the next user turn; where it
        expects contents in parts, they are given so.

        Args:
            turns: Mappings with role and content, a text.
            add_generation_prompt: Whether the assistant's turn is opened.

        Raises:
            ChatTemplateError: If the template raises, or the text of a turn is not in what it
                writes.
        """
        form = self._form_for(turns)
        text = self._written(form.of(turns), add_generation_prompt=add_generation_prompt)
        for turn in turns:
            if _essence(turn) not in text:
                raise ChatTemplateError(
                    f"it changes or leaves out what the {turn['role']} turn says: "
                    f"{_essence(turn)[:60]!r} is not in {text[:200]!r}"
                )
        return text

    def _form_for(self, turns: Sequence[Turn]) -> _Form:
        """Return the form in which marks in place of the contents all come through."""
        key = tuple((turn["role"], *sorted(turn)) for turn in turns)
        if key not in self._forms:
            self._forms[key] = self._find_form(turns)
        return self._forms[key]

    def _find_form(self, turns: Sequence[Turn]) -> _Form:
        marks = [f"turn number {number} of all" for number in range(len(turns))]
        marked = [{**turn, "content": mark} for turn, mark in zip(turns, marks, strict=True)]
        problems = []
        for form in _FORMS:
            try:
                text = self._written(form.of(marked), add_generation_prompt=True)
            except ChatTemplateError as error:
                problems.append(error)
                continue
            lost = [turn["role"] for turn in marked if turn["content"] not in text]
            if not lost:
                return form
            problems.append(ChatTemplateError(f"it leaves out the turns of {', '.join(lost)}"))
        raise problems[0]

    def _written(self, turns: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        try:
            text = self._tokenizer.apply_chat_template(
                turns,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **self._variables,
            )
        except Exception as error:  # templates may raise what they like
            raise ChatTemplateError(f"it raises {type(error).__name__}: {error}") from error
        return str(text)


def _folded(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the turns without system turns, each of which begins the next user turn."""
    folded: list[dict[str, Any]] = []
    pending: list[str] = []
    for turn in turns:
        if turn["role"] == "system":
            pending.append(turn["content"])
        elif turn["role"] == "user" and pending:
            folded.append({**turn, "content": "\n\n".join([*pending, turn["content"]])})
            pending = []
        else:
            folded.append(dict(turn))
    return folded


def _essence(turn: Mapping[str, Any]) -> str:
    """Return what must come through: many templates trim, and leave out former thoughts."""
    content = str(turn["content"])
    if turn["role"] == "assistant":
        content = content.rpartition(_END_OF_THOUGHT)[2]
    return content.strip()
