"""From problems to prompts: templates, chat templates, tokens.

A prompt's text and one flag decide its tokens. A chat template writes the special tokens itself,
so such a prompt is encoded as it is (``has_special_tokens``); a plain prompt gets the special
tokens that its tokenizer puts before any text. No prompt ever ends with the end-of-sequence token.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from pmd_pipeline.config.data_preparation import TRAIN_SET, DataPreparationConfig, origin_of
from pmd_pipeline.config.prompt_templates import template_turns
from pmd_pipeline.problems.chat_templates import ChatTemplate, ChatTemplateError
from pmd_pipeline.problems.tables import dropped_rows, refuse_empty_sets, table_to_problems
from pmd_pipeline.problems.templates import chat_messages, plain_prompt
from pmd_pipeline.problems.turns import Turn
from pmd_pipeline.records import Problem, Prompt

PROMPT_TOO_LONG = "prompt_too_long"


class PromptTokenizer(Protocol):
    """What rendering needs of a transformers tokenizer."""

    chat_template: Any
    eos_token: Any
    eos_token_id: Any

    def __call__(self, text: list[str], *, add_special_tokens: bool) -> Any: ...

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> Any: ...


def render_prompts(
    table: pd.DataFrame, tokenizer: PromptTokenizer, config: DataPreparationConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the problems with their prompts, and the rows dropped because theirs is too long.

    Added columns: ``prompt``, the whole text; ``has_special_tokens``, True when the text holds
    its special tokens already; ``num_prompt_tokens``, special tokens included.

    A problem that is given as chat turns goes through the chat template as it is; the prompt
    template is for the others.

    Raises:
        ValueError: If a chat template is asked for and missing, or cannot take a conversation
            without losing some of it.
        ProblemSourceError: If a set has nothing left.
    """
    rendered = with_prompts(table, tokenizer, config)
    fits = rendered["num_prompt_tokens"] <= config.max_prompt_tokens
    kept = rendered[fits].reset_index(drop=True)
    dropped = dropped_rows(rendered[~fits], PROMPT_TOO_LONG)
    refuse_empty_sets(table, kept, dropped)
    return kept, dropped


def with_prompts(
    table: pd.DataFrame, tokenizer: PromptTokenizer, config: DataPreparationConfig
) -> pd.DataFrame:
    """Return the problems with a tokenizer's prompts, of whatever length, in place of any others.

    Raises:
        ValueError: As `render_prompts`.
    """
    render = PromptRenderer(tokenizer, config)
    prompts = [render(problem) for problem in table_to_problems(table)]
    rendered = table.assign(prompt=pd.Series(prompts, index=table.index, dtype=object))
    rendered["has_special_tokens"] = render.uses_chat
    token_ids = _encode(tokenizer, prompts, has_special_tokens=render.uses_chat)
    rendered["num_prompt_tokens"] = pd.Series(map(len, token_ids), index=table.index, dtype="int64")
    return rendered


class PromptRenderer:
    """Renders problems one by one.

    Attributes:
        uses_chat: Whether prompts go through the tokenizer's chat template.

    Raises:
        ValueError: If a chat template is asked for and missing.
    """

    def __init__(self, tokenizer: PromptTokenizer, config: DataPreparationConfig) -> None:
        self.uses_chat = uses_chat_template(tokenizer, config)
        self._tokenizer = tokenizer
        self._config = config
        self._template = ChatTemplate(
            tokenizer, today=config.prompt_date, enable_thinking=config.enable_thinking
        )

    def __call__(self, problem: Problem) -> str:
        """Return the text of a problem's prompt.

        Raises:
            ValueError: If the chat template cannot take the conversation without losing some of
                it, or the problem is a chat and there is no template.
        """
        config = self._config
        if problem.turns:
            _refuse_turns_without_template(self._tokenizer, config, problem)
            return self._through_chat_template(problem, problem.turns)
        if not self.uses_chat:
            return plain_prompt(config.prompt_template, problem.problem)
        messages = chat_messages(config.prompt_template, problem.problem)
        text = self._through_chat_template(problem, messages)
        return f"{text}{template_turns(config.prompt_template).assistant}"

    def _through_chat_template(self, problem: Problem, messages: Sequence[Turn]) -> str:
        try:
            return self._template.render(messages)
        except ChatTemplateError as error:
            remedy = (
                "change the turns, or choose another policy"
                if problem.turns
                else "choose another data_preparation.prompt_template, or set use_chat_template: "
                "false"
            )
            what = "chat" if problem.turns else f"{self._config.prompt_template!r} conversation"
            raise ValueError(
                f"{_place(self._config, problem)}: the tokenizer's chat template cannot take the "
                f"{what} of roles {[message['role'] for message in messages]}: {error}; {remedy}"
            ) from error


