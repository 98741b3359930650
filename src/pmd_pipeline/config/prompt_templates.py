"""How a problem becomes the text of a prompt, and the form of answer that the text asks for.

A named template is one of ``NAMED_TEMPLATES``; the user's own one says system and user turn.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.rewards import Convention

PROBLEM_MARK: Final = "{problem}"

TemplateName = Literal["dapo", "boxed", "embedded", "plain"]


class TemplateTurns(StrictModel):
    """A template of the user's own: ``{problem}`` stands for the problem; other braces stay."""

    system: str | None = Field(default=None, description="the system turn, where one is wanted")
    user: str = Field(description="the user turn; holds {problem}")
    assistant: str = Field(
        default="",
        description="how the answer begins: the policy goes on from here, and what it writes after "
        "it is its response",
    )

    @field_validator("user")
    @classmethod
    def _holds_the_problem(cls, user: str) -> str:
        if PROBLEM_MARK not in user:
            raise ValueError(f"must hold {PROBLEM_MARK}, the place of the problem's text")
        return user


DAPO_PREFIX: Final = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
DAPO_SUFFIX: Final = '\n\nRemember to put your answer on its own line after "Answer:".'
BOXED_INSTRUCTION: Final = "Please reason step by step, and put your final answer within \\boxed{}."

NAMED_TEMPLATES: Final[Mapping[TemplateName, TemplateTurns]] = {
    "dapo": TemplateTurns(user=f"{DAPO_PREFIX}{PROBLEM_MARK}{DAPO_SUFFIX}"),
    "boxed": TemplateTurns(system=BOXED_INSTRUCTION, user=PROBLEM_MARK),
    "embedded": TemplateTurns(user=f"{PROBLEM_MARK}?"),
    "plain": TemplateTurns(user=PROBLEM_MARK),
}
# How a response under a template gives its answer, where the template asks for a form; what the
# grader must look for.
ANSWER_CONVENTIONS: Final[Mapping[TemplateName, Convention]] = {
    "dapo": "answer_line",
    "boxed": "boxed",
    "embedded": "boxed",
}


def _tag(template: Any) -> str:
    return "(name)" if isinstance(template, str) else "(turns)"


# The tags are in brackets, so that messages can leave them out: no file holds them.
PromptTemplate = Annotated[
    Annotated[TemplateName, Tag("(name)")] | Annotated[TemplateTurns, Tag("(turns)")],
    Discriminator(_tag),
]


def template_turns(template: TemplateName | TemplateTurns) -> TemplateTurns:
    """Return the turns of a template, named or not."""
    return template if isinstance(template, TemplateTurns) else NAMED_TEMPLATES[template]


def asked_convention(template: TemplateName | TemplateTurns) -> Convention | None:
    """Return the form of answer that a template is known to ask for.

    None under ``plain``, where the problem itself may ask for one, and under a user's own.
    """
    return None if isinstance(template, TemplateTurns) else ANSWER_CONVENTIONS.get(template)
