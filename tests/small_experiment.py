"""An experiment of a few trivial nodes, run with the hook that resumes: milliseconds a run."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from study_helpers import make_experiment

from pmd_pipeline.datasets.atomic import AtomicCSVDataset, AtomicParquetDataset
from pmd_pipeline.datasets.results import ResultDataset
from pmd_pipeline.datasets.rounds import RoundTablesDataset
from pmd_pipeline.files import write_json
from pmd_pipeline.hooks.intent import Intent, intending
from pmd_pipeline.hooks.resume import ResumeHook

EVERYTHING = ["data_preparation.load_problems", "select_prompts", "a.seed_0.train",
              "b.seed_0.train", "a.seed_0.evaluate", "b.seed_0.evaluate", "compare"]  # fmt: skip


class Killed(BaseException):
    """What no code catches."""


@dataclass
class SmallExperiment:
    """The stages in small: one table each, two training runs, a phase of two rounds.

    Attributes:
        folder: Its data folder.
        gold: What the problems hold.
        noise: What training adds to it; timings apart, the only thing that may differ.
        ran: The nodes that have run, in order.
        dies_at: The name of the dataset at whose save the next run is killed, and whether after.
        hook: Of the latest run.
    """

    folder: Path
    gold: int = 1
    noise: int = 0
    ran: list[str] = field(default_factory=list)
    dies_at: tuple[str, str] | None = None
    algorithms: tuple[str, ...] = ("a", "b")
    seeds: tuple[int, ...] = (0,)
    hook: ResumeHook = field(default_factory=ResumeHook)

    @property
    def runs(self) -> list[str]:
        return [f"{label}.seed_{seed}" for label in self.algorithms for seed in self.seeds]

    def pipeline(self) -> Pipeline:
        def node(name: str, stage: str, inputs: list[str], output: str, make: Any) -> Node:
            def run(*tables: pd.DataFrame) -> Any:
                self.ran.append(name)
                return make(*tables)

            namespace, _, own = name.rpartition(".")
            return Node(run, inputs, output, name=own, namespace=namespace or None,
                        tags=[stage])  # fmt: skip

        def total(*tables: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"value": [sum(int(table["value"].sum()) for table in tables)]})

        nodes = [
            node("data_preparation.load_problems", "data_preparation", ["params:seed"], "problems",
                 lambda seed: pd.DataFrame({"value": [self.gold]})),
            node("select_prompts", "rollout_generation", ["problems"], "prompts", total),
        ]  # fmt: skip
        for run in self.runs:
            nodes += [
                self._training(run),
                node(f"{run}.evaluate", "evaluation",
                     [f"{run}.rounds", f"{run}.policy", "problems"],
                     f"{run}.scores", lambda rounds, _, problems: total(rounds, problems)),
            ]  # fmt: skip
        scores = [f"{run}.scores" for run in self.runs]
        nodes.append(node("compare", "reporting", scores, "comparison", total))
        return Pipeline(nodes)

    def _training(self, run: str) -> Node:
        def train(prompts: pd.DataFrame) -> Iterator[Any]:
            self.ran.append(f"{run}.train")
            for index in (1, 2):
                value = int(prompts["value"].sum()) + index + self.noise
                table = pd.DataFrame({"value": [value], "grading_seconds": [len(self.ran)]})
                yield {
                    "rounds": {f"round_{index}": table},
                    "policy": {"value": value, "is_last": index == 2},
                }

        outputs = {name: f"{run}.{name}" for name in ("rounds", "policy")}
        return Node(train, ["prompts"], outputs, name="train", namespace=run, tags=["training"])

    def catalog(self) -> DataCatalog:
        datasets: dict[str, Any] = {
            name: AtomicParquetDataset(filepath=str(self.folder / f"{name}.parquet"))
            for name in ("problems", "prompts", *(f"{run}.scores" for run in self.runs))
        }
        for run in self.runs:
            datasets[f"{run}.policy"] = PolicyDataset(path=self.folder / f"{run}.json")
            datasets[f"{run}.rounds"] = RoundTablesDataset(path=str(self.folder / run))
        datasets["comparison"] = AtomicCSVDataset(
            filepath=str(self.folder / "comparison.csv"), save_args={"index": False}
        )
        catalog = DataCatalog(datasets)
        catalog["params:seed"] = 0
        return catalog

    def run(
        self,
        *names: str,
        intent: Intent | None = Intent.CONTINUE,
        only_missing_outputs: bool | None = None,
        **sections: Any,
    ) -> list[str]:
        """Run nodes, all by default, as ``kedro run`` does; return the names of those that ran.

        Args:
            names: Of the nodes.
            intent: None: a session's own, without the command line.
            only_missing_outputs: Kedro's option; None: as the command line sets it.
            sections: Changes to the parameters.
        """
        self.ran.clear()
        chosen = {"algorithms": list(self.algorithms), "seeds": list(self.seeds)}
        training = {**chosen, **sections.pop("training", {})}
        algorithms = {
            label: {"kind": "pmd_mean", "tau": 0.5} | sections.pop(label, {})
            for label in self.algorithms
        }
        _, experiment = make_experiment(training=training, algorithms=algorithms, **sections)
        pipeline = self.pipeline()
        if names:
            pipeline = pipeline.only_nodes(*names)
        self.hook = hook = ResumeHook()
        hook.after_context_created(
            SimpleNamespace(  # type: ignore[arg-type]
                experiment=experiment, data_root=self.folder, env="small"
            )
        )
        manager = _create_hook_manager()
        _register_hooks(manager, (hook, _Killer(self.dies_at)))
        self.dies_at = None
        skips = only_missing_outputs
        if skips is None:
            skips = intent is not Intent.OVERWRITE
        parameters = {"runner": "SequentialRunner", "only_missing_outputs": skips,
                      "run_id": "version 1"}  # fmt: skip
        catalog = self.catalog()
        with nullcontext() if intent is None else intending(intent):
            manager.hook.before_pipeline_run(
                run_params=parameters, pipeline=pipeline, catalog=catalog
            )
            SequentialRunner().run(pipeline, catalog, manager, only_missing_outputs=skips)
            manager.hook.after_pipeline_run(
                run_params=parameters, run_result={}, pipeline=pipeline, catalog=catalog
            )
        return list(self.ran)

    def kill(self, when: str, dataset: str, run: Callable[[], Any] | None = None) -> None:
        """Begin a run that is killed before or after the save of a dataset."""
        self.dies_at = (when, dataset)
        try:
            (run or partial(self.run))()
        except Killed:
            return
        raise AssertionError(f"nothing saved {dataset}")

    @property
    def comparison(self) -> int:
        return int(pd.read_csv(self.folder / "comparison.csv")["value"].iloc[0])


class _Killer:
    def __init__(self, moment: tuple[str, str] | None) -> None:
        self._moment = moment

    @hook_impl(trylast=True)
    def before_dataset_saved(self, dataset_name: str) -> None:
        self._die("before", dataset_name)

    # First of all: the file is there, and nothing knows of it yet.
    @hook_impl(tryfirst=True)
    def after_dataset_saved(self, dataset_name: str) -> None:
        self._die("after", dataset_name)

    def _die(self, when: str, name: str) -> None:
        if self._moment == (when, name):
            raise Killed


class PolicyDataset(ResultDataset, AbstractDataset[dict[str, Any], dict[str, Any]]):
    """A state of training in a file; it is there when the phase has ended."""

    def __init__(self, *, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text()))

    def save(self, data: dict[str, Any]) -> None:
        write_json(self._path, data)

    def files(self) -> list[Path]:
        return [self._path] if self._path.is_file() else []

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._path.is_file() and self.load()["is_last"]

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
