"""How commands are stopped from outside."""

import signal
from typing import NoReturn


def stop_at_sigterm_as_at_ctrl_c() -> None:
    """Have SIGTERM, with which a cluster's scheduler stops jobs, raise KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
