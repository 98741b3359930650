"""Warnings that nobody can act on are not shown, in processes that a command starts either."""

import subprocess
import sys
import warnings

import pytest

from pmd_pipeline import startup

_WARN = """
import warnings
for message in (
    "register_new_resolver() is deprecated and will be removed in a future release.",
    "One or more dataset names contain '.' characters, which is not recommended",
    "a warning of the user's own code",
):
    warnings.warn(message)
"""


def test_only_what_a_user_can_act_on_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error::BytesWarning")
    with warnings.catch_warnings():
        for _ in range(2):  # a command may start another
            startup.quiet_dependencies()
    child = subprocess.run(
        [sys.executable, "-c", _WARN], capture_output=True, text=True, timeout=60, check=True
    )
    assert child.stderr.count("UserWarning") == 1
    assert "a warning of the user's own code" in child.stderr


def test_the_users_own_filters_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error:a warning of the user")
    with warnings.catch_warnings():
        startup.quiet_dependencies()
    child = subprocess.run(
        [sys.executable, "-c", _WARN], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 1
    assert "UserWarning: a warning of the user's own code" in child.stderr
