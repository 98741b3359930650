"""Keeps the results at ``storage.remote_root`` too, and begins from there in an empty folder."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.files import file_digest
from pmd_pipeline.hooks.intent import Intent, intent_of_run
from pmd_pipeline.hooks.lock import hold
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.run_state import FILE_NAME, RunState
from pmd_pipeline.shell import kedro
from pmd_pipeline.wording import counted

# What reaches other machines is imported by runs that are to reach them.
if TYPE_CHECKING:
    from pmd_pipeline.remote.folder import RemoteFolder
    from pmd_pipeline.remote.outbox import Outbox
    from pmd_pipeline.remote.sender import Sender

PATIENCE_SECONDS = 20.0
"""How long a run's end waits without anything arriving."""

_logger = logging.getLogger(__name__)

_hooks: list["RemoteHook"] = []


def send_last() -> None:
    """Keep and send what there is: the process is interrupted from outside."""
    for hook in _hooks:
        hook.end()


class RemoteHook:
    """Sends the results after each phase and at the end; fetches them where there are none.

    Args:
        resume: Knows the state of the run.
    """

    def __init__(self, resume: ResumeHook) -> None:
        self._resume = resume
        self._context: ExperimentContext
        self._credentials: dict[str, Any] = {}
        self._outbox: Outbox | None = None
        self._sender: Sender | None = None
        _hooks.append(self)

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl
    def after_catalog_created(self, conf_creds: dict[str, Any]) -> None:
        self._credentials = conf_creds or {}

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        self.end()  # of a session that was interrupted, in a notebook for example
        storage = self._context.experiment.storage
        if storage.remote_root is None:
            return
        from pmd_pipeline.remote.outbox import Outbox
        from pmd_pipeline.remote.place import results_folder
        from pmd_pipeline.remote.sender import Sender

        hold(self._context.data_root)
        folder = results_folder(storage, environment(self._context.env), self._credentials)
        assert folder is not None
        self._outbox = Outbox(self._context.data_root, folder.address)
        intent = intent_of_run(only_missing_outputs=bool(run_params["only_missing_outputs"]))
        answers = self._meet(folder, self._outbox, intent)
        self._sender = Sender(self._outbox, folder, is_out=not answers)

    @hook_impl(trylast=True)
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        if self._sender is not None and dataset_name.endswith(".policy") and data.is_last:
            self._stage()
            self._sender.wake()

    # Both before the hook of resume gives the data folder back.
    @hook_impl
    def after_pipeline_run(self) -> None:
        self.end()

    @hook_impl
    def on_pipeline_error(self) -> None:
        self.end()

    def end(self) -> None:
        """Send what there is, wait a little, and tell what is left; once for each run."""
        if self._sender is None or self._outbox is None:
            return
        sender, self._sender = self._sender, None
        self._stage()
        sender.close(PATIENCE_SECONDS)
        told = left_over(self._outbox, self._context.env)
        if told is not None:
            _logger.warning("%s", told)

    def _meet(self, folder: "RemoteFolder", outbox: "Outbox", intent: Intent) -> bool:
        """Compare what is at the address with what is here, before anything begins.

        Returns:
            Whether the address has answered.
        """
        from pmd_pipeline.remote import store
        from pmd_pipeline.remote.errors import RemoteOutageError
        from pmd_pipeline.remote.fetching import fetch
        from pmd_pipeline.remote.sender import refuse_others

        data_root = self._context.data_root
        has_results = (data_root / FILE_NAME).is_file()
        try:
            there = store.latest(folder)
        except RemoteOutageError as error:
            if has_results and outbox.latest is not None:
                _logger.warning("%s. The run goes on; its results are sent later", error)
                return False
            raise RemoteOutageError(
                f"{error}, and only there is known what is to be gone on from. Nothing has begun"
            ) from error
        if there is None:
            return True
        if intent is Intent.OVERWRITE:
            outbox.follow(there)
        elif has_results:
            refuse_others(outbox, folder, there)
        else:
            fetch(outbox, folder, there, data_root)
        return True

    def _stage(self) -> None:
        assert self._outbox is not None
        state = self._resume.state
        if state is None:
            return
        try:
            stage(self._outbox, state, self._context.data_root)
        except (OSError, ValueError) as error:
            _logger.warning(
                "The results of now cannot be kept for %s: %s", self._outbox.address, error
            )


def stage(outbox: "Outbox", state: RunState, data_root: Path) -> None:
    """Have a run's results, as they are now, wait to be sent.

    Raises:
        OSError: If that is not possible.
        ValueError: If a manifest is damaged.
    """
    from pmd_pipeline.remote.recorded import recorded_files

    checksums = recorded_files(state.files, data_root)
    files = {path: data_root / path for path in checksums}
    with tempfile.TemporaryDirectory() as temporary:
        # A copy: the state that the run goes on with has its journal in the data folder.
        replace(state).save(Path(temporary))
        files[FILE_NAME] = Path(temporary) / FILE_NAME
        checksums[FILE_NAME] = file_digest(files[FILE_NAME])
        outbox.stage(files, checksums)


def environment(env: str | None) -> str:
    """Return the environment's name, by which its results are kept."""
    return "base" if env in (None, "", "local") else str(env)


def left_over(outbox: "Outbox", env: str | None) -> str | None:
    """Return what is not sent and how to send it, None if all is."""
    try:
        staged = outbox.waiting()
    except ValueError as error:
        return str(error)
    if staged is None:
        return None
    snapshot = staged.snapshot
    return (
        f"{counted(len(snapshot.files), 'file')} ({snapshot.num_bytes / 1e6:.1f} MB) for "
        f"{outbox.address} wait in {outbox.folder}; send them with: "
        f"{kedro('remote-sync', env)}"
    )
