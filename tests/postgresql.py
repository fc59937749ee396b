"""A PostgreSQL server for the test session, on a socket in a temporary directory, and a database for each test."""

import asyncio
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg

from animerag.storage.library import Library

_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"
_TEMPLATE = "template_of_tests"
_RULES = "local all locked scram-sha-256\nlocal all all trust\nhost all all samenet trust\n"


def programs():
    """Return the directory of PostgreSQL's programs; None if it is not installed."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if found := shutil.which("pg_ctl"):
        places.append(Path(found).resolve().parent)
    return next((place for place in places if (place / "initdb").exists()), None)


class Server:
    """A running server; its rules ask only the user `locked` for a password. `address` is its address in a network."""

    def __init__(self, bin_dir, directory, address=""):
        self._bin, self.directory, self._address = bin_dir, directory, address
        self._user = "nobody" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
        self._numbers = itertools.count()

    def prepare(self):
        locale = ("--locale-provider=icu", "--icu-locale=en-US")  # unlike SQLite, unless a query says how to sort
        self._run("initdb", "-E", "UTF8", *locale, "-U", "animerag", "-A", "trust", "--no-sync")
        (self.directory / "data" / "pg_hba.conf").write_text(_RULES, encoding="utf-8")
        self.start()
        asyncio.run(self._template())

    def watched(self):
        """Return a process that stops the server and removes its files when its input ends."""
        if self._user:
            os.chown(self.directory, pwd.getpwnam(self._user).pw_uid, -1)
        script = 'read -r _; "$1/pg_ctl" -D "$2/data" -m immediate stop; rm -rf "$2"'
        return subprocess.Popen(
            ["sh", "-c", script, "sh", str(self._bin), str(self.directory)],
            user=self._user,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self):
        places = f"-c unix_socket_directories={self.directory} -c listen_addresses='{self._address}'"
        options = f"{_FAST} {places}"
        self._run("pg_ctl", "-w", "-l", self.directory / "log", "-o", options, "start")

    def stop(self, mode="fast"):
        """Stop the server; in the mode `immediate` it does not write what it has in memory."""
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def url(self, database, user="animerag"):
        return f"postgresql://{user}@/{database}?host={self.directory}"

    @contextmanager
    def database(self):
        """Yield the URL of a new database with an empty library, and drop it at the end."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        try:
            yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def sql(self, statement, database="postgres"):
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    async def _template(self):
        self.sql(f"CREATE DATABASE {_TEMPLATE}")
        library = await Library.open(self.url(_TEMPLATE))
        await library.close()
        self.sql("DELETE FROM facts WHERE key = 'library_id'", _TEMPLATE)

    def _run(self, program, *arguments):
        command = [self._bin / program, "-D", self.directory / "data", *arguments]
        with (self.directory / "programs.log").open("ab") as log:  # a server would hold a pipe open
            done = subprocess.run(
                list(map(str, command)),
                user=self._user,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                timeout=50,
            )
        if done.returncode:
            raise RuntimeError((self.directory / "programs.log").read_text(encoding="utf-8"))


@contextmanager
def running(address=""):
    """Yield a server that runs during the block, and ends with this process in any case."""
    directory = Path(tempfile.mkdtemp(prefix="animerag-pg-"))
    directory.chmod(0o700)
    server = Server(programs(), directory, address)
    watch = server.watched()
    try:
        server.prepare()
        yield server
    finally:
        watch.stdin.close()
        watch.wait(50)
        shutil.rmtree(directory, ignore_errors=True)
