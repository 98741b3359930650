"""Forked children: what takes seconds to import is imported once, in their parent."""

import atexit
import functools
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

# What a run imports on its way, by libraries that put it off and by this project, whose pipelines
# import what takes long in the nodes that use it.
_NEEDED = (
    "IPython",
    "alembic.command",
    "git",
    "hypothesis.extra.pandas",
    "IPython",
    "kedro.framework.cli.cli",
    "kedro.framework.session.store",
    "kedro_datasets.json.json_dataset",
    "kedro_datasets.pandas.csv_dataset",
    "kedro_datasets.pandas.parquet_dataset",
    "kedro_datasets.partitions.partitioned_dataset",
    "kedro_datasets.text.text_dataset",
    "kedro_mlflow.framework.hooks",
    "kedro_viz.integrations.kedro.hooks",
    "matplotlib.backends.backend_svg",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.tracing.processor.otel",
    "mlflow.transformers",
    "opentelemetry.sdk.metrics",
    "pandera.backends.pandas.register",
    "pandera.pandas",
    "pandera.strategies.pandas_strategies",
    "plotly.io",
    "scipy.stats",
    "sklearn.ensemble",
    "sqlalchemy.dialects.sqlite",
    "transformers.models.qwen3.modeling_qwen3",
    "pmd_pipeline.datasets.atomic",
    "pmd_pipeline.datasets.engines",
    "pmd_pipeline.datasets.figures",
    "pmd_pipeline.datasets.policies",
    "pmd_pipeline.datasets.provenance",
    "pmd_pipeline.datasets.rounds",
    "pmd_pipeline.engines.transformers_engine",
    "pmd_pipeline.hooks.tracked_session",
    "pmd_pipeline.pipeline_registry",
    "pmd_pipeline.policies.storage",
    "pmd_pipeline.reporting.drawing.matplotlib_renderer",
    "pmd_pipeline.reporting.theory.figures",
    "pmd_pipeline.rollouts.collect",
    "pmd_pipeline.schemas.evaluation",
    "pmd_pipeline.schemas.problems",
    "pmd_pipeline.schemas.rollouts",
    "pmd_pipeline.schemas.theory",
    "pmd_pipeline.settings",
    "pmd_pipeline.study_commands.report",
    "pmd_pipeline.theory",
    "pmd_pipeline.training.round_metrics",
    "pmd_pipeline.training.round_table",
    "pmd_pipeline.training.rounds",
    "pmd_pipeline.training.theory_in_the_loop",
    "pmd_pipeline.training.trainer",
)


def run_forked(
    action: Callable[[], object], *, stdout: Path | None = None, stderr: Path | None = None
) -> int:
    """Return the exit status of a forked child that does ``action``; negative: a signal.

    Args:
        action: What the child does. An exception is written to its standard error, status 1.
        stdout: Where its standard output goes; None: where the parent's goes.
        stderr: Where its standard error goes.
    """

    def redirected() -> None:
        for name, path in (("stdout", stdout), ("stderr", stderr)):
            if path is not None:
                redirect(name, path)
        action()

    child = begin_forked(redirected)
    try:
        return wait(child)
    except BaseException:  # the test's time is over: no child may outlive it
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def begin_forked(action: Callable[[], object]) -> int:
    """Return the process id of a forked child that does ``action``; see :func:`run_forked`."""
    preload()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        # A test run that is started in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _status_of(action)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)  # nothing else: pytest must not see the child's end


def refuse_import(name: str) -> None:
    """Have every import of a module fail in this process from now on."""
    sys.modules[name] = None  # type: ignore[assignment]


def redirect(name: str, path: Path) -> None:
    """Write this process's ``stdout`` or ``stderr`` to a file from now on."""
    stream = path.open("w", buffering=1)
    os.dup2(stream.fileno(), {"stdout": 1, "stderr": 2}[name])
    setattr(sys, name, stream)  # pytest has replaced it too, not the descriptor alone
    if name == "stderr":
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)  # the parent's, since Kedro was imported there


def wait(child: int) -> int:
    """Return a child's exit status; negative where a signal ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _status_of(action: Callable[[], object]) -> int:
    try:
        action()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        print(f"child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


@functools.cache
def preload() -> None:
    """Import what runs need. Nothing here opens a connection, which a fork must not share."""
    for name in _NEEDED:
        import_module(name)


@functools.cache
def empty_tracking_store() -> Path:
    """Return a new MLflow database, to be copied: making one takes MLflow several seconds."""
    folder = Path(tempfile.mkdtemp(prefix="tracking-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = folder / "mlflow.db"

    def make() -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{database}").search_runs(["0"])

    assert run_forked(make) == 0
    return database
