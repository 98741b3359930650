"""Catalog entries: atomic files, round tables, policies by reference, figures."""

from inspect import signature
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from kedro.io import DatasetError, Version
from matplotlib.figure import Figure

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.datasets.atomic import AtomicCSVDataset, AtomicParquetDataset
from pmd_pipeline.datasets.engines import RolloutEngineDataset
from pmd_pipeline.datasets.figures import FiguresDataset, InteractiveFigureDataset
from pmd_pipeline.datasets.policies import (
    PolicyDataset,
    ResumePointsDataset,
    TokenizerDataset,
    TrainingStateDataset,
)
from pmd_pipeline.datasets.rounds import RoundTablesDataset
from pmd_pipeline.datasets.tables import TablesDataset
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.files import whole_file
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import TrainingState
from pmd_pipeline.policies.storage import CheckpointError
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure

TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def test_a_saved_table_is_loaded_and_cleared(tmp_path: Path) -> None:
    dataset = AtomicCSVDataset(filepath=str(tmp_path / "t.csv"), save_args={"index": False})
    assert not dataset.exists()
    dataset.save(TABLE)
    pd.testing.assert_frame_equal(dataset.load(), TABLE)
    dataset.clear()
    assert not dataset.exists()
    dataset.clear()


def test_versions_are_history_and_survive_a_clear(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    dataset = AtomicParquetDataset(filepath=path, version=Version(None, "v1"))
    dataset.save(TABLE)
    dataset.clear()
    pd.testing.assert_frame_equal(dataset.load(), TABLE)
    assert [p.name for p in (tmp_path / "t.parquet" / "v1").iterdir()] == ["t.parquet"]


def test_rounds_come_back_in_order_as_one_table(tmp_path: Path) -> None:
    dataset = RoundTablesDataset(path=str(tmp_path / "rounds"))
    assert not dataset.exists()
    dataset.save({"round_00010": pd.DataFrame({"round": [10]})})
    dataset.save({"round_00002": pd.DataFrame({"round": [2]})})
    assert dataset.load()["round"].tolist() == [2, 10]
    dataset.clear()
    assert not dataset.exists()


def test_an_interactive_figure_is_loaded_shown_and_cleared(tmp_path: Path) -> None:
    """kedro-viz knows what it can draw by the name of the type that ``preview`` returns."""
    dataset = InteractiveFigureDataset(filepath=str(tmp_path / "figures" / "f.json"))
    assert not dataset.exists()
    figure = InteractiveFigure(data=[{"y": [1, None, 2.5]}], layout={"title": {"text": "χ²"}})
    dataset.save(figure)
    assert dataset.load() == figure
    assert dataset.preview() == {"data": figure.data, "layout": figure.layout}
    assert signature(dataset.preview).return_annotation.__name__ == "PlotlyPreview"
    assert dataset.files() == [tmp_path / "figures" / "f.json"]
    dataset.clear()
    assert not dataset.exists()
    assert dataset.files() == []


def test_what_is_no_figure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text("[1]")
    with pytest.raises(DatasetError, match="a figure's JSON has the keys 'data' and 'layout'"):
        InteractiveFigureDataset(filepath=str(path)).load()


def state(policy: Policy, round_index: int, *, is_last: bool) -> TrainingState:
    return TrainingState(
        policy=policy,
        optimizer_state=lambda: {"x.step": torch.tensor(float(round_index))},
        round_index=round_index,
        is_last=is_last,
    )


def test_a_table_that_a_killed_run_left_unfinished_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "rounds"
    dataset = RoundTablesDataset(path=str(folder))
    folder.mkdir()
    with whole_file(folder / "round_00002.parquet") as partial:
        unfinished = folder / partial.name
        unfinished.touch()
        assert not dataset.exists()
        assert dataset.files() == []
        dataset.save({"round_00001": pd.DataFrame({"round": [1]})})
        assert dataset.load()["round"].tolist() == [1]
        assert dataset.files() == [folder / "round_00001.parquet"]


def test_tables_in_one_folder_exist_when_all_are_there(tmp_path: Path) -> None:
    """A table that is gone is made again with the others; other tables are refused."""
    dataset = TablesDataset(path=str(tmp_path / "results"), tables=["one", "two"])
    assert not dataset.exists()
    dataset.save({"one": TABLE, "two": TABLE.head(1)})
    assert dataset.exists()
    assert {name: len(load()) for name, load in dataset.load().items()} == {"one": 2, "two": 1}
    with pytest.raises(DatasetError, match=r"takes the tables \['one', 'two'\], not \['one'\]"):
        dataset.save({"one": TABLE})
    (tmp_path / "results" / "two.parquet").unlink()
    assert not dataset.exists()
    dataset.clear()
    assert dataset.files() == []


def test_a_phase_exists_when_its_last_round_is_saved(tiny_policy: Policy, tmp_path: Path) -> None:
    folder = tmp_path / "pmd_mean" / "seed_1" / "phase_1"
    dataset = TrainingStateDataset(path=str(folder))
    resume = ResumePointsDataset(path=str(tmp_path))
    assert resume.load() == {}
    dataset.save(state(tiny_policy, 1, is_last=False))
    assert not dataset.exists()
    assert {name: point.round_index for name, point in resume.load().items()} == {
        "pmd_mean.seed_1.phase_1": 1
    }
    dataset.save(state(tiny_policy, 2, is_last=True))
    assert dataset.exists()
    reference = dataset.load()
    assert reference.round_index == 2
    assert reference.load_optimizer_state() == {"x.step": torch.tensor(2.0)}
    assert [p.name for p in folder.glob("round_*")] == ["round_00002"]


@pytest.mark.parametrize("kept", ["all", "last"])
def test_former_phases_keep_or_lose_their_optimizer_states_and_stay_whole(
    tiny_policy: Policy, tmp_path: Path, kept: Any
) -> None:
    def save(phase: int, round_index: int) -> TrainingStateDataset:
        dataset = TrainingStateDataset(
            path=str(tmp_path / f"phase_{phase}"), keep_optimizer_states=kept
        )
        dataset.save(
            TrainingState(
                policy=tiny_policy,
                optimizer_state=lambda: {"x.step": torch.tensor(2.0)},
                round_index=round_index,
                is_last=True,
            )
        )
        return dataset

    first, tenth = save(1, 3), save(10, 30)
    assert first.load().load(ComputeConfig(device="cpu")).num_parameters
    assert tenth.load().load_optimizer_state() == {"x.step": torch.tensor(2.0)}
    if kept == "all":
        assert first.load().load_optimizer_state() == {"x.step": torch.tensor(2.0)}
    else:
        with pytest.raises(CheckpointError, match="keep_optimizer_states"):
            first.load().load_optimizer_state()
    save(2, 6)  # an earlier phase takes nothing from a later one
    assert tenth.load().load_optimizer_state() == {"x.step": torch.tensor(2.0)}


def test_a_policy_is_saved_live_and_loaded_by_reference(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    dataset = PolicyDataset(path=str(tmp_path / "initial"))
    dataset.save(tiny_policy)
    reference = dataset.load()
    assert reference.load_optimizer_state() == {}
    loaded = reference.load(ComputeConfig(device="cpu", precision="bfloat16"))
    assert loaded.precision == "bfloat16"
    assert torch.equal(
        loaded.model.get_output_embeddings().weight,
        tiny_policy.model.get_output_embeddings().weight,
    )


def test_a_tokenizer_comes_back(tiny_policy: Policy, tmp_path: Path) -> None:
    dataset = TokenizerDataset(path=str(tmp_path / "tokenizer"))
    dataset.save(tiny_policy.tokenizer)
    assert dataset.load()("1+2?")["input_ids"] == tiny_policy.tokenizer("1+2?")["input_ids"]


def test_figures_are_saved_as_png_and_svg_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        figure = Figure(figsize=(2, 1))
        figure.add_subplot().plot([1, 2], label="line")
        dataset = FiguresDataset(path=str(tmp_path / "figures"))
        dataset.save({"one": figure})
        contents.append({p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()})
    assert set(contents[0]) == {"one.png", "one.svg"}
    assert contents[0] == contents[1]


def test_saving_a_figure_lays_it_out_and_leaves_it_able_to_do_so_again(tmp_path: Path) -> None:
    """Nothing is cut off, in either format: the label of the axis lies within the picture."""
    figure = Figure(figsize=(2, 1), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel("label")
    layout = figure.get_layout_engine()
    FiguresDataset(path=str(tmp_path / "figures")).save({"one": figure})
    assert figure.get_layout_engine() is layout
    assert axes.xaxis.label.get_window_extent().y0 >= 0


def test_an_engine_is_started_once_and_closed_on_release() -> None:
    dataset = RolloutEngineDataset(backend="transformers", options={"max_batch_size": 4})
    engine = dataset.load()
    assert isinstance(engine, TransformersEngine)
    assert dataset.load() is engine
    dataset.release()
    assert dataset.load() is not engine


def test_an_unknown_engine_or_option_is_named() -> None:
    with pytest.raises(DatasetError, match="no engine is called 'sglang'; choose one of"):
        RolloutEngineDataset(backend="sglang")
    with pytest.raises(DatasetError, match="max_batch_sice"):
        RolloutEngineDataset(backend="transformers", options={"max_batch_sice": 4})
