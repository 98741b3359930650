"""Rendering problems into prompts and tokens, with real tokenizers."""

from pathlib import Path

import pandas as pd
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.prompts import encode_prompt, render_prompts, table_to_prompts
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem, Prompt

BOS, EOS, UNKNOWN = 0, 1, 2
CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
STORIES = Path(__file__).resolve().parents[3].parent / "shared" / "models" / "stories260K-hf"


def make_tokenizer(
    *, chat_template: str | None = None, single: str = "<s> $A"
) -> PreTrainedTokenizerFast:
    vocabulary = ["<s>", "</s>", "<unk>", "1", "+", "2", "?", "[", "]", "user", "assistant"]
    tokenizer = Tokenizer(
        WordLevel({token: i for i, token in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.chat_template = chat_template
    return fast


def make_config(**changes: object) -> DataPreparationConfig:
    source = {"kind": "generated_addition", "num_problems": 1}
    values = {
        "train": source,
        "evals": {"sums": source},
        "prompt_template": "embedded",
        "max_prompt_tokens": 100,
        **changes,
    }
    return DataPreparationConfig.model_validate(values)


def make_table(*texts: str) -> pd.DataFrame:
    return problems_to_table(
        Problem(problem_id=f"p{i}", problem=text, answer="3", source="sums", split="eval")
        for i, text in enumerate(texts)
    )


def test_a_plain_prompt_gets_the_tokenizers_special_tokens_once() -> None:
    kept, dropped = render_prompts(make_table("1 + 2"), make_tokenizer(), make_config())
    row = kept.iloc[0]
    assert (row["prompt"], row["has_special_tokens"]) == ("1 + 2?", False)
    assert row["num_prompt_tokens"] == 5
    assert dropped.empty
    tokens = encode_prompt(make_tokenizer(), row["prompt"], has_special_tokens=False)
    assert tokens == [BOS, 3, 4, 5, 6]


def test_a_chat_prompt_has_its_special_tokens_in_the_text_and_gets_no_second_ones() -> None:
    tokenizer = make_tokenizer(chat_template=CHAT)
    kept, _ = render_prompts(make_table("1 + 2"), tokenizer, make_config())
    row = kept.iloc[0]
    assert row["prompt"] == "<s>[user] 1 + 2? [assistant]"
    assert row["has_special_tokens"]
    tokens = encode_prompt(tokenizer, row["prompt"], has_special_tokens=True)
    assert tokens == [BOS, 7, 9, 8, 3, 4, 5, 6, 7, 10, 8]
    assert row["num_prompt_tokens"] == len(tokens)


def test_a_tokenizer_that_ends_every_text_does_not_end_the_prompt() -> None:
    tokenizer = make_tokenizer(single="<s> $A </s>")
    assert encode_prompt(tokenizer, "1 + 2", has_special_tokens=False) == [BOS, 3, 4, 5]


def test_an_end_token_that_the_template_wrote_stays() -> None:
    tokenizer = make_tokenizer()
    assert encode_prompt(tokenizer, "1</s>", has_special_tokens=True) == [3, EOS]


def test_a_chat_template_can_be_switched_off() -> None:
    tokenizer = make_tokenizer(chat_template=CHAT)
    kept, _ = render_prompts(make_table("1+2"), tokenizer, make_config(use_chat_template=False))
    assert kept["prompt"].tolist() == ["1+2?"]


def test_a_missing_chat_template_that_is_asked_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="no chat template; set it to auto"):
        render_prompts(make_table("1+2"), make_tokenizer(), make_config(use_chat_template=True))


@pytest.mark.parametrize("enable_thinking", [True, False])
def test_the_thinking_switch_reaches_templates_that_know_it(enable_thinking: bool) -> None:
    switch = "{{ messages[0].content }} {{ 'on' if enable_thinking else 'off' }}"
    tokenizer = make_tokenizer(chat_template=switch)
    config = make_config(enable_thinking=enable_thinking)
    kept, _ = render_prompts(make_table("1+2"), tokenizer, config)
    assert kept["prompt"].tolist() == ["1+2? on" if enable_thinking else "1+2? off"]


def test_a_template_that_refuses_system_turns_is_named_with_the_remedy() -> None:
    tokenizer = make_tokenizer(chat_template="{{ raise_exception('System role not supported') }}")
    with pytest.raises(ValueError, match=r"'boxed'.*System role not supported.*prompt_template"):
        render_prompts(make_table("1+2"), tokenizer, make_config(prompt_template="boxed"))


def test_prompts_over_the_limit_are_dropped_and_listed() -> None:
    table = make_table("1 + 2", "1 + 2 + 1 + 2", "2")
    kept, dropped = render_prompts(table, make_tokenizer(), make_config(max_prompt_tokens=5))
    assert kept["problem_id"].tolist() == ["p0", "p2"]
    assert dropped.to_dict("records") == [
        {"problem_id": "p1", "set_name": "sums", "reason": "prompt_too_long"}
    ]


def test_a_set_without_any_fitting_prompt_is_an_error() -> None:
    with pytest.raises(ProblemSourceError, match=r"'sums' is left.*'prompt_too_long': 1"):
        render_prompts(make_table("1 + 2"), make_tokenizer(), make_config(max_prompt_tokens=2))


def test_a_tokenizer_that_does_not_know_the_text_is_an_error_that_says_so() -> None:
    tokenizer = Tokenizer(WordLevel({"<s>": 0, "1": 1}))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<s>")
    with pytest.raises(ValueError, match="cannot encode the prompts, the first is 'Hello"):
        render_prompts(make_table("Hello"), fast, make_config())


def test_table_to_prompts_keeps_the_order_and_each_rows_own_rule() -> None:
    table = make_table("1", "2", "1").assign(
        prompt=["1", "<s>2", "+"], has_special_tokens=[False, True, False]
    )
    table.index = pd.Index([5, 5, 9])
    assert table_to_prompts(table, make_tokenizer()) == [
        Prompt(problem_id="p0", token_ids=(BOS, 3), answer="3", problem="1"),
        Prompt(problem_id="p1", token_ids=(BOS, 5), answer="3", problem="2"),
        Prompt(problem_id="p2", token_ids=(BOS, 4), answer="3", problem="1"),
    ]


TURNS = ({"role": "user", "content": "1"}, {"role": "assistant", "content": "2"})


def make_chat(*contents: str) -> pd.DataFrame:
    return problems_to_table(
        Problem(
            problem_id=f"sums/{i}",
            problem=content,
            answer=None,
            source="sums",
            split="eval",
            metadata={"level": i},
            turns=(*TURNS, {"role": "user", "content": content}),
        )
        for i, content in enumerate(contents)
    )


@pytest.mark.parametrize("template", ["boxed", {"user": "{problem}", "assistant": "Answer:"}])
def test_chat_turns_go_through_the_chat_template_as_they_are(template: object) -> None:
    tokenizer = make_tokenizer(chat_template=CHAT)
    config = make_config(prompt_template=template)
    kept, _ = render_prompts(make_chat("1+2"), tokenizer, config)
    assert kept["prompt"].tolist() == ["<s>[user] 1 [assistant] 2 [user] 1+2 [assistant]"]
    (prompt,) = table_to_prompts(kept, tokenizer)
    assert (prompt.answer, prompt.problem, prompt.metadata) == (None, "1+2", {"level": 0})


def test_chat_turns_without_a_chat_template_are_an_error_with_file_and_problem() -> None:
    with pytest.raises(ValueError, match=r"generated_addition, problem 'sums/0': .* no chat templ"):
        render_prompts(make_chat("1"), make_tokenizer(), make_config())
    tokenizer = make_tokenizer(chat_template=CHAT)
    with pytest.raises(ValueError, match=r"'sums/0': .*use_chat_template is false; set it to auto"):
        render_prompts(make_chat("1"), tokenizer, make_config(use_chat_template=False))


def test_chat_turns_that_the_template_refuses_are_an_error_with_file_and_problem() -> None:
    refusing = "{% if messages[-1]['content'] == '2' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer = make_tokenizer(chat_template=refusing + CHAT)
    message = (
        r"'sums/1': .* cannot take the chat of roles \['user', 'assistant', 'user'\]: it .* no"
    )
    with pytest.raises(ValueError, match=message):
        render_prompts(make_chat("1", "2"), tokenizer, make_config())


def test_a_template_of_the_users_own_begins_the_answer_after_the_chat_template() -> None:
    config = make_config(prompt_template={"system": "s", "user": "{problem}!", "assistant": "A:"})
    kept, _ = render_prompts(make_table("1"), make_tokenizer(chat_template=CHAT), config)
    assert kept["prompt"].tolist() == ["<s>[system] s [user] 1! [assistant]A:"]
    kept, _ = render_prompts(make_table("1"), make_tokenizer(), config)
    assert kept["prompt"].tolist() == ["s\n\n1!\n\nA:"]


def test_a_real_llama_tokenizer_begins_a_prompt_once_and_does_not_end_it() -> None:
    if not STORIES.is_dir():
        pytest.skip(f"no model folder at {STORIES}")
    tokenizer = AutoTokenizer.from_pretrained(STORIES)
    config = make_config(prompt_template="boxed", max_prompt_tokens=400)
    kept, _ = render_prompts(make_table("What is $2+2$?"), tokenizer, config)
    (prompt,) = table_to_prompts(kept, tokenizer)
    assert prompt.token_ids[0] == tokenizer.bos_token_id
    assert prompt.token_ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.eos_token_id not in prompt.token_ids
    assert len(prompt.token_ids) == kept["num_prompt_tokens"].item()
    text = tokenizer.decode(prompt.token_ids, skip_special_tokens=True)
    assert text.strip() == kept["prompt"].item()
