"""Chroma's local server: the process that owns a directory, and how its users find or start it.

`python -m animerag.vector_store.chroma_server DIR` is the server. DIR contains Chroma's `data/`, `server.lock` (held
while the process lives), `server.json` (its address, once it answers), `server.log`, and `users/` with a lock for each
user; when all of those are free, the server exits. It knows nothing of collections, and imports little so that it
starts fast and stays small.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from filelock import FileLock, Timeout

from animerag.errors import IndexBrokenError, VectorStoreError
from animerag.storage.private_files import restrict_umask
from animerag.vector_store import broken_data
from animerag.vector_store.chroma_tenant import create_tenant, rename_tenant

GRACE_S = 15.0  # longer than a restart of the app or a pause between two commands
START_LIMIT_S = 15.0  # a start takes about a second, and longer under load
_LOCK_PATIENCE_S = 2.0  # an exiting server releases the lock within this time; a test of the lock takes microseconds
_HEARTBEAT_S = 2.0
_STARTING_TICK_S = 0.1
_RUNNING_TICK_S = 0.5
_CLIENT_TICK_S = 0.05
_SHUTDOWN_S = 10.0
_PORT_TRIES = 10
_LOG_BYTES = 4 * 2**20  # Chroma writes about 3 kB per request
_IN_USE = 3  # exit code: another process has this directory open
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)


class ServerAddress(NamedTuple):
    """A server's address and the tenant of the index; None for a server that an earlier version started."""

    url: str
    tenant: str | None


class ServerFiles:
    """The files in a server's directory."""

    def __init__(self, directory: Path) -> None:
        self.root = directory.absolute()
        self.data = self.root / "data"
        self.lock = self.root / "server.lock"
        self.address = self.root / "server.json"
        self.tenants = self.root / "server.tenants"
        self.broken = self.root / "server.broken"  # a user has reported damaged data: the next start moves it aside
        self.log = self.root / "server.log"
        self.users = self.root / "users"

    def live_url(self) -> str | None:
        """Return the address of the running server of this directory, or None."""
        live = self.live()
        return live.url if live else None

    def live(self) -> ServerAddress | None:
        """Return the address and tenant of the running server of this directory, or None."""
        # Check the lock first: its holder removes the address of a dead server, whose port others may use now.
        if not self.address.exists() or self.broken.exists() or _is_free(self.lock):
            return None
        try:
            written = json.loads(self.address.read_text("utf-8"))
            address = ServerAddress(str(written["url"]), written.get("tenant"))
        except (OSError, ValueError, KeyError):
            return None
        return address if _answers(address.url) else None

    def last_words(self) -> str:
        """Return the last line of the server's log."""
        text = self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""
        lines = [line.strip() for line in _COLOURS.sub("", text).splitlines()]
        return next((line.rstrip(".") for line in reversed(lines) if line), "it wrote nothing")