def encode_prompt(
    tokenizer: PromptTokenizer, prompt: str, *, has_special_tokens: bool
) -> list[int]:
    """Return the tokens of one rendered prompt."""
    return _encode(tokenizer, [prompt], has_special_tokens=has_special_tokens)[0]


def table_to_prompts(table: pd.DataFrame, tokenizer: PromptTokenizer) -> list[Prompt]:
    """Return the rows of a prompt table as records that an engine takes."""
    token_ids: dict[int, list[int]] = {}
    for has_special_tokens, rows in table.reset_index(drop=True).groupby("has_special_tokens"):
        encoded = _encode(
            tokenizer, rows["prompt"].tolist(), has_special_tokens=bool(has_special_tokens)
        )
        token_ids.update(zip(rows.index, encoded, strict=True))
    return [
        Prompt(
            problem_id=problem.problem_id,
            token_ids=tuple(token_ids[row]),
            answer=problem.answer,
            problem=problem.problem,
            metadata=problem.metadata,
        )
        for row, problem in enumerate(table_to_problems(table))
    ]


def uses_chat_template(tokenizer: PromptTokenizer, config: DataPreparationConfig) -> bool:
    """Return whether prompts go through the tokenizer's chat template."""
    has_template = bool(tokenizer.chat_template)
    if config.use_chat_template == "auto":
        return has_template
    if config.use_chat_template and not has_template:
        raise ValueError(
            "data_preparation.use_chat_template is true, but the policy's tokenizer has no chat "
            "template; set it to auto or false, or choose an instruction-tuned policy"
        )
    return config.use_chat_template


def _refuse_turns_without_template(
    tokenizer: PromptTokenizer, config: DataPreparationConfig, problem: Problem
) -> None:
    place = _place(config, problem)
    if not tokenizer.chat_template:
        raise ValueError(
            f"{place}: the problem is given as chat turns, but the policy's tokenizer has no chat "
            "template; choose an instruction-tuned policy, or give the problems as text"
        )
    if config.use_chat_template is False:
        raise ValueError(
            f"{place}: the problem is given as chat turns, but "
            "data_preparation.use_chat_template is false; set it to auto, or give the problems as "
            "text"
        )


def _place(config: DataPreparationConfig, problem: Problem) -> str:
    set_name = problem.source if problem.split == "eval" else TRAIN_SET
    return f"{origin_of(config.source_of(set_name))}, problem {problem.problem_id!r}"


def _encode(
    tokenizer: PromptTokenizer, prompts: Sequence[str], *, has_special_tokens: bool
) -> list[list[int]]:
    if not prompts:
        return []  # tokenizers refuse an empty batch
    try:
        batch = tokenizer(list(prompts), add_special_tokens=not has_special_tokens)["input_ids"]
    except Exception as error:  # the tokenizers library raises nothing more precise
        raise ValueError(
            f"the policy's tokenizer cannot encode the prompts, the first is {prompts[0][:60]!r} "
            f"({error}); the embedded policy reads sums of digits alone: choose problems and "
            "policy that fit each other"
        ) from error
    return [
        _without_end(tokenizer, prompt, list(token_ids))
        for prompt, token_ids in zip(prompts, batch, strict=True)
    ]


def _without_end(tokenizer: PromptTokenizer, prompt: str, token_ids: list[int]) -> list[int]:
    """Take off an end-of-sequence token that the tokenizer added: it would end the response."""
    added = token_ids[-1:] == [tokenizer.eos_token_id] and not prompt.endswith(tokenizer.eos_token)
    return token_ids[:-1] if added else token_ids
