"""Problem files come from addresses; results never go there but as copies."""

import json
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from kedro.io import DatasetError

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.datasets.atomic import AtomicCSVDataset
from pmd_pipeline.datasets.problem_files import ProblemFilesDataset
from pmd_pipeline.pipelines.data_preparation.nodes import load_problems
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.sources import first_problem
from pmd_pipeline.problems.sources import load_problems as load_here
from pmd_pipeline.project_folder import data_folder
from pmd_pipeline.remote.errors import RemoteError

TRAIN, EVALUATION = "memory://bucket/train/p.jsonl", "memory://bucket/eval/p.jsonl"


def source(path: str) -> dict[str, object]:
    return {"kind": "table", "path": path, "columns": {"problem": "q", "answer": "a"}}


def config(train: str = TRAIN) -> DataPreparationConfig:
    return DataPreparationConfig.model_validate(
        {
            "train": source(train),
            "evals": {"held_out": source(EVALUATION)},
            "prompt_template": "plain",
            "max_prompt_tokens": 16,
        }
    )


@pytest.fixture(autouse=True)
def _files() -> None:
    MemoryFileSystem.store.clear()
    for address, problem in ((TRAIN, "1+1"), (EVALUATION, "2+2")):
        line = json.dumps({"q": problem, "a": "?"}).encode()
        MemoryFileSystem().pipe_file(address.removeprefix("memory:/"), line)


def test_problems_are_read_from_addresses_each_from_its_own(tmp_path: Path) -> None:
    files = ProblemFilesDataset(path=str(tmp_path / "fetched")).load()
    table = load_problems(config(), 0, files)
    assert table["problem"].tolist() == ["1+1", "2+2"]
    assert len(list((tmp_path / "fetched").iterdir())) == 2


def test_an_address_with_nothing_there_is_named(tmp_path: Path) -> None:
    files = ProblemFilesDataset(path=str(tmp_path)).load()
    with pytest.raises(RemoteError, match=r"memory://bucket/none\.jsonl: there is no such place"):
        load_problems(config("memory://bucket/none.jsonl"), 0, files)


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    # fsspec keeps what an earlier test has imported.
    monkeypatch.delitem(_registry, "s3", raising=False)
    files = ProblemFilesDataset(path=str(tmp_path)).load()
    with pytest.raises(RemoteError, match=r"not installed.*pip install 'pmd_pipeline\[remote\]'"):
        files("s3://bucket/p.jsonl")


def test_what_reads_local_files_alone_says_so() -> None:
    assert first_problem(config(), seed=0) is None
    with pytest.raises(ProblemSourceError, match="is on another machine"):
        load_here(config(), seed=0)


def test_results_and_data_folders_are_local(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="results are written to local folders"):
        AtomicCSVDataset(filepath="s3://bucket/comparison.csv")
    with pytest.raises(ValueError, match=r"set storage\.remote_root"):
        data_folder(tmp_path, "s3://bucket/data")
    assert data_folder(tmp_path, "data/mine") == tmp_path / "data" / "mine"
