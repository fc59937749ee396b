"""Hosts that vanish without closing their connections, as in a power failure."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from animerag.storage.library import Library
from tests import postgresql
from tests.rate_limits.namespaces import disconnect, namespaces

ROOT = Path(__file__).parents[2]


@pytest.fixture
def network(postgresql_server):
    """The command that starts a program on another host, and a database's URL here and there.

    `postgresql_server` skips the test where PostgreSQL is not installed.
    """
    with namespaces(1) as ((place,), address):
        if not place:
            pytest.skip("a network that can be cut needs root and `ip`: the test did not run")
        with postgresql.running(address) as server, server.database() as url:
            yield place, url, url.replace("@/", f"@{address}:5432/").partition("?")[0]


@pytest.mark.long
async def test_the_lease_and_the_write_lock_of_a_host_that_vanishes_are_free_within_15_seconds(network, tmp_path):
    place, url, remote = network
    command = (*place, sys.executable, "-m", "tests.work_queue.vanishing", remote)
    host = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    library = await Library.open(url)
    locks = await library.locks(tmp_path)
    try:
        lease = (await asyncio.to_thread(host.stdout.readline)).strip()
        assert not locks.is_free(lease)
        disconnect(place)
        cut_s = time.monotonic()
        async with asyncio.timeout(30), library.writing():  # waits for the transaction of the host
            written_s = time.monotonic() - cut_s
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(locks.is_free, lease):
                await asyncio.sleep(0.1)
        free_s = time.monotonic() - cut_s
    finally:
        locks.close()
        await library.close()
        host.kill()
        host.communicate()
    assert max(written_s, free_s) < 15
