"""The section data_preparation of the parameters."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pmd_pipeline.config.data_preparation import (
    AimeSource,
    DapoSource,
    DataPreparationConfig,
    GeneratedAdditionSource,
    Gsm8kSource,
)

ADDITION = {"kind": "generated_addition", "num_problems": 10}
PARAMETERS = Path(__file__).resolve().parents[3] / "conf/base/parameters_data_preparation.yml"


def parse(**changes: Any) -> DataPreparationConfig:
    values: dict[str, Any] = {
        "train": ADDITION,
        "evals": {"addition": ADDITION},
        "prompt_template": "embedded",
        "max_prompt_tokens": 16,
        **changes,
    }
    return DataPreparationConfig.model_validate(values)


def test_the_shipped_parameters_parse() -> None:
    values = yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))
    config = DataPreparationConfig.model_validate(values["data_preparation"])
    assert isinstance(config.train, GeneratedAdditionSource)
    assert config.set_names() == ("train", "addition")


def test_the_kind_decides_the_source() -> None:
    config = parse(
        train={"kind": "dapo", "path": "a.parquet"},
        evals={
            "aime_2024": {"kind": "aime", "path": "a.jsonl", "limit": 5},
            "gsm8k": {"kind": "gsm8k", "hub_name": "openai/gsm8k", "revision": "a" * 40},
        },
    )
    assert isinstance(config.train, DapoSource)
    assert isinstance(config.source_of("aime_2024"), AimeSource)
    gsm8k = config.source_of("gsm8k")
    assert isinstance(gsm8k, Gsm8kSource)
    assert gsm8k.hub_split == "test"


def test_a_null_takes_away_what_a_merged_base_file_gave() -> None:
    config = parse(
        train={"kind": "dapo", "path": "a.parquet", "num_problems": None, "widths": None},
        evals={"addition": None, "aime": {"kind": "aime", "path": "a.jsonl"}},
    )
    assert isinstance(config.train, DapoSource)
    assert config.set_names() == ("train", "aime")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"kind": "dap", "path": "a.parquet"}}, "'generated_addition', .*'dapo'"),
        ({"train": {**ADDITION, "num_problem": 3}}, "num_problem"),
        ({"train": {**ADDITION, "num_problems": 0}}, "greater than or equal to 1"),
        ({"train": {**ADDITION, "widths": []}}, "at least 1"),
        ({"train": {**ADDITION, "widths": [6]}}, "less than or equal to 5"),
        ({"train": {**ADDITION, "difficulty": "harder"}}, "'easy', 'standard' or 'hard'"),
        (
            {"train": {**ADDITION, "difficulty": "easy", "widths": [1]}},
            r"difficulty 'easy' and widths \[1\] both say how long",
        ),
        ({"train": {"kind": "dapo"}}, "exactly one of path"),
        (
            {"train": {"kind": "dapo", "path": "a.parquet", "hub_name": "b/c"}},
            "exactly one of path",
        ),
        ({"train": {"kind": "dapo", "hub_name": "b/c"}}, "needs revision"),
        ({"train": {"kind": "dapo", "hub_name": "b/c", "revision": "main"}}, "revision"),
        ({"train": {"kind": "dapo", "path": "a.parquet", "revision": "a" * 40}}, "remove it"),
        ({"train": {"kind": "dapo", "path": "a.xlsx"}}, r"must end in \.parquet, \.jsonl"),
        ({"train": {"kind": "dapo", "path": "a.parquet.gz"}}, "the last three also with"),
        ({"train": {"kind": "table", "path": "a.csv"}}, "columns"),
        (
            {"train": {"kind": "generated", "import_path": "a.b", "num_problems": 1}},
            "import_path",
        ),
        (
            {
                "train": {
                    "kind": "generated",
                    "import_path": "a:b",
                    "num_problems": 1,
                    "options": {"seed": 1},
                }
            },
            "'seed' is passed anyway",
        ),
        ({"prompt_template": {"user": "solve this"}}, r"must hold \{problem\}"),
        ({"prompt_template": {"usr": "{problem}"}}, "usr"),
        ({"train": {"kind": "dapo", "path": "a.parquet", "limit": 0}}, "limit"),
        ({"evals": {}}, "at least 1"),
        ({"evals": {"addition": None}}, "at least 1"),
        ({"evals": {"train": ADDITION}}, "may not be named 'train'"),
        ({"evals": {"a b": ADDITION}}, "pattern"),
        ({"prompt_template": "qwen"}, "prompt_template"),
        ({"use_chat_template": "sometimes"}, "use_chat_template"),
        ({"max_prompt_tokens": 0}, "max_prompt_tokens"),
        ({"decontamination_overlap_fraction": 0}, "decontamination_overlap_fraction"),
        ({"decontamination_ngram_words": 3}, "decontamination_ngram_words"),
        ({"max_promt_tokens": 3}, "max_promt_tokens"),
    ],
)
def test_bad_values_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(**changes)
