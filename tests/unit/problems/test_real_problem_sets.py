"""The real problem sets: exact counts and memory.

Skipped where the folder ``../shared/data`` beside the repository is absent.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.decontamination import drop_eval_overlaps
from pmd_pipeline.problems.prompts import render_prompts
from pmd_pipeline.problems.sources import load_problems
from pmd_pipeline.problems.templates import plain_prompt

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real problem sets at {DATA}")


class CharacterTokenizer:
    """Stands in for a real tokenizer: one token per character after one special token."""

    chat_template = None
    eos_token = "<eos>"
    eos_token_id = 1

    def __call__(self, text: list[str], *, add_special_tokens: bool) -> dict[str, Any]:
        return {"input_ids": [[0] * (len(t) + add_special_tokens) for t in text]}

    def apply_chat_template(self, conversation: Any, **kwargs: Any) -> str:
        pytest.fail("there is no chat template to apply")


@pytest.fixture(scope="module")
def config() -> DataPreparationConfig:
    return DataPreparationConfig.model_validate(
        {
            "train": {"kind": "dapo", "path": str(DATA / "dapo-math-17k.parquet")},
            "evals": {
                "aime_2024": {"kind": "aime", "path": str(DATA / "aime2024.jsonl")},
                "aime_2025": {"kind": "aime", "path": str(DATA / "aime2025.jsonl")},
                "aime_x32": {"kind": "aime", "path": str(DATA / "dapo_aime-2024_x32.parquet")},
                "math500": {"kind": "math500", "path": str(DATA / "math500_test.jsonl")},
                "gsm8k": {"kind": "gsm8k", "path": str(DATA / "gsm8k_test.jsonl")},
            },
            "prompt_template": "dapo",
            "max_prompt_tokens": 3000,
        }
    )


@pytest.fixture(scope="module")
def raw(config: DataPreparationConfig) -> pd.DataFrame:
    return load_problems(config, seed=0)


@pytest.fixture(scope="module")
def cleaned(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return clean_problems(raw, missing_rows="refuse")


def num_rows(table: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(n) for name, n in table["source"].value_counts().items()}


def test_every_row_of_every_file_is_read(raw: pd.DataFrame) -> None:
    assert num_rows(raw) == {
        "dapo": 17_917,
        "gsm8k": 1_319,
        "aime_x32": 960,
        "math500": 500,
        "aime_2024": 30,
        "aime_2025": 30,
    }
    train = raw[raw["split"] == "train"]
    assert train["problem"].nunique() == 17_398
    assert train["answer"].str.startswith("-").sum() == 366
    assert not train["problem"].str.contains("Solve the following math problem step by").any()
    assert raw["problem_id"].is_unique


def test_duplicates_and_contradictions_are_counted(
    cleaned: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """17,188 texts differ in more than white space; 12 groups (24 rows) contradict themselves."""
    kept, dropped = cleaned
    assert dropped.groupby(["set_name", "reason"]).size().to_dict() == {
        ("train", "conflicting_answers"): 24,
        ("train", "duplicate"): 17_917 - 24 - (17_188 - 12),
        ("aime_x32", "duplicate"): 930,
    }
    assert num_rows(kept) == {
        "dapo": 17_188 - 12,
        "gsm8k": 1_319,
        "math500": 500,
        "aime_2024": 30,
        "aime_2025": 30,
        "aime_x32": 30,
    }


def test_broken_escapes_of_dapo_are_mended(cleaned: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    texts = cleaned[0]["problem"]
    assert texts.str.contains(r"in the form \frac{m}{n}", regex=False).sum() > 500
    assert not texts.str.contains("[\x00-\x09\x0b-\x1f]", regex=True).any()


def test_answers_are_those_of_the_competitions(
    cleaned: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    answers = cleaned[0].set_index("problem_id")["answer"]
    assert answers["aime_2024/2024-I-1"] == "204"
    assert answers["aime_2025/2025-II-5"] == "336"
    aime = answers[answers.index.str.startswith("aime")].astype(int)
    assert aime.between(0, 999).all()
    gsm8k = answers[answers.index.str.startswith("gsm8k")]
    assert gsm8k.str.fullmatch(r"-?\d+(\.\d+)?").all()
    # Both copies of AIME 2024 hold the same problems.
    both = [sorted(aime[aime.index.str.startswith(f"aime_{n}/")]) for n in ("2024", "x32")]
    assert both[0] == both[1]


def test_the_gsm8k_answers_with_commas_lose_them(raw: pd.DataFrame) -> None:
    text = (DATA / "gsm8k_test.jsonl").read_text(encoding="utf-8")
    finals = [line.rpartition("#### ")[2].removesuffix('"}') for line in text.splitlines()]
    with_commas = [i for i, final in enumerate(finals) if "," in final]
    assert len(with_commas) == 14
    answers = raw.set_index("problem_id")["answer"]
    for i in with_commas:
        assert answers[f"gsm8k/row-{i}"] == finals[i].replace(",", "")


def test_train_problems_that_copy_math500_are_found(
    cleaned: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    kept, overlaps = drop_eval_overlaps(cleaned[0], ngram_words=13, overlap_fraction=0.2)
    assert overlaps.groupby(["eval_set", "rule"]).size().to_dict() == {
        ("math500", "exact"): 7,
        ("math500", "ngram"): 32,
        ("aime_2024", "ngram"): 3,
    }
    assert len(kept) == len(cleaned[0]) - 42


def test_a_planted_copy_of_an_aime_problem_is_found(
    cleaned: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    table = cleaned[0]
    original = table[table["problem_id"] == "aime_2025/2025-I-2"].iloc[0]
    copies = pd.DataFrame(
        [
            ("train/exact", f"  {original['problem'].upper()} ", "588", "dapo", "train", "{}", ""),
            (
                "train/wrapped",
                f"Hard one: {original['problem']} Good luck!",
                "588",
                "dapo",
                "train",
                "{}",
                "",
            ),
            ("train/half", original["problem"][:300], "588", "dapo", "train", "{}", ""),
        ],
        columns=table.columns,
    )
    _, overlaps = drop_eval_overlaps(
        pd.concat([table, copies], ignore_index=True), ngram_words=13, overlap_fraction=0.2
    )
    found = overlaps.set_index("problem_id")
    assert found.loc[copies["problem_id"], "eval_problem_id"].tolist() == ["aime_2025/2025-I-2"] * 3
    assert found.loc[copies["problem_id"], "rule"].tolist() == ["exact", "ngram", "ngram"]


def test_rendering_wraps_the_raw_problem_again(
    cleaned: tuple[pd.DataFrame, pd.DataFrame], config: DataPreparationConfig
) -> None:
    kept, dropped = render_prompts(cleaned[0], CharacterTokenizer(), config)
    assert (kept["prompt"] == [plain_prompt("dapo", text) for text in kept["problem"]]).all()
    assert (kept["num_prompt_tokens"] == kept["prompt"].str.len() + 1).all()
    assert len(kept) + len(dropped) == len(cleaned[0])
    assert 0 < len(dropped) < 20


MEASURED_RUN = """
import resource, sys
from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.problems.cleaning import clean_problems
from pmd_pipeline.problems.decontamination import drop_eval_overlaps
from pmd_pipeline.problems.sources import load_problems

config = DataPreparationConfig.model_validate_json(sys.stdin.read())
clean, _ = clean_problems(load_problems(config, seed=0), missing_rows="drop")
drop_eval_overlaps(clean, ngram_words=13, overlap_fraction=0.2)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak // 1024 if sys.platform == "darwin" else peak)
"""


def test_everything_takes_at_most_two_gibibytes(config: DataPreparationConfig) -> None:
    """A process of its own, so that its peak memory is that of this work alone."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED_RUN],
        input=config.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 2 * 2**20  # KiB
