"""What a server's answer says."""

from typing import Any

import pytest

from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.endpoints.requests import read_reply


def answer(choice: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [choice], "usage": {"completion_tokens": 7}, **fields}


def test_a_completion_that_the_limit_ended_is_truncated() -> None:
    reply = read_reply(answer({"text": " 4", "finish_reason": "length"}))
    assert (reply.response, reply.truncated, reply.num_tokens) == (" 4", True, 7)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_models_thoughts_stay_in_the_response_as_it_has_written_them(field: str) -> None:
    message = {"content": "\\boxed{4}", field: "2 and 2"}
    reply = read_reply(answer({"message": message, "finish_reason": "stop"}))
    assert reply.response == "<think>\n2 and 2\n</think>\n\n\\boxed{4}"
    assert not reply.truncated


def test_a_response_without_any_text_is_empty() -> None:
    assert read_reply(answer({"message": {"content": None}})).response == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"choices": []}, "has no choices"),
        ({"choices": [{"finish_reason": "stop"}]}, "has no text"),
        ({"usage": None}, r"no usage\.completion_tokens"),
    ],
)
def test_an_answer_in_another_form_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(EndpointError, match=message):
        read_reply({**answer({"text": "4"}), **wrong})
