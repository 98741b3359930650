"""Results of a run as frames and figures."""

from pathlib import Path

import pandas as pd
import pytest

import pmd_pipeline


def comparison(*scores: tuple[str, float]) -> pd.DataFrame:
    """Return a table in which each algorithm ends with an avg@4, and so on."""
    rows = [
        (algorithm, "addition", metric, k, round_index, score + 0.1 * round_index)
        for algorithm, score in scores
        for metric, k in (("avg_at_k", 4), ("pass_at_k", 2), ("pass_at_k", 4), ("truncated", 4))
        for round_index in (0, 2)
    ]
    return pd.DataFrame(rows, columns=["algorithm", "eval_set", "metric", "k", "round", "value"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a project whose data folder looks as if a run had been there."""
    reporting = tmp_path / "data" / "08_reporting"
    (reporting / "figures" / "interactive").mkdir(parents=True)
    (reporting / "figures" / "curves").mkdir()
    comparison(("pmd_mean", 0.5)).to_csv(reporting / "comparison.csv", index=False)
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
    pd.testing.assert_frame_equal(run.comparison, comparison(("pmd_mean", 0.5)))
    assert pmd_pipeline.load_run(data.parent).folder == data  # the project's folder will do


def test_a_relative_path_belongs_to_the_project_where_there_is_nothing_nearer(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.parent / "pyproject.toml").write_text("[tool.kedro]\n")
    (data.parent / "notebooks").mkdir()
    monkeypatch.chdir(data.parent / "notebooks")
    run = pmd_pipeline.load_run("data")
    assert run.folder.resolve() == data.resolve()
    assert repr(run) == "Run('data')"  # no path of this machine in what a notebook shows
    with pytest.raises(FileNotFoundError, match=r"no run in .*data/smoke: "):
        pmd_pipeline.load_run("data/smoke")


def test_the_last_evaluation_is_a_row_for_each_algorithm_the_best_first(data: Path) -> None:
    table = comparison(("grpo", 0.4), ("pmd_mean", 0.5))
    table.to_csv(data / "08_reporting" / "comparison.csv", index=False)
    final = pmd_pipeline.load_run(data).final
    assert final.index.tolist() == [("addition", "pmd_mean"), ("addition", "grpo")]
    assert final.columns.tolist() == ["avg@4", "pass@4", "truncated"]
    assert final["avg@4"].tolist() == pytest.approx([0.7, 0.6])


def test_rollouts_come_in_the_order_of_their_rounds(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    assert run.training_runs == [("pmd_mean", 3)]
    assert run.rollouts("pmd_mean", seed=3)["round"].tolist() == [1, 2, 3]
    assert run.rollouts("pmd_mean", seed=3, round=2)["round"].tolist() == [2]


def test_a_figure_is_a_picture_and_where_there_is_one_interactive(data: Path) -> None:
    run = pmd_pipeline.load_run(data)
    assert run.figures == ["all", "kl"]
    assert run.figure("kl")._repr_png_() == b"picture"
    assert repr(run.figure("kl")) == "Figure('kl')"
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
