"""Prompt templates."""

from typing import Any

import pytest

from pmd_pipeline.config.prompt_templates import TemplateTurns, asked_convention
from pmd_pipeline.problems.templates import (
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


def test_under_plain_the_problem_is_the_prompt() -> None:
    assert plain_prompt("plain", BRACES) == BRACES
    assert chat_messages("plain", BRACES) == [{"role": "user", "content": BRACES}]


def test_a_template_of_the_users_own_has_its_problem_put_in_literally() -> None:
    template = TemplateTurns(system="Use {braces}.", user="Q: {problem}\nAgain: {problem} {x}")
    user = f"Q: {BRACES}\nAgain: {BRACES} {{x}}"
    assert plain_prompt(template, BRACES) == f"Use {{braces}}.\n\n{user}"
    assert chat_messages(template, BRACES) == [
        {"role": "system", "content": "Use {braces}."},
        {"role": "user", "content": user},
    ]
    assert plain_prompt(TemplateTurns(user="{problem}!"), "1+2") == "1+2!"


def test_a_template_of_the_users_own_must_say_where_the_problem_goes() -> None:
    with pytest.raises(ValueError, match=r"must hold \{problem\}"):
        TemplateTurns(user="solve {the problem}")


@pytest.mark.parametrize(
    ("template", "convention"),
    [
        ("dapo", "answer_line"),
        ("boxed", "boxed"),
        ("embedded", "boxed"),
        ("plain", None),
        (TemplateTurns(user="{problem} \\boxed{}"), None),
    ],
)
def test_the_template_decides_how_answers_are_given(template: Any, convention: str | None) -> None:
    assert asked_convention(template) == convention


def test_stripping_the_dapo_template_undoes_it_and_leaves_other_texts_alone() -> None:
    wrapped = plain_prompt("dapo", BRACES)
    assert strip_dapo_template(wrapped) == BRACES
    assert strip_dapo_template(BRACES) == BRACES
    assert strip_dapo_template(wrapped[:-1]) == wrapped[:-1]


def test_the_beginning_of_the_answer_comes_last() -> None:
    template = TemplateTurns(system="Be brief.", user="{problem}", assistant="Answer:")
    assert plain_prompt(template, "1+2") == "Be brief.\n\n1+2\n\nAnswer:"
    assert chat_messages(template, "1+2") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+2"},
    ]
