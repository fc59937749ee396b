"""Hosts that share a catalogue in PostgreSQL and a Chroma server, each with its own services."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile


@pytest.fixture
def host(settings, postgresql_url, chroma_index_url, tmp_path):
    """Open the services of a host with the queue; `settings` keeps the shell's variables out."""

    def opened(name, provider_url=None, **options):
        chosen = load_settings(
            data_dir=tmp_path / name,
            database_url=postgresql_url,
            chroma_url=chroma_index_url,
            engine="queue",
            openai_base_url=provider_url,
            embedding_provider="openai" if provider_url else "local",
            embedding_dimensions=64 if provider_url else None,
            chat_provider="local",
            **options,
        )
        return open_services(chosen, warm=False)

    return opened


@pytest.fixture
def serving():
    """Run a worker on a host during the block."""

    @asynccontextmanager
    async def taking(*hosts):
        tasks = [asyncio.create_task(each.worker.serve()) for each in hosts]
        try:
            async with asyncio.timeout(50):
                while len(await hosts[0].queue.workers.alive()) < len(hosts):
                    await asyncio.sleep(0.02)
                    for task in tasks:
                        assert not task.done(), task.exception()
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return taking


@pytest.fixture
def file_of(tmp_path):
    """Write an export with this number of shows and return it as a source."""

    def write(count, name="shows.json", word="sea"):
        rows = [
            {
                "AnimeID": n,
                "MainTitle": f"Show {n}",
                "AllTitles": f"Show {n}",
                "Description": f"Number {n}, the {word}.",
            }
            for n in range(1, count + 1)
        ]
        path = tmp_path / name
        path.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")
        return SourceFile(path=path, name=name)

    return write


@pytest.fixture
def process(postgresql_url, chroma_index_url, tmp_path):
    """Start a command of `animerag` as another host would."""

    async def start(name, provider_url, *arguments, **pipes):
        import os

        environment = os.environ | {
            "ANIMERAG_DATA_DIR": str(tmp_path / name),
            "ANIMERAG_DATABASE_URL": postgresql_url,
            "ANIMERAG_CHROMA_URL": chroma_index_url,
            "ANIMERAG_ENGINE": "queue",
            "ANIMERAG_EMBEDDING_DIMENSIONS": "64",
            "ANIMERAG_CHAT_PROVIDER": "local",
            "OPENAI_BASE_URL": provider_url,
        }
        command = (sys.executable, "-W", "error", "-m", "animerag", *arguments)
        return await asyncio.create_subprocess_exec(*command, env=environment, cwd=tmp_path, **pipes)

    return start


@pytest.fixture
def worker_process(process):
    """Start `animerag worker` as another host would."""

    async def start(name, provider_url, *arguments):
        return await process(name, provider_url, "worker", *arguments)

    return start


@pytest.fixture
def command(process):
    """Run a command of `animerag` as another host would, and return what it prints."""

    async def run(name, provider_url, *arguments):
        running = await process(name, provider_url, *arguments, stdout=asyncio.subprocess.PIPE)
        printed, _ = await running.communicate()
        assert running.returncode == 0
        return printed

    return run


class ChromaServer:
    """A Chroma server at an address of its own, which can be killed and started again."""

    def __init__(self, directory):
        self.directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        code = "import chromadb_rust_bindings, sys; chromadb_rust_bindings.cli(['chroma', 'run', *sys.argv[1:]])"
        options = ("--path", str(self.directory), "--host", "127.0.0.1", "--port", str(self.port))
        with (self.directory.parent / "chroma.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", code, *options], stdout=log, stderr=log)
        deadline_s = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline_s, "Chroma did not start"
            time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def _answers(self):
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="module")
def chroma_server(tmp_path_factory):
    """A Chroma server of the module's own."""
    server = ChromaServer(tmp_path_factory.mktemp("chroma") / "data")
    yield server
    server.kill()
