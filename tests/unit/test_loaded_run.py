"""Results of a run as frames and figures."""

from pathlib import Path

import pandas as pd
import pytest

import pmd_pipeline


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a project whose data folder looks as if a run had been there."""
    reporting = tmp_path / "data" / "08_reporting"
    (reporting / "figures" / "interactive").mkdir(parents=True)
    (reporting / "figures" / "curves").mkdir()
    pd.DataFrame({"algorithm": ["pmd_mean"], "value": [0.5]}).to_csv(
        reporting / "comparison.csv", index=False
    )
    (reporting / "figures" / "curves" / "kl.png").write_bytes(b"picture")
    (reporting / "figures" / "curves" / "all.png").write_bytes(b"all")
    (reporting / "figures" / "interactive" / "kl.json").write_text('{"data": [], "layout": {}}')
    output = tmp_path / "data" / "07_model_output" / "pmd_mean" / "seed_3"
    for phase, number in ((1, 1), (1, 2), (2, 3)):
        folder = output / f"phase_{phase}" / "rollouts"
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"round": [number], "reward": [1.0]}).to_parquet(
            folder / f"round_{number:05d}.parquet"
        )
    return tmp_path / "data"


def test_tables_are_frames(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    assert run.comparison.to_dict("list") == {"algorithm": ["pmd_mean"], "value": [0.5]}
    assert pmd_pipeline.load_run(data.parent).folder == data  # the project's folder will do


def test_rollouts_come_in_the_order_of_their_rounds(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    assert run.training_runs == [("pmd_mean", 3)]
    assert run.rollouts("pmd_mean", seed=3)["round"].tolist() == [1, 2, 3]
    assert run.rollouts("pmd_mean", seed=3, round=2)["round"].tolist() == [2]


def test_a_figure_is_a_picture_and_where_there_is_one_interactive(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    assert run.figures == ["all", "kl"]
    assert run.figure("kl")._repr_png_() == b"picture"
    assert run.figure("kl").interactive().data == ()
    with pytest.raises(ValueError, match="all exists as a picture alone"):
        run.figure("all").interactive()


def test_what_is_not_there_is_named_with_what_is(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    with pytest.raises(LookupError, match="no figure is named 'klo'; there are: all and kl"):
        run.figure("klo")
    with pytest.raises(FileNotFoundError, match="there are training runs: pmd_mean 3"):
        run.rollouts("pmd_mean", seed=0)
    with pytest.raises(FileNotFoundError, match="has no completions of grpo"):
        run.completions("grpo", seed=0)
    with pytest.raises(FileNotFoundError, match=r"gains\.csv is not there"):
        _ = run.gains
    (data / "08_reporting").rename(data / "smoke")
    (data / "smoke" / "08_reporting").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there are runs in .*smoke"):
        pmd_pipeline.load_run(data.parent)
