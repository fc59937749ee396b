"""The server process and its users, with real processes throughout."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from animerag.errors import VectorStoreError
from animerag.vector_store import chroma_server
from animerag.vector_store.chroma import ChromaIndex
from animerag.vector_store.chroma_server import ServerFiles, ServerLease

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "animerag.vector_store.chroma_server"]
USER = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
import asyncio, sys
from pathlib import Path
from animerag.vector_store.chroma_server import ServerLease

async def main():
    lease = ServerLease(Path(sys.argv[1]), grace_s=float(sys.argv[2]))
    print(await lease.url(), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await lease.release()

asyncio.run(main())
"""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process groups")


@contextmanager
def user_process(directory, grace_s=1.0):
    command = [sys.executable, "-c", USER, str(directory), str(grace_s)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        yield process


@asynccontextmanager
async def lease_on(directory, grace_s=1.0):
    """A lease whose server ends with the block."""
    lease = ServerLease(directory, grace_s=grace_s)
    try:
        yield lease
    finally:
        await lease.release()
        await server_gone(directory)


def is_served(directory):
    lock = FileLock(ServerFiles(directory).lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


async def eventually(condition, within_s=30.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)


async def server_gone(directory):
    await eventually(lambda: not is_served(directory))


def pid_of(directory):
    return json.loads(ServerFiles(directory).address.read_text("utf-8"))["pid"]


async def kill_hard(directory):
    os.kill(pid_of(directory), signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    await server_gone(directory)


async def start_and_crash(directory, times):
    for _ in range(times):
        lease = ServerLease(directory, grace_s=1)

        url = await lease.url()

        assert ServerFiles(directory).live_url() == url
        await lease.release()
        await kill_hard(directory)
        assert ServerFiles(directory).address.exists()
        assert ServerFiles(directory).live_url() is None


async def test_a_server_starts_in_a_new_directory_and_after_a_crash(tmp_path):
    await start_and_crash(tmp_path, times=2)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_twenty_of_twenty_cold_starts_succeed(tmp_path):
    await start_and_crash(tmp_path, times=20)


async def test_a_lease_starts_the_server_again_after_a_crash(tmp_path):
    async with lease_on(tmp_path) as lease:
        first = await lease.url()
        await kill_hard(tmp_path)

        second = await lease.url()

        assert second != first
        assert ServerFiles(tmp_path).live_url() == second


async def test_two_users_in_one_process_share_a_server(tmp_path):
    async with lease_on(tmp_path) as one, lease_on(tmp_path) as other:
        urls = await asyncio.gather(one.url(), other.url())
        await one.release()

        assert urls[0] == urls[1] == ServerFiles(tmp_path).live_url()
        await other.release()


@pytest.mark.parametrize("crashed_before", [False, True])
async def test_processes_that_start_at_once_end_up_with_one_server(tmp_path, crashed_before):
    if crashed_before:
        await start_and_crash(tmp_path, times=1)

    with user_process(tmp_path) as one, user_process(tmp_path) as other:
        urls = [await asyncio.to_thread(user.stdout.readline) for user in (one, other)]

        assert urls[0] == urls[1] == ServerFiles(tmp_path).live_url() + "\n"
        if sys.platform == "linux":
            await eventually(lambda: processes_on(tmp_path) == [pid_of(tmp_path)])
        one.communicate("\n", timeout=10)
        other.communicate("\n", timeout=10)
    await server_gone(tmp_path)


def processes_on(directory):
    """Ids of the server processes started for this directory, dead ones that nobody collected apart."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in words and "animerag.vector_store.chroma_server" in words:
            found.append(int(command.parent.name))
    return found


async def losers_gone(directory):
    """Servers that wait for a lock which this test holds give up before it lets go."""
    await eventually(lambda: sys.platform != "linux" or not processes_on(directory))


async def test_a_directory_that_is_served_is_not_opened_again(tmp_path):
    async with lease_on(tmp_path) as lease:
        await lease.url()
        before = ServerFiles(tmp_path).address.read_text("utf-8")

        second = await asyncio.to_thread(
            subprocess.run, [*SERVER, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=30, check=False
        )

        assert (second.returncode, second.stdout, second.stderr) == (3, b"", b"")
        assert ServerFiles(tmp_path).address.read_text("utf-8") == before
        assert ServerFiles(tmp_path).live_url() is not None


@posix_only
async def test_ctrl_c_at_the_starter_does_not_stop_the_server(tmp_path):
    with user_process(tmp_path, grace_s=2) as starter:
        url = (await asyncio.to_thread(starter.stdout.readline)).strip()
        async with lease_on(tmp_path) as lease:
            assert await lease.url() == url

            os.killpg(starter.pid, signal.SIGINT)
            starter.communicate(timeout=10)

            assert starter.returncode != 0
            assert ServerFiles(tmp_path).live_url() == url


async def test_the_server_ends_when_its_last_user_releases_it(tmp_path):
    files = ServerFiles(tmp_path)
    one, other = ServerLease(tmp_path, grace_s=0.5), ServerLease(tmp_path, grace_s=0.5)
    await asyncio.gather(one.url(), other.url())

    await one.release()
    held_until = time.monotonic() + 2
    while time.monotonic() < held_until:
        assert is_served(tmp_path)
        await asyncio.sleep(0.1)
    await other.release()

    await server_gone(tmp_path)
    assert not files.address.exists()
    assert list(files.users.iterdir()) == []


async def test_the_server_ends_when_its_last_user_is_killed(tmp_path):
    with user_process(tmp_path, grace_s=0.5) as user:
        await asyncio.to_thread(user.stdout.readline)

        user.kill()

    await server_gone(tmp_path)
    assert list(ServerFiles(tmp_path).users.iterdir()) == []


async def test_a_user_who_arrives_during_the_grace_period_keeps_the_server(tmp_path):
    first = ServerLease(tmp_path, grace_s=2)
    url = await first.url()
    await first.release()

    async with lease_on(tmp_path) as second:
        assert await second.url() == url


async def test_a_port_taken_before_chroma_opens_it_is_replaced(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        command = [*SERVER, str(tmp_path), "--grace", "5", "--port", str(port)]
        with subprocess.Popen(command, cwd=ROOT) as process:
            await eventually(lambda: is_served(tmp_path))
            async with lease_on(tmp_path) as lease:
                url = await lease.url()

                assert not url.endswith(f":{port}")
                assert pid_of(tmp_path) == process.pid


async def test_the_address_of_a_dead_server_is_ignored_if_another_program_answers(tmp_path, chroma_index_url):
    stale = {"url": chroma_index_url, "pid": 1, "started": 0}
    ServerFiles(tmp_path).address.write_text(json.dumps(stale), "utf-8")

    async with lease_on(tmp_path) as lease:
        assert await lease.url() != chroma_index_url


async def test_a_server_that_cannot_open_its_data_gives_its_reason_in_time(tmp_path):
    ServerFiles(tmp_path).data.write_text("not a directory", "utf-8")
    started = time.monotonic()

    async with lease_on(tmp_path) as lease:
        with pytest.raises(VectorStoreError, match=r"^Chroma could not be started on .*data: .*Error.*\. See .*log\.$"):
            await lease.url()

    assert time.monotonic() - started < chroma_server.START_LIMIT_S + 5


async def test_a_file_in_place_of_the_directory_gives_a_clear_error(tmp_path):
    (tmp_path / "chroma").write_text("a file", "utf-8")
    lease = ServerLease(tmp_path / "chroma")

    with pytest.raises(VectorStoreError, match=r"cannot be used: .*\.$"):
        await lease.url()
    await lease.release()


async def test_the_wait_for_a_silent_server_ends_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(chroma_server, "START_LIMIT_S", 1.0)
    lease = ServerLease(tmp_path)

    with FileLock(ServerFiles(tmp_path).lock):
        with pytest.raises(VectorStoreError, match="could not be started"):
            await lease.url()
        await losers_gone(tmp_path)
    await lease.release()


async def test_releasing_a_lease_ends_its_wait(tmp_path):
    lease = ServerLease(tmp_path)

    with FileLock(ServerFiles(tmp_path).lock):
        waiting = asyncio.create_task(lease.url())
        await eventually(lambda: list(ServerFiles(tmp_path).users.glob("*.lock")))
        await lease.release()

        with pytest.raises(VectorStoreError, match="no longer needed"):
            await waiting
        await losers_gone(tmp_path)


async def test_closing_an_index_cancels_a_start_in_progress(tmp_path):
    index = ChromaIndex(tmp_path)

    with FileLock(ServerFiles(tmp_path).lock):
        starting = asyncio.create_task(index.start())
        await eventually(lambda: list(ServerFiles(tmp_path).users.glob("*.lock")))
        async with asyncio.timeout(5):
            await index.close()

        with pytest.raises(VectorStoreError):
            await starting
        await losers_gone(tmp_path)


async def test_a_lease_whose_lock_was_deleted_takes_another(tmp_path):
    async with lease_on(tmp_path, grace_s=2) as lease:
        url = await lease.url()
        for lock in ServerFiles(tmp_path).users.iterdir():
            lock.unlink()

        assert await lease.url() == url
        assert len(list(ServerFiles(tmp_path).users.iterdir())) == 1


async def test_an_interpreter_that_cannot_be_started_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    lease = ServerLease(tmp_path / "chroma")
    with pytest.raises(VectorStoreError, match=r"could not be started by .*nothing"):
        await lease.url()
    await lease.release()


def ask(url, path, body=None):
    """Send a request to a Chroma server; return the status and the body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


async def test_the_index_is_not_listed_without_the_secret_tenant(tmp_path):
    collections = "/api/v2/tenants/{}/databases/default_database/collections"
    names = []
    for start in range(3):
        async with lease_on(tmp_path) as lease:
            url, tenant = await lease.address()
            if not start:
                assert ask(url, collections.format(tenant), {"name": "shows"})[0] == 200
            status, found = ask(url, collections.format(tenant))
            assert (status, [one["name"] for one in found]) == (200, ["shows"])
            for stranger in ("default_tenant", "%25", *names):
                status, found = ask(url, collections.format(stranger))
                assert status != 200 or found == [], stranger
                assert ask(url, collections.format(stranger) + "/shows")[0] != 200
            assert ask(url, "/api/v2/tenants")[0] != 200  # tenants cannot be listed
            assert tenant not in json.dumps(ask(url, "/api/v2/auth/identity"))
            names.append(tenant)
    assert len(set(names)) == 3
    assert all(len(name) > 40 for name in names)


async def test_an_index_of_an_earlier_version_is_opened_again(tmp_path):
    collections = "/api/v2/tenants/{}/databases/default_database/collections"
    async with lease_on(tmp_path) as lease:
        url, _ = await lease.address()
        assert ask(url, collections.format("default_tenant"), {"name": "shows"})[0] == 200  # as in earlier versions
        ServerFiles(tmp_path).tenants.unlink()
    async with lease_on(tmp_path) as lease:
        url, tenant = await lease.address()
        assert [one["name"] for one in ask(url, collections.format(tenant))[1]] == ["shows"]
        assert ask(url, collections.format("default_tenant"))[1] == []


async def test_a_crash_while_the_tenant_is_renamed_loses_nothing(tmp_path):
    collections = "/api/v2/tenants/{}/databases/default_database/collections"
    async with lease_on(tmp_path) as lease:
        url, tenant = await lease.address()
        assert ask(url, collections.format(tenant), {"name": "shows"})[0] == 200
    record = ServerFiles(tmp_path).tenants
    record.write_text(json.dumps(["never-got-in", *json.loads(record.read_text("utf-8"))]), "utf-8")
    async with lease_on(tmp_path) as lease:
        url, tenant = await lease.address()
        assert [one["name"] for one in ask(url, collections.format(tenant))[1]] == ["shows"]
