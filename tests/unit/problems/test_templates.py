"""Prompt templates."""

import pytest

from pmd_pipeline.problems.templates import (
    answer_convention,
    chat_messages,
    plain_prompt,
    strip_dapo_template,
)

BRACES = r"Find \frac{m}{n} in {braces}."


def test_the_dapo_prompt_is_the_published_text() -> None:
    assert plain_prompt("dapo", BRACES) == (
        "Solve the following math problem step by step. The last line of your response should be "
        "of the form Answer: $Answer (without quotes) where $Answer is the answer to the problem."
        "\n\nFind \\frac{m}{n} in {braces}.\n\n"
        'Remember to put your answer on its own line after "Answer:".'
    )


def test_the_boxed_prompt_carries_its_instruction_as_system_turn() -> None:
    instruction = "Please reason step by step, and put your final answer within \\boxed{}."
    assert plain_prompt("boxed", BRACES) == f"{instruction}\n\n{BRACES}"
    assert chat_messages("boxed", BRACES) == [
        {"role": "system", "content": instruction},
        {"role": "user", "content": BRACES},
    ]


def test_the_embedded_prompt_ends_in_a_question_mark() -> None:
    assert plain_prompt("embedded", "274+089") == "274+089?"
    assert chat_messages("embedded", "1+2") == [{"role": "user", "content": "1+2?"}]


@pytest.mark.parametrize(
    ("template", "convention"), [("dapo", "answer_line"), ("boxed", "boxed"), ("embedded", "boxed")]
)
def test_the_template_decides_how_answers_are_given(template: str, convention: str) -> None:
    assert answer_convention(template) == convention


def test_stripping_the_dapo_template_undoes_it_and_leaves_other_texts_alone() -> None:
    wrapped = plain_prompt("dapo", BRACES)
    assert strip_dapo_template(wrapped) == BRACES
    assert strip_dapo_template(BRACES) == BRACES
    assert strip_dapo_template(wrapped[:-1]) == wrapped[:-1]
