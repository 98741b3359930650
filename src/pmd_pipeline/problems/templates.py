"""Named prompt templates, and the answer convention that each of them asks for."""

from typing import Literal

from pmd_pipeline.config.data_preparation import ANSWER_CONVENTIONS, PromptTemplate

AnswerConvention = Literal["answer_line", "boxed"]

DAPO_PREFIX = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
DAPO_SUFFIX = '\n\nRemember to put your answer on its own line after "Answer:".'
BOXED_INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."


def answer_convention(template: PromptTemplate) -> AnswerConvention:
    """Return how a response under this template gives its answer, as the grader names it."""
    return ANSWER_CONVENTIONS[template]


def plain_prompt(template: PromptTemplate, problem: str) -> str:
    """Return the prompt for a policy without chat template, special tokens left out.

    Concatenation, not ``str.format``: problems are full of braces.
    """
    if template == "dapo":
        return f"{DAPO_PREFIX}{problem}{DAPO_SUFFIX}"
    if template == "boxed":
        return f"{BOXED_INSTRUCTION}\n\n{problem}"
    return f"{problem}?"


def chat_messages(template: PromptTemplate, problem: str) -> list[dict[str, str]]:
    """Return the conversation for a chat template: one user turn.

    Under ``boxed`` the instruction is a system turn before it.
    """
    if template == "boxed":
        return [
            {"role": "system", "content": BOXED_INSTRUCTION},
            {"role": "user", "content": problem},
        ]
    return [{"role": "user", "content": plain_prompt(template, problem)}]


def strip_dapo_template(text: str) -> str:
    """Return the raw problem of a DAPO prompt; a text without the whole template stays as it is."""
    if text.startswith(DAPO_PREFIX) and text.endswith(DAPO_SUFFIX):
        return text[len(DAPO_PREFIX) : -len(DAPO_SUFFIX)]
    return text
