"""Problems that are given as the turns of a chat, ``[{role: ..., content: ...}]``.

The turns go through the policy's chat template as they are. What a person would call the problem
is the last user turn: in most data the turns before it are instructions or worked examples.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pmd_pipeline.problems.metadata import json_value

Turn = Mapping[str, Any]
NO_TURNS: Final = ""


class BadTurnsError(ValueError):
    """A value is no chat that a policy could answer; the message says why."""


def check_turns(value: Sequence[Any]) -> list[dict[str, Any]]:
    """Return turns without their empty entries, which parquet files add.

    Raises:
        BadTurnsError: If a turn lacks role or text, no user turn is among them, or the last one is
            the assistant's.
    """
    turns = []
    for number, turn in enumerate(value):
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            raise BadTurnsError(
                f"turn {number} must be {{role: ..., content: ...}}, found {turn!r}"
            )
        if not isinstance(turn.get("content"), str):
            found = repr(turn.get("content"))[:60]
            raise BadTurnsError(
                f"the content of turn {number} must be text, found {found}; "
                "pictures and other parts are not read"
            )
        turns.append({key: json_value(entry) for key, entry in turn.items() if entry is not None})
    if not any(turn["role"] == "user" for turn in turns):
        raise BadTurnsError(f"no turn is the user's; the roles are {_roles(turns)}")
    if turns[-1]["role"] == "assistant":
        raise BadTurnsError(
            f"the last turn is the assistant's, but the policy is to write it; the roles are "
            f"{_roles(turns)}"
        )
    return turns


def last_user_text(turns: Sequence[Turn]) -> str:
    """Return what the last user turn says."""
    return next(str(turn["content"]) for turn in reversed(turns) if turn["role"] == "user")


def turns_to_text(turns: Sequence[Turn]) -> str:
    """Return turns as the column ``turns`` holds them: JSON, an empty text for none."""
    if not turns:
        return NO_TURNS
    return json.dumps(list(turns), ensure_ascii=False, separators=(",", ":"))


def text_to_turns(text: str) -> tuple[Turn, ...]:
    """Return what ``turns_to_text`` was given."""
    return tuple(json.loads(text)) if text else ()


def whole_text(problem: str, turns: str) -> str:
    """Return what makes two problems the same: the problem, or where it has earlier turns, all.

    System turns do not count: they say how to answer, not what.
    """
    if not turns:
        return problem
    spoken = [turn for turn in text_to_turns(turns) if turn["role"] != "system"]
    if len(spoken) == 1:
        return problem
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in spoken)


def _roles(turns: Sequence[Turn]) -> list[str]:
    return [turn["role"] for turn in turns]
