"""Fixtures for the readers: read or detect a file with given bytes."""

import os
from pathlib import Path

import pytest

from animerag import readers
from animerag.readers import ReadOptions


@pytest.fixture
def stored(tmp_path):
    """Store bytes under a neutral name, like an upload."""

    def store(data):
        path = tmp_path / "stored"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return store


@pytest.fixture
def read_bytes(stored):
    """Read a whole file with these bytes."""

    def read(data, *, name="file", **options):
        return list(readers.read(stored(data), name, ReadOptions(**options)))

    return read


@pytest.fixture
def detect_bytes(stored):
    """Detect the format of a file with these bytes."""

    def detect(data, *, name="file", **options):
        return readers.detect(stored(data), name, ReadOptions(**options))

    return detect


@pytest.fixture
def memory_mb():
    """Return the resident memory of this process in MB."""

    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    return resident
