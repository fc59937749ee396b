"""Imports that can be killed, in separate processes."""

import pytest

from tests.faults.killed import Importer


@pytest.fixture(scope="session")
def importer():
    """Run imports in other processes: `importer.run(point, nth, data_dir, export, batch_size, **settings)`."""
    server = Importer()
    yield server
    server.close()
