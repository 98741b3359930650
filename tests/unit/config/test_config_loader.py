"""A section of another kind takes the base's place; of the same kind, it is laid over it."""

from pathlib import Path
from typing import Any

import pytest

from pmd_pipeline.config_loader import VariantConfigLoader

BASE = """
rewards: {kind: math, convention: boxed, num_workers: 2}
data_preparation:
  train: {kind: generated_addition, num_problems: 1024}
  evals:
    addition: {kind: generated_addition, num_problems: 128}
studies: {a: {sampler: {kind: tpe, seed: 1}}}
"""


def parameters_with(folder: Path, own: str, **runtime_params: Any) -> Any:
    for env, text in {"base": BASE, "mine": own}.items():
        (folder / env).mkdir()
        (folder / env / "parameters.yml").write_text(text)
    loader = VariantConfigLoader(
        str(folder),
        base_env="base",
        default_run_env="local",
        env="mine",
        merge_strategy={"parameters": "soft"},
        runtime_params=runtime_params,
    )
    return loader["parameters"]


def test_another_kind_replaces_the_whole_section(tmp_path: Path) -> None:
    own = "rewards: {kind: import, import_path: 'a:b'}"
    parameters = parameters_with(tmp_path, own)
    assert parameters["rewards"] == {"kind": "import", "import_path": "a:b"}
    assert parameters["data_preparation"]["train"]["num_problems"] == 1024


@pytest.mark.parametrize(
    "own", ["rewards: {num_workers: 4}", "rewards: {kind: math, num_workers: 4}"]
)
def test_the_same_kind_is_laid_over_key_by_key(tmp_path: Path, own: str) -> None:
    parameters = parameters_with(tmp_path, own)
    assert parameters["rewards"] == {"kind": "math", "convention": "boxed", "num_workers": 4}


def test_sections_within_sections_too(tmp_path: Path) -> None:
    own = """
    data_preparation:
      train: {kind: table, path: mine.jsonl}
      evals:
        addition: null
        held_out: {kind: table, path: held_out.jsonl}
    studies: {a: {sampler: {kind: grid}}}
    """
    parameters = parameters_with(tmp_path, own)
    assert parameters["data_preparation"] == {
        "train": {"kind": "table", "path": "mine.jsonl"},
        "evals": {"addition": None, "held_out": {"kind": "table", "path": "held_out.jsonl"}},
    }
    assert parameters["studies"]["a"]["sampler"] == {"kind": "grid"}


def test_parameters_of_the_command_line_are_laid_over_either(tmp_path: Path) -> None:
    own = "rewards: {kind: import, import_path: 'a:b'}"
    parameters = parameters_with(tmp_path, own, rewards={"on_error": "incorrect"})
    assert parameters["rewards"] == {
        "kind": "import",
        "import_path": "a:b",
        "on_error": "incorrect",
    }
