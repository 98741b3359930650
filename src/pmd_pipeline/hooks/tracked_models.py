"""MLflow's child runs of the pipeline ``evaluate_models``: one per model."""

from collections.abc import Iterable, Mapping
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.stages import evaluated_model, stage_of
from pmd_pipeline.hooks.tracked_results import log_completions
from pmd_pipeline.tracking.metrics import evaluation_metrics, side_by_side
from pmd_pipeline.tracking.runs import TrackedRuns, below

# What decides an evaluation; the rest of the parameters is of trainings.
_SECTIONS = ("seed", "evaluation", "rewards", "data_preparation", "compute")


class TrackedModels:
    """The child runs of the models that a session evaluates.

    Args:
        runs: Of this process.
        parent: The run that they are below: its id or key.
        experiment: All parameters.
        tags: Of every child run: who runs what.
    """

    def __init__(
        self,
        runs: TrackedRuns,
        parent: str,
        experiment: ExperimentConfig,
        tags: Mapping[str, str],
    ) -> None:
        self._runs = runs
        self._tags = tags
        self._parent = parent
        self._experiment = experiment
        self._ids: dict[str, str] = {}
        self._open: set[str] = set()
        self._current: str | None = None

    def open(self, models: Iterable[str], former: Mapping[str, str]) -> None:
        """Begin or continue a run for each model.

        Args:
            models: Their names.
            former: Runs of the session that is continued, as :meth:`keys` named them.
        """
        # MLflow's page lists what was made last first: they come in their order there.
        for name in reversed(list(models)):
            config = self._experiment.evaluate_models.models[name]
            own_tags = {"model": name, "model_kind": config.kind}
            tags = {**self._tags, **below(self._parent), **own_tags}
            run = self._runs.open(name, tags, former.get(f"{EVALUATE_MODELS}.{name}"))
            shared = self._experiment.model_dump(mode="json", include=set(_SECTIONS))
            own = config.model_dump(mode="json", exclude_none=True)
            self._runs.log_parameters(run, flatten({"model": name, "of_model": own, **shared}))
            self._ids[name] = run
            self._open.add(name)

    def keys(self) -> dict[str, str]:
        """Return the runs' ids or keys, as the run's state keeps them."""
        return {f"{EVALUATE_MODELS}.{name}": run for name, run in self._ids.items()}

    def open_ids(self) -> list[str]:
        """Return the child runs that have not ended."""
        return [run for name, run in self._ids.items() if name in self._open]

    def begin_node(self, node: Node) -> None:
        """Know which model is at work."""
        self._current = evaluated_model(node)

    def take_saved(self, dataset_name: str, data: Any, node: Node) -> bool:
        """Log what a model's nodes and the comparison have saved; return whether it was theirs."""
        model = evaluated_model(node)
        name = dataset_name.rpartition(".")[2]
        if model is not None:
            run = self._ids[model]
            match name:
                case "eval_completions":
                    log_completions(self._runs, run, data, "evaluation")
                case "about":
                    self._runs.set_tags(run, {f"about.{key}": value for key, value in data.items()})
                case "eval_metrics":
                    self._runs.log_metrics(run, evaluation_metrics(data), step=0)
                    self._finish(model)
            return True
        match name:
            case "model_scores":
                for label, rows in data.groupby("model", sort=False):
                    metrics = side_by_side(evaluation_metrics(rows), str(label))
                    self._runs.log_metrics(self._parent, metrics, step=0)
                self._runs.log_file(self._parent, data.to_csv(index=False), "tables/scores.csv")
            case "model_differences":
                table = data.to_csv(index=False)
                self._runs.log_file(self._parent, table, "tables/differences.csv")
            case "model_report":
                self._runs.log_file(self._parent, data, "report.html")
            case _:
                return False
        return True

    def end(self, status: str, *, others: str) -> None:
        """End the runs that have not ended yet.

        Args:
            status: Of the one at work.
            others: Status of the other ones that are not done.
        """
        for name in sorted(self._open):
            self._runs.end(self._ids[name], status if name == self._current else others)
        self._open.clear()

    def _finish(self, model: str) -> None:
        self._runs.end(self._ids[model], "FINISHED")
        self._open.discard(model)


def compares_models(pipeline: Pipeline) -> bool:
    """Return whether a pipeline evaluates or compares models without training."""
    stages = {stage_of(node).partition(".")[0] for node in pipeline.nodes}
    return not stages.isdisjoint({EVALUATE_MODELS, "model_reporting"})


def evaluated_models(pipeline: Pipeline, done: Iterable[str]) -> list[str]:
    """Return the models of a pipeline that have a node left to run.

    Args:
        pipeline: The session's nodes.
        done: Names of those that will not run.
    """
    left = set(done)
    names = (evaluated_model(node) for node in pipeline.nodes if node.name not in left)
    return list(dict.fromkeys(name for name in names if name is not None))
