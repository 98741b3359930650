"""The program that runs trials on a node: started by ``host``, it ends as its host does.

It reads a request from its standard input, and says on its standard output why it failed, if it
did; all else that it prints goes to its log.
"""

import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TextIO

from pmd_pipeline.processes.parent import end_with_parent
from pmd_pipeline.study_commands.on_ray.host import FAILED
from pmd_pipeline.study_commands.on_ray.request import WorkerRequest, check_node, check_shared

_INTERRUPTED = 130
_SECONDS_TO_STOP = 60.0


def main() -> int:
    """Run trials until the study has enough, and return the exit status."""
    answer = _take_standard_output()
    signal.signal(signal.SIGTERM, _interrupt_once)
    end_with_parent(_stop)
    try:
        _work(WorkerRequest.from_json(sys.stdin.read()), node=sys.argv[1])
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        is_told = isinstance(error, ValueError | OSError)
        answer.write(str(error) if is_told else f"{type(error).__name__}: {error}")
        answer.close()
        return FAILED
    return 0


def _work(request: WorkerRequest, *, node: str) -> None:
    check_shared(node, request.project)
    os.chdir(request.project)  # Kedro looks for its logging there when it is imported
    import torch
    from kedro.framework.project import configure_project
    from kedro.framework.startup import bootstrap_project
    from kedro.utils import is_kedro_project

    from pmd_pipeline.cluster.facts import own_facts
    from pmd_pipeline.startup import prepare

    check_node(request, own_facts(node))
    torch.set_num_threads(request.num_threads)
    prepare()
    if is_kedro_project(request.project):
        bootstrap_project(Path(request.project))
    else:
        configure_project("pmd_pipeline")

    from pmd_pipeline.study_commands.project import read_project
    from pmd_pipeline.study_commands.service import run_study

    # Which of all trials are this worker's.
    logging.getLogger("pmd_pipeline.study_commands.trial").setLevel(logging.DEBUG)
    project = read_project(
        request.study,
        path=Path(request.project),
        env=request.env,
        runtime_parameters=request.runtime_parameters,
    )
    run_study(
        project,
        num_trials=request.num_trials,
        timeout_minutes=request.timeout_minutes,
        joins=True,
    )


def _take_standard_output() -> TextIO:
    """Return the standard output, for the answer alone; what is printed goes to the log."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(answer, "w")


def _interrupt_once(*_: object) -> None:
    # The host and the loss of it may both ask; a second interruption would end the first one's
    # tidying up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop() -> None:
    """End as at Ctrl-C, or at once where the main thread does not get to it."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_STOP)
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