class ServerLease:
    """One user's claim on a directory's server: the server stays up while the claim is held.

    Creating it costs nothing; the first `url()` takes the user's lock and finds or starts the server.
    """

    def __init__(self, directory: Path, *, grace_s: float = GRACE_S) -> None:
        self._files = ServerFiles(directory)
        self._grace_s = grace_s
        self._user: FileLock | None = None
        self._turn = threading.Lock()
        self._released = threading.Event()

    async def url(self) -> str:
        """Return the address of a running server, and start one if there is none; call again after a crash.

        Raises VectorStoreError if it does not answer within `START_LIMIT_S`, or if the lease is released.
        """
        return (await self.address()).url

    async def address(self) -> ServerAddress:
        """Return the address as `url` does, with the tenant."""
        return await asyncio.to_thread(self._find_or_start)

    async def report_broken(self, reason: str) -> None:
        """Report damaged data: the running server ends, and the next one moves the data aside and starts with none.

        Raises VectorStoreError.
        """
        await asyncio.to_thread(self._report_broken, reason)

    def _report_broken(self, reason: str) -> None:
        try:
            self._files.root.mkdir(parents=True, exist_ok=True)
            self._files.broken.write_text(reason, "utf-8")
        except OSError as error:
            raise VectorStoreError(
                f"Chroma's directory {self._files.root} cannot be written: {error.strerror}. Check its permissions."
            ) from error

    async def end_server(self) -> None:
        """End the running server; the next call of any user starts a new one."""
        await asyncio.to_thread(self._end_server)

    def _end_server(self) -> None:
        if _is_free(self._files.lock):
            return  # the address belongs to a dead server, and its process id may be in use by another program
        with suppress(OSError, ValueError, KeyError):
            pid = int(json.loads(self._files.address.read_text("utf-8"))["pid"])
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    async def release(self) -> None:
        """Give up the claim; also stops a waiting `url()`."""
        self._released.set()
        await asyncio.to_thread(self._let_go)

    def _find_or_start(self) -> ServerAddress:
        with self._turn:
            try:
                self._hold()
                return self._wait_for_server()
            except OSError as error:
                reason = error.strerror or error
                raise VectorStoreError(f"Chroma's directory {self._files.root} cannot be used: {reason}.") from error

    def _hold(self) -> None:
        # A server may delete a lock file between its creation and our lock; a deleted file protects nothing.
        while self._user is None or not Path(self._user.lock_file).exists():
            self._files.users.mkdir(parents=True, exist_ok=True)
            self._user = FileLock(self._files.users / f"{uuid4()}.lock", thread_local=False)
            self._user.acquire(timeout=_LOCK_PATIENCE_S)

    def _wait_for_server(self) -> ServerAddress:
        deadline = time.monotonic() + START_LIMIT_S
        process: subprocess.Popen[bytes] | None = None
        crashes = 0
        while not self._released.is_set():
            if (live := self._files.live()) is not None:
                return live
            code = process.poll() if process else None
            crashes += code not in (None, 0, _IN_USE)
            # One crash may be a coincidence, such as a port released late; two mean a problem with the directory.
            if crashes > 1 or time.monotonic() > deadline:
                kind = IndexBrokenError if crashes > 1 else VectorStoreError
                raise kind(
                    f"Chroma could not be started on {self._files.data}: {self._files.last_words()}. "
                    f"See {self._files.log}."
                )
            if process is None or code is not None:
                process = _spawn(self._files, self._grace_s)
            self._released.wait(_CLIENT_TICK_S)
        raise VectorStoreError("The Chroma server is no longer needed.")

    def _let_go(self) -> None:
        with self._turn:
            if self._user is not None:
                _remove(self._user)
                self._user = None


def _spawn(files: ServerFiles, grace_s: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "animerag.vector_store.chroma_server", str(files.root), "--grace", str(grace_s)]
    with files.log.open("ab") as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                cwd=Path(__file__).parents[2],  # `animerag` can be imported here, whatever the caller's directory
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the app must not end a server that others use
                creationflags=_WINDOWS_FLAGS,
            )
        except OSError as error:
            reason = error.strerror or error
            raise VectorStoreError(f"Chroma could not be started by {sys.executable}: {reason}.") from error
    # The server may outlive us or end before us; in that case its exit code has to be collected.
    threading.Thread(target=process.wait, name="animerag-chroma-wait", daemon=True).start()
    return process


