"""Addresses in memory, where accidents are arranged."""

from collections.abc import Iterator

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pmd_pipeline.remote.folder import RemoteFolder


@pytest.fixture
def folder() -> Iterator[RemoteFolder]:
    """An empty folder at an address."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield RemoteFolder("memory://bucket/base")
    MemoryFileSystem.store.clear()
