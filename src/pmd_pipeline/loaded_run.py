"""What a run has left, as frames and figures: for notebooks and programs of the user's own."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pmd_pipeline.project_folder import project_folder
from pmd_pipeline.wording import listed

if TYPE_CHECKING:
    import plotly.graph_objects as go

_REPORTING = "08_reporting"
_MODEL_OUTPUT = "07_model_output"


class Run:
    """The results in a data folder, which stays as it is; `pmd_pipeline.load_run` makes it.

    Tables are read when they are first asked for.

    Args:
        path: A data folder (``data``, or ``data/smoke`` of the environment smoke), or the project's
            folder, which stands for its ``data``. A relative path begins in the working directory
            or, if there is no run, in the project's folder around it.

    Raises:
        FileNotFoundError: If no run has made a comparison there.

    Example::

        run = pmd_pipeline.load_run("data")
        run.final
        run.figure("learning_curves")
    """

    def __init__(self, path: str | Path = "data") -> None:
        self._given = Path(path)
        near, around = self._given, project_folder() / self._given
        candidates = [place / below for place in (near, around) for below in ("", "data")]
        found = [folder for folder in candidates if (folder / _REPORTING).is_dir()]
        if not found:
            place = near if near.exists() else around
            raise FileNotFoundError(
                f"there is no run in {place.resolve()}: it has no folder {_REPORTING}"
                f"{_others(place)}; begin with kedro run, or name the data folder of an "
                "environment, such as data/smoke"
            )
        self.folder = found[0]

    def __repr__(self) -> str:
        return f"Run({str(self._given)!r})"

    @cached_property
    def final(self) -> pd.DataFrame:
        """Every algorithm's last evaluation: a row for each on each set, the best first.

        Columns are the metrics, those of k samples for the largest k: ``avg@4``, ``pass@4``.
        """
        table = self.comparison
        rounds = table.groupby("algorithm")["round"].transform("max")
        largest = table.groupby("metric")["k"].transform("max")
        last = table[(table["round"] == rounds) & (table["k"] == largest)]
        names = [_metric_name(m, k) for m, k in zip(last["metric"], last["k"], strict=True)]
        wide = last.assign(name=names).pivot_table(
            index=["eval_set", "algorithm"], columns="name", values="value"
        )
        wide = wide[list(dict.fromkeys(names))].rename_axis(columns=None)
        return wide.sort_values(["eval_set", names[0]], ascending=[True, False])

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Held-out scores of every algorithm with intervals: docs/metrics.md."""
        return self._csv("comparison")

    @cached_property
    def comparison_by_seed(self) -> pd.DataFrame:
        """The same for each training seed; intervals over problems alone."""
        return self._csv("comparison_by_seed")

    @cached_property
    def gains(self) -> pd.DataFrame:
        """Differences to the initial policy and to the reference algorithm."""
        return self._csv("gains")

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Every pair of algorithms: difference, interval, p-value, verdict."""
        return self._csv("pairs")

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """What each training run has used."""
        return self._csv("budgets")

    @cached_property
    def round_metrics(self) -> pd.DataFrame:
        """One row per algorithm, training seed and round."""
        return self._csv("round_metrics")

    @property
    def training_runs(self) -> list[tuple[str, int]]:
        """Algorithms and training seeds that have left rollouts."""
        folders = sorted((self.folder / _MODEL_OUTPUT).glob("*/seed_*"))
        return [
            (folder.parent.name, int(folder.name.removeprefix("seed_")))
            for folder in folders
            if any(folder.glob("phase_*/rollouts"))
        ]

    def rollouts(self, algorithm: str, *, seed: int, round: int | None = None) -> pd.DataFrame:
        """Return the rollouts that a training run was trained on, one row each.

        Args:
            algorithm: Its label.
            seed: The training seed.
            round: One round (from 1); None for all.

        Raises:
            FileNotFoundError: If there are none.
        """
        name = "round_*" if round is None else f"round_{round:05d}"
        folder = self.folder / _MODEL_OUTPUT / algorithm / f"seed_{seed}"
        files = sorted(folder.glob(f"phase_*/rollouts/{name}.parquet"), key=lambda file: file.name)
        if not files:
            which = "" if round is None else f", round {round}"
            raise FileNotFoundError(
                f"{self.folder} has no rollouts of {algorithm}, training seed {seed}{which}; "
                f"there are training runs: {listed([f'{a} {s}' for a, s in self.training_runs])}"
            )
        return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)

    def completions(self, algorithm: str, *, seed: int) -> pd.DataFrame:
        """Return the graded responses of a training run's evaluations, one row each.

        Raises:
            FileNotFoundError: If it has not been evaluated.
        """
        path = self.folder / _MODEL_OUTPUT / algorithm / f"seed_{seed}" / "completions.parquet"
        if not path.is_file():
            raise FileNotFoundError(
                f"{self.folder} has no completions of {algorithm}, training seed {seed}; there are "
                f"training runs: {listed([f'{a} {s}' for a, s in self.training_runs])}"
            )
        return pd.read_parquet(path)

    @property
    def figures(self) -> list[str]:
        """Names that :meth:`figure` knows."""
        return sorted(self._pictures())

    def figure(self, name: str) -> "Figure":
        """Return a figure of the report, which a notebook shows as a picture.

        Raises:
            LookupError: If there is none of this name.
        """
        pictures = self._pictures()
        if name not in pictures:
            raise LookupError(f"no figure is named {name!r}; there are: {listed(sorted(pictures))}")
        interactive = self.folder / _REPORTING / "figures" / "interactive" / f"{name}.json"
        return Figure(pictures[name], interactive if interactive.is_file() else None)

    def _pictures(self) -> dict[str, Path]:
        return {path.stem: path for path in (self.folder / _REPORTING / "figures").rglob("*.png")}

    def _csv(self, name: str) -> pd.DataFrame:
        path = self.folder / _REPORTING / f"{name}.csv"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there: the run is not finished, or was made by an older version; "
                "finish it with kedro run --only-missing-outputs"
            )
        return pd.read_csv(path)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a run's report.

    Attributes:
        path: The picture, PNG; an SVG lies beside it.
    """

    path: Path
    _interactive: Path | None = None

    def __repr__(self) -> str:
        return f"Figure({self.path.stem!r})"

    def interactive(self) -> "go.Figure":
        """Return the figure as plotly's, to zoom in and to change.

        Raises:
            ValueError: If it exists as a picture alone.
        """
        if self._interactive is None:
            raise ValueError(f"{self.path.stem} exists as a picture alone: {self.path}")
        import plotly.graph_objects as go

        return go.Figure(json.loads(self._interactive.read_text(encoding="utf-8")))

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.path.read_bytes()


def _metric_name(metric: str, k: int) -> str:
    """Return a metric's name as people write it: ``avg@4``."""
    return metric.replace("_at_k", f"@{k}")


def _others(folder: Path) -> str:
    """Return which folders below do hold a run."""
    below = [*folder.glob(f"*/{_REPORTING}"), *folder.glob(f"data/*/{_REPORTING}")]
    there = [str(path.parent) for path in sorted(below)]
    return f"; there are runs in {listed(there)}" if there else ""