class _Server:
    """Chroma in this process, and a thread that publishes its address and ends it after its last user has left."""

    def __init__(self, files: ServerFiles, grace_s: float) -> None:
        self._files = files
        self._grace_s = grace_s
        self._tenant = ""
        self._url: str | None = None
        self._announced = False

    def run(self, first_port: int | None) -> None:
        """Serve until the process is asked to end. Raises Chroma's error if it cannot open its data."""
        import chromadb_rust_bindings

        self._tenant = rename_tenant(self._files.data, self._files.tenants)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        port = first_port or _free_port()
        for _ in range(_PORT_TRIES):
            self._url = f"http://127.0.0.1:{port}"
            options = ["--path", str(self._files.data), "--host", "127.0.0.1", "--port", str(port)]
            chromadb_rust_bindings.cli(["chroma", "run", *options])
            # It returns both when it was asked to end and when the port is taken.
            if self._announced or not _is_used(port):
                return
            self._url = None
            port = _free_port()
        sys.exit("Every port that was tried is taken")

    def _watch(self) -> None:
        last_seen = time.monotonic()
        while True:
            self._announce_after_a_tick()
            _trim_log()
            if self._files.broken.exists():
                self._end_now()
            if _anybody(self._files.users):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen >= self._grace_s:
                self._end()

    def _announce_after_a_tick(self) -> None:
        url = self._url
        time.sleep(_RUNNING_TICK_S if self._announced else _STARTING_TICK_S)
        # Chroma rejects a busy port within milliseconds, so after this tick an answer at the address is our own.
        if self._announced or url is None or not _answers(url) or url != self._url:
            return
        if create_tenant(url, self._tenant):
            with suppress(OSError):  # on Windows a reader may have the file open; the next tick retries
                self._announce(url)

    def _announce(self, url: str) -> None:
        draft = self._files.address.with_suffix(".new")
        draft.write_text(
            json.dumps({"url": url, "tenant": self._tenant, "pid": os.getpid(), "started": time.time()}), "utf-8"
        )
        draft.replace(self._files.address)
        self._announced = True

    def _end(self) -> None:
        """End the process, unless a user has just arrived: users take their lock before they read the address."""
        try:
            self._files.address.unlink(missing_ok=True)
        except OSError:
            return
        if _anybody(self._files.users):
            self._announced = False
            return
        self._end_now()

    def _end_now(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # Chroma finishes its current requests and returns to `run`
        time.sleep(_SHUTDOWN_S)
        os._exit(1)


def _anybody(users: Path) -> bool:
    held = [path for path in users.glob("*.lock") if not _is_free(path, remove=True)]
    return bool(held)


def _is_free(path: Path, *, remove: bool = False) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except OSError:  # locked, or not accessible
        return False
    if remove:
        _remove(lock)
    else:
        lock.release()
    return True


def _remove(lock: FileLock) -> None:
    # Removed while locked, so that no process can lock a deleted file; Windows removes it on release.
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _answers(url: str) -> bool:
    from http.client import HTTPConnection, HTTPException  # ignores proxies from the environment

    connection = HTTPConnection(urlsplit(url).netloc, timeout=_HEARTBEAT_S)
    try:
        connection.request("GET", "/api/v2/heartbeat")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    # Chroma accepts port 0 but does not report the port it got.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_used(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _redirect_output(log_path: Path) -> None:
    with log_path.open("ab") as log:
        os.ftruncate(log.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _trim_log() -> None:
    if os.fstat(1).st_size > _LOG_BYTES:
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)


def _move_broken_data(files: ServerFiles) -> None:
    reason = broken_data.reason_to_move(files.data, files.broken)
    if reason is None:
        return
    try:
        moved = broken_data.move_aside(files.root, files.data)
        files.broken.unlink(missing_ok=True)
    except OSError as error:
        sys.exit(f"Chroma's data is broken ({reason}) and cannot be moved aside: {error.strerror}")
    if moved:
        sys.stdout.write(f"Chroma's data is broken ({reason}): it was moved to {moved}\n")
        sys.stdout.flush()


def main() -> None:
    """Serve the directory from the command line; exit quietly if another process already serves it."""
    parser = argparse.ArgumentParser(description="Serve a Chroma directory until its last user has left.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--grace", type=float, default=GRACE_S, help="seconds without users before it ends")
    parser.add_argument("--port", type=int, help="the first port to try; a free one otherwise")
    options = parser.parse_args()
    restrict_umask()
    files = ServerFiles(options.directory)
    files.users.mkdir(parents=True, exist_ok=True)
    lock = FileLock(files.lock)
    try:
        lock.acquire(timeout=_LOCK_PATIENCE_S)
    except Timeout:
        sys.exit(_IN_USE)
    files.address.unlink(missing_ok=True)
    _redirect_output(files.log)
    _move_broken_data(files)
    _Server(files, options.grace).run(options.port)
    files.address.unlink(missing_ok=True)
    os._exit(0)  # release the lock with the process, not during the interpreter's clean-up


if __name__ == "__main__":
    main()
