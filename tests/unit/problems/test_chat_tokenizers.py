"""Prompts as the tokenizers of Qwen2.5, Qwen3 and SmolLM2 themselves make them."""

import json
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from helpers import shared_folder
from real_models import QwenFamily, qwen_tokenizer_folder, smollm2_folder
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerBase

from pmd_pipeline.config.data_preparation import DataPreparationConfig, PromptTemplate
from pmd_pipeline.config.prompt_templates import BOXED_INSTRUCTION, DAPO_PREFIX, DAPO_SUFFIX
from pmd_pipeline.policies.loading import load_tokenizer_folder
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.turns import end_of_turn_token_id
from pmd_pipeline.problems.prompts import render_prompts, table_to_prompts
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem

PROBLEM = "Find $\\frac{12}{4}$."
DAPO = DAPO_PREFIX + PROBLEM + DAPO_SUFFIX
QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
NO_THOUGHT = "<think>\n\n</think>\n\n"

# Ids of <|im_start|>, <|im_end|>, <|endoftext|>, as the models were trained with.
QWEN_IDS = (151644, 151645, 151643)
SMOLLM2_IDS = (1, 2, 0)
families = pytest.mark.parametrize("family", ["qwen2_5", "qwen3"])
all_models = pytest.mark.parametrize("model", ["qwen2_5", "qwen3", "smollm2"])


def turns(*texts: str) -> str:
    """Return turns of system (where there are two) and user, open for the assistant's."""
    roles = ("system", "user")[-len(texts) :]
    closed = (
        f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in zip(roles, texts, strict=True)
    )
    return "".join(closed) + "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("model", "template", "expected"),
    [
        ("qwen2_5", "dapo", turns(QWEN_SYSTEM, DAPO)),
        ("qwen2_5", "boxed", turns(BOXED_INSTRUCTION, PROBLEM)),
        ("qwen3", "dapo", turns(DAPO) + NO_THOUGHT),
        ("qwen3", "boxed", turns(BOXED_INSTRUCTION, PROBLEM) + NO_THOUGHT),
        ("smollm2", "dapo", turns(SMOLLM2_SYSTEM, DAPO)),
        ("smollm2", "boxed", turns(BOXED_INSTRUCTION, PROBLEM)),
    ],
)
def test_the_prompt_is_the_models_own_conversation(
    model: str, template: PromptTemplate, expected: str
) -> None:
    kept = render([PROBLEM], load(model), prompt_template=template)
    assert kept["prompt"].tolist() == [expected]
    assert kept["has_special_tokens"].tolist() == [True]


@pytest.mark.parametrize("template", ["dapo", "boxed"])
def test_qwen3_gets_an_empty_thought_exactly_when_thinking_is_off(template: str) -> None:
    tokenizer = load("qwen3")
    on = render([PROBLEM], tokenizer, prompt_template=template, enable_thinking=True)
    off = render([PROBLEM], tokenizer, prompt_template=template, enable_thinking=False)
    assert "<think>" not in on["prompt"].item()
    assert off["prompt"].item() == on["prompt"].item() + NO_THOUGHT
    (thinks,), (does_not,) = (table_to_prompts(table, tokenizer) for table in (on, off))
    # <think>, a token for two line ends, </think>, the same again.
    assert does_not.token_ids == (*thinks.token_ids, 151667, 271, 151668, 271)


@pytest.mark.parametrize("model", ["qwen2_5", "smollm2"])
@pytest.mark.parametrize("template", ["dapo", "boxed"])
def test_a_template_without_the_switch_gives_one_prompt_for_both_settings(
    model: str, template: str
) -> None:
    tokenizer = load(model)
    prompts = {
        render([PROBLEM], tokenizer, prompt_template=template, enable_thinking=enable_thinking)[
            "prompt"
        ].item()
        for enable_thinking in (True, False)
    }
    assert len(prompts) == 1


@all_models
def test_each_mark_of_a_turn_is_one_token_and_nothing_else_is_special(model: str) -> None:
    tokenizer = load(model)
    start, end, _ = SMOLLM2_IDS if model == "smollm2" else QWEN_IDS
    (prompt,) = table_to_prompts(render([PROBLEM], tokenizer), tokenizer)
    specials = [token for token in prompt.token_ids if token in tokenizer.all_special_ids]
    assert specials == [start, end, start, end, start]
    assert prompt.token_ids[0] == start


