"""Problems in the turns of a prompt template."""

from pmd_pipeline.config.prompt_templates import (
    DAPO_PREFIX,
    DAPO_SUFFIX,
    PROBLEM_MARK,
    TemplateName,
    TemplateTurns,
    template_turns,
)


def plain_prompt(template: TemplateName | TemplateTurns, problem: str) -> str:
    """Return the prompt for a policy without chat template, special tokens left out.

    It is the user turn; a system turn comes before it and the beginning of the answer after it,
    where there are such, with empty lines between.
    """
    texts = [turn["content"] for turn in chat_messages(template, problem)]
    beginning = template_turns(template).assistant
    return "\n\n".join([*texts, beginning] if beginning else texts)


def chat_messages(template: TemplateName | TemplateTurns, problem: str) -> list[dict[str, str]]:
    """Return the conversation for a chat template: a system turn where there is one, a user turn.

    The mark is replaced, and nothing is formatted: problems are full of braces.
    """
    turns = template_turns(template)
    user = {"role": "user", "content": turns.user.replace(PROBLEM_MARK, problem)}
    if turns.system is None:
        return [user]
    return [{"role": "system", "content": turns.system}, user]


def strip_dapo_template(text: str) -> str:
    """Return the raw problem of a DAPO prompt; a text without the whole template stays as it is."""
    if text.startswith(DAPO_PREFIX) and text.endswith(DAPO_SUFFIX):
        return text[len(DAPO_PREFIX) : -len(DAPO_SUFFIX)]
    return text
