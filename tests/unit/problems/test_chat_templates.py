"""Nothing that a prompt needs is lost in a chat template, and no prompt depends on the day."""

from datetime import date

import pandas as pd
import pytest
from helpers import PROJECT
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.config.prompt_templates import BOXED_INSTRUCTION
from pmd_pipeline.policies.turns import end_of_turn_token_id
from pmd_pipeline.problems.chat_templates import ChatTemplate, ChatTemplateError
from pmd_pipeline.problems.prompts import render_prompts
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem

TEMPLATES = PROJECT / "tests" / "fixtures" / "chat_templates"
TODAY = date(2024, 7, 26)
PROBLEM = "How many of the numbers\n  1, 2, ..., 7 are {even}?"
FOLDED = f"{BOXED_INSTRUCTION}\n\n{PROBLEM}"
SPECIAL = ["<|end|>", "<end_of_turn>", "<|eot_id|>", "<end_of_utterance>", "<|im_end|>", "</s>"]
LLAMA = (
    "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: {day}\n\n{system}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{user}"
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)


def make_tokenizer(template: str) -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({"<unk>": 0, "<s>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=SPECIAL[:-1],
    )
    tokenizer.chat_template = (TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
    return tokenizer


def prompt_of(template: str, **changes: object) -> str:
    """Return the prompt that data preparation makes of the problem."""
    source = {"kind": "generated_addition", "num_problems": 1}
    config = DataPreparationConfig.model_validate(
        {
            "train": source,
            "evals": {"sums": source},
            "prompt_template": "boxed",
            "max_prompt_tokens": 1000,
            **changes,
        }
    )
    problem = Problem(problem_id="sums/0", problem=PROBLEM, answer="3", source="sums", split="eval")
    table: pd.DataFrame = problems_to_table([problem])
    kept, _ = render_prompts(table, make_tokenizer(template), config)
    return str(kept["prompt"].item())


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "chatml",
            f"<|im_start|>system\n{BOXED_INSTRUCTION}<|im_end|>\n<|im_start|>user\n{PROBLEM}"
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
        ("drops_system", f"<s><|user|>\n{FOLDED}<|end|>\n<|assistant|>\n"),
        (
            "refuses_system",
            f"<s><start_of_turn>user\n{FOLDED}<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            "writes_the_date",
            LLAMA.format(day="26 Jul 2024", system=BOXED_INSTRUCTION, user=PROBLEM),
        ),
        ("folds_system", f"<s>[INST] {FOLDED}[/INST]"),
        (
            "takes_parts",
            f"<|im_start|>System: {BOXED_INSTRUCTION}<end_of_utterance>\nUser: {PROBLEM}"
            "<end_of_utterance>\nAssistant:",
        ),
        ("takes_parts_drops_system", f"[user]{FOLDED}[/]"),
    ],
)
def test_every_prompt_holds_problem_and_instruction(template: str, expected: str) -> None:
    """Handed over as the template takes it: as it is, folded into the user's turn, in parts."""
    assert prompt_of(template) == expected


def test_a_prompt_without_a_system_turn_is_left_alone() -> None:
    dapo = prompt_of("refuses_system", prompt_template="plain")
    assert dapo == f"<s><start_of_turn>user\n{PROBLEM}<end_of_turn>\n<start_of_turn>model\n"


def test_the_date_is_the_configured_one_and_never_todays() -> None:
    prompt = prompt_of("writes_the_date", prompt_template="plain", prompt_date="1999-12-31")
    assert prompt == LLAMA.format(day="31 Dec 1999", system="", user=PROBLEM)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("loses_the_problem", "it leaves out the turns of system, user"),
        ("shortens", "it changes or leaves out what the system turn says: 'Please reason step"),
    ],
)
def test_a_template_that_loses_either_is_refused_by_name(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match="generated_addition, problem 'sums/0': the tok") as caught:
        prompt_of(template)
    message = str(caught.value)
    assert f"cannot take the 'boxed' conversation of roles ['system', 'user']: {reason}" in message
    assert "choose another data_preparation.prompt_template, or set use_chat_tem" in message


CHAT = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "<think>easy</think>\n\n2"},
    {"role": "user", "content": " 1 + 2? "},
]


def test_a_longer_chat_keeps_its_turns_and_folds_the_system_turn_into_the_first_users() -> None:
    template = ChatTemplate(make_tokenizer("refuses_system"), today=TODAY)
    assert template.render(CHAT) == (
        "<s><start_of_turn>user\nBe short.\n\n1 + 1?<end_of_turn>\n"
        "<start_of_turn>model\n<think>easy</think>\n\n2<end_of_turn>\n"
        "<start_of_turn>user\n1 + 2?<end_of_turn>\n<start_of_turn>model\n"
    )


def test_a_chat_that_the_template_refuses_in_any_form_is_refused_with_its_reason() -> None:
    template = ChatTemplate(make_tokenizer("refuses_system"), today=TODAY)
    with pytest.raises(ChatTemplateError, match="Conversation roles must alternate"):
        template.render([*CHAT[1:], CHAT[1]])
    with pytest.raises(ChatTemplateError, match="it leaves out the turns of system"):
        ChatTemplate(make_tokenizer("drops_system"), today=TODAY).render([CHAT[1], CHAT[0]])


@pytest.mark.parametrize(
    ("template", "end"),
    [
        ("drops_system", "<|end|>"),
        ("refuses_system", "<end_of_turn>"),
        ("writes_the_date", "<|eot_id|>"),
        ("folds_system", "</s>"),
        ("takes_parts", "<end_of_utterance>"),
        ("loses_the_problem", None),
    ],
)
def test_the_end_of_a_turn_is_found_however_the_template_takes_it(
    template: str, end: str | None
) -> None:
    tokenizer = make_tokenizer(template)
    found = end_of_turn_token_id(tokenizer)
    assert found == (None if end is None else tokenizer.convert_tokens_to_ids(end))
