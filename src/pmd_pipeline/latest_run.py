"""The latest run of an environment: what it has trained, evaluated and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.datasets.policies import TrainingStateDataset
from pmd_pipeline.flat_parameters import nested
from pmd_pipeline.hooks.results import Results
from pmd_pipeline.hooks.run_state import RunState, load_run_state
from pmd_pipeline.pipelines.reporting.gathering import GATHER
from pmd_pipeline.policies.manifest import MANIFEST_NAME
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.shell import kedro
from pmd_pipeline.wording import listed

_TABLES = ("comparison", "comparison_by_seed", "round_metrics", "data_report", "eval_problems")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedPolicy:
    """A policy of the run that stands in its comparison.

    Attributes:
        run: The training run that it is of.
        reference: Where it is, and after how many rounds.
        checksum: SHA-256 over the checksums of its files.
        begun: When the run began that has trained it last.
    """

    run: TrainingRun
    reference: PolicyReference
    checksum: str
    begun: str


class LatestRun:
    """What the latest run of an environment has left, checked against what it has recorded.

    Attributes:
        experiment: The parameters that its report was made with.
        state: What the run has recorded.
        comparison, comparison_by_seed, round_metrics: Its tables.
        data_report: Counts of data preparation.
        eval_problems: The problems it was evaluated on, as prompts.

    Raises:
        ValueError: If there is no run, or it has not compared its policies yet.
        ResumeError: If results are damaged or were changed by hand.
    """

    experiment: ExperimentConfig
    state: RunState
    comparison: pd.DataFrame
    comparison_by_seed: pd.DataFrame
    round_metrics: pd.DataFrame
    data_report: dict[str, Any]
    eval_problems: pd.DataFrame

    def __init__(self, env: str | None) -> None:
        with KedroSession.create(env=env) as session:
            assert isinstance(session, KedroSession)
            context = session.load_context()
        assert isinstance(context, ExperimentContext)
        catalog, data_root = context.catalog, context.data_root
        assert isinstance(catalog, DataCatalog)
        state = load_run_state(data_root, env)
        if state is None:
            raise ValueError(f"there is no run in {data_root}; begin with {kedro('run', env)}")
        results = Results(state, catalog, data_root)
        advice = f"finish it with {kedro('run --only-missing-outputs', env)}"
        missing = [name for name in _TABLES if not _is_there(state, name, data_root)]
        if missing:
            raise ValueError(
                f"the latest run in {data_root} has no {listed(missing)} yet; {advice}"
            )
        self.experiment = parse_parameters(nested(state.stage_parameters["reporting"]))
        stale = results.mixed(_makers(state, self.experiment))
        if stale:
            raise ValueError(
                f"the latest run in {data_root} is not complete: {listed(sorted(stale))} used "
                f"other results than those there now; {advice}"
            )
        results.check(_TABLES)
        for name, dataset in results.of(_TABLES).items():
            results.pin(dataset, _version_of(state, name))
            setattr(self, name, catalog.load(name))
        self.state = state
        self._catalog = catalog

    def policy(self, run: TrainingRun, round_index: int) -> EvaluatedPolicy:
        """Return the policy of a training run after so many rounds.

        Raises:
            ValueError: If it is no longer there.
        """
        phase, rest = divmod(round_index, self.experiment.training.rounds_per_phase)
        found = None if rest else self._policy_of(run, phase)
        if found is None or found.reference.round_index != round_index:
            raise ValueError(
                f"the policy of {run.algorithm}, training seed {run.seed}, after {round_index} "
                "rounds is not in the data folder any more; train it again"
            )
        return found

    def evaluated_in(self, folder: Path) -> EvaluatedPolicy | None:
        """Return the evaluated policy that lies in a folder; None if there is none."""
        table = self.comparison_by_seed
        for run in self.experiment.training_runs():
            for phase in range(1, self.experiment.training.num_phases + 1):
                found = self._policy_of(run, phase)
                if found is None or found.reference.folder.resolve() != folder.resolve():
                    continue
                rows = table["algorithm"].eq(run.algorithm) & table["seed"].eq(run.seed)
                is_known = table["round"].eq(found.reference.round_index)
                return found if (rows & is_known).any() else None
        return None

    def of_sets(self, eval_sets: Sequence[str]) -> pd.DataFrame:
        """Return the rows of ``comparison_by_seed`` on these evaluation sets; all if none is named.

        Raises:
            ValueError: If there is no such set.
        """
        table = self.comparison_by_seed
        known = list(table["eval_set"].unique())
        for name in eval_sets:
            if name not in known:
                raise ValueError(f"no evaluation set is named {name!r}; there are: {known}")
        return table[table["eval_set"].isin(eval_sets or known)]

    def _policy_of(self, run: TrainingRun, phase: int) -> EvaluatedPolicy | None:
        dataset = self._catalog.get(f"{run.namespace}.phase_{phase}.policy")
        if not isinstance(dataset, TrainingStateDataset) or not dataset.exists():
            return None
        reference = dataset.load()
        return EvaluatedPolicy(
            run=run,
            reference=reference,
            checksum=dataset.checksum(reference.folder / MANIFEST_NAME),
            begun=self.state.started_nodes[f"{run.namespace}.phase_{phase}.train"],
        )


def _makers(state: RunState, experiment: ExperimentConfig) -> list[str]:
    """Return the nodes that have made the tables, those of the training runs included."""
    runs = set(experiment.training_runs())
    gathering = {f"{run.algorithm}.{GATHER}" for run in runs}
    shared = {
        node.name
        for node in pipelines["__default__"].to_outputs(*_TABLES).nodes
        if TrainingRun.containing(node.name) is None and not node.name.endswith(f".{GATHER}")
    }
    return [
        name
        for name in state.consumed
        if name in shared | gathering or TrainingRun.containing(name) in runs
    ]


def _version_of(state: RunState, name: str) -> str:
    """Return the version that a versioned dataset was saved as; it is the file's folder."""
    return Path(next(iter(state.files[name]))).parent.name


def _is_there(state: RunState, name: str, data_root: Path) -> bool:
    files = state.files.get(name)
    return bool(files) and all((data_root / key).is_file() for key in files or {})