@all_models
@pytest.mark.parametrize("template", ["dapo", "boxed"])
def test_real_problems_come_back_from_their_tokens(model: str, template: str) -> None:
    tokenizer = load(model)
    kept = render(real_problems(), tokenizer, prompt_template=template)
    prompts = table_to_prompts(kept, tokenizer)
    assert [len(prompt.token_ids) for prompt in prompts] == kept["num_prompt_tokens"].tolist()
    decoded = tokenizer.batch_decode([list(prompt.token_ids) for prompt in prompts])
    assert decoded == kept["prompt"].tolist()


@families
def test_a_prompt_has_the_tokens_that_the_models_own_file_gives_it(family: QwenFamily) -> None:
    file = Tokenizer.from_file(str(qwen_tokenizer_folder(family) / "tokenizer.json"))
    tokenizer = load(family)
    kept = render(real_problems(), tokenizer)
    expected = [tuple(encoding.ids) for encoding in file.encode_batch(kept["prompt"].tolist())]
    assert [prompt.token_ids for prompt in table_to_prompts(kept, tokenizer)] == expected


@all_models
def test_the_end_of_a_turn_ends_a_response_and_is_no_part_of_its_text(model: str) -> None:
    tokenizer = load(model)
    _, end, end_of_text = SMOLLM2_IDS if model == "smollm2" else QWEN_IDS
    assert end_of_turn_token_id(tokenizer) == end
    assert stop_token_ids(tokenizer, None) == {end}
    # Qwen's generation configuration names both, SmolLM2's the end of a turn.
    assert stop_token_ids(tokenizer, [end, end_of_text]) == {end, end_of_text}
    response = tokenizer("So $\\boxed{3}$.<|im_end|>")["input_ids"]
    assert response[-1] == end
    assert tokenizer.decode(response, skip_special_tokens=True) == "So $\\boxed{3}$."


@families
def test_a_base_models_response_ends_with_its_turn_too(family: QwenFamily) -> None:
    """Base models of this family have the chat template, and another end of sequence."""
    tokenizer = load_tokenizer_folder(qwen_tokenizer_folder(family))
    tokenizer.eos_token = "<|endoftext|>"
    _, end, end_of_text = QWEN_IDS
    assert stop_token_ids(tokenizer, [end_of_text]) == {end, end_of_text}


def test_without_a_chat_template_or_a_special_token_there_is_no_end_of_a_turn() -> None:
    tokenizer = load_tokenizer_folder(qwen_tokenizer_folder("qwen2_5"))
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert end_of_turn_token_id(tokenizer) is None
    tokenizer.chat_template = None
    assert end_of_turn_token_id(tokenizer) is None


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("10 + 345", ["1", "0", "Ġ+", "Ġ", "3", "4", "5"]),
        ("x  12", ["x", "ĠĠ", "1", "2"]),  # GPT-2's rule alone would give Ġ Ġ 1 2
        ("a\n 7", ["a", "ĊĠ", "7"]),  # GPT-2's: Ċ Ġ 7
    ],
)
def test_smollm2_reads_digit_by_digit_as_in_its_training(text: str, tokens: list[str]) -> None:
    tokenizer = load("smollm2")
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == tokens


@cache
def load(model: str) -> PreTrainedTokenizerBase:
    if model == "smollm2":
        return load_tokenizer_folder(smollm2_folder())
    return load_tokenizer_folder(qwen_tokenizer_folder(model))  # type: ignore[arg-type]


def render(
    problems: list[str], tokenizer: PreTrainedTokenizerBase, **changes: object
) -> pd.DataFrame:
    source = {"kind": "generated_addition", "num_problems": 1}
    values = {
        "train": source,
        "evals": {"problems": source},
        "prompt_template": "boxed",
        "max_prompt_tokens": 4096,
        **changes,
    }
    table = problems_to_table(
        Problem(problem_id=f"p{i}", problem=text, answer="3", source="problems", split="eval")
        for i, text in enumerate(problems)
    )
    kept, dropped = render_prompts(table, tokenizer, DataPreparationConfig.model_validate(values))
    assert dropped.empty
    return kept


def real_problems() -> list[str]:
    """Return the problems of AIME 2024 and 2025 and of MATH-500."""
    folder: Path = shared_folder("data")
    names = ("aime2024.jsonl", "aime2025.jsonl", "math500_test.jsonl")
    lines = [line for name in names for line in (folder / name).read_text().splitlines()]
    return [json.loads(line)["problem"] for line in lines]


def stop_token_ids(
    tokenizer: PreTrainedTokenizerBase, eos_token_id: list[int] | None
) -> frozenset[int]:
    """Return the stop tokens of a policy with this tokenizer and generation configuration."""

    class Model:
        generation_config = GenerationConfig(eos_token_id=eos_token_id)

    return Policy(model=Model(), tokenizer=tokenizer).stop_token_ids  # type: ignore[arg-type]
