"""How a conversation's turns end."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pmd_pipeline.problems.chat_templates import ChatTemplate, ChatTemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ANY_DAY = date(2024, 7, 26)
_WORDS = "7"  # any that no template writes by itself after a turn


def end_of_turn_token_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the special token that the chat template puts after an assistant's words.

    A base model's tokenizer may have a chat template and yet name another token as its end of
    sequence (Qwen2.5: ``<|im_end|>`` and ``<|endoftext|>``): a response would go on after its turn.

    Returns:
        None without a chat template, or where its turns end with no special token.
    """
    if not tokenizer.chat_template:
        return None
    conversation = [{"role": "user", "content": _WORDS}, {"role": "assistant", "content": _WORDS}]
    try:
        text = ChatTemplate(tokenizer, today=_ANY_DAY).render(
            conversation, add_generation_prompt=False
        )
    except ChatTemplateError:
        return None
    ending = tokenizer(text.rpartition(_WORDS)[2].lstrip(), add_special_tokens=False)["input_ids"]
    return int(ending[0]) if ending and ending[0] in tokenizer.all_special_ids else None
