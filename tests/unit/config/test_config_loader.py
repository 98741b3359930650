"""A section of another kind takes the base's place; of the same kind, it is laid over it."""

from pathlib import Path
from typing import Any

import pytest

from pmd_pipeline.config_loader import ConfigurationError, VariantConfigLoader

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


def loader_of(conf: Path, env: str | None = None) -> VariantConfigLoader:
    return VariantConfigLoader(str(conf), env, base_env="base", default_run_env="local")


def test_an_unknown_environment_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    for folder in ("base", "smoke", "local", ".hidden"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ConfigurationError, match=r"no environment 'smke'; .* has: base, local, sm"):
        loader_of(tmp_path, "smke")


def test_a_configuration_without_its_base_is_named(tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    with pytest.raises(ConfigurationError, match=f"no folder 'base' in {tmp_path}"):
        loader_of(tmp_path, "smoke")


@pytest.mark.parametrize("env", [None, "local"])
def test_without_the_default_environment_the_base_stands_alone(
    env: str | None, tmp_path: Path
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "globals.yml").write_text("data_root: data")
    (tmp_path / "base" / "catalog.yml").write_text("a: {path: '${globals:data_root}/a'}")
    loader = loader_of(tmp_path, env)
    assert loader["globals"] == {"data_root": "data"}
    assert loader["catalog"] == {"a": {"path": "data/a"}}


def test_credentials_of_the_default_environment_hold_for_every_other(tmp_path: Path) -> None:
    for env, text in {"base": "a: 1\nb: 1", "local": "b: 2\nc: 2", "mine": "c: 3\nd: 3"}.items():
        (tmp_path / env).mkdir()
        (tmp_path / env / "credentials.yml").write_text(text)
    assert loader_of(tmp_path, "mine")["credentials"] == {"a": 1, "b": 2, "c": 3, "d": 3}
    assert loader_of(tmp_path)["credentials"] == {"a": 1, "b": 2, "c": 2}


@pytest.mark.parametrize("name", ["a?b", "a[x]b", "a*b"])
def test_a_folders_name_is_no_search_pattern(name: str, tmp_path: Path) -> None:
    for folder in (name, "axb"):
        for file in ("catalog.yml", "catalog/more/deep.yaml", "under/catalog_2.json"):
            path = tmp_path / folder / "conf" / "base" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{{"{path.stem}": {{"of": "{folder}"}}}}')
    catalog = loader_of(tmp_path / name / "conf")["catalog"]
    assert catalog == {entry: {"of": name} for entry in ("catalog", "deep", "catalog_2")}


@pytest.mark.parametrize(
    ("env", "own", "expected"),
    [
        ("base", None, "data"),
        ("local", None, "data"),
        (None, None, "data"),
        ("mine", None, "data/mine"),
        ("mine", "keep_optimizer_states: last", "data/mine"),
        ("mine", "data_root: elsewhere", "elsewhere"),
        ("local", "data_root: elsewhere", "elsewhere"),
    ],
)
def test_each_environment_but_the_base_has_a_data_folder_of_its_own(
    tmp_path: Path, env: str | None, own: str | None, expected: str
) -> None:
    for name in ("base", "local", "mine"):
        (tmp_path / name).mkdir()
    (tmp_path / "base" / "globals.yml").write_text("data_root: data\nkeep_optimizer_states: all")
    (tmp_path / "base" / "catalog.yml").write_text("t: {filepath: '${globals:data_root}/t.csv'}")
    if own is not None:
        (tmp_path / (env or "local") / "globals.yml").write_text(own)
    loader = loader_of(tmp_path, env)
    assert loader["globals"]["data_root"] == expected
    assert loader["catalog"]["t"]["filepath"] == f"{expected}/t.csv"
