"""Imports in separate processes, each killed at a named point: `killed.py` reads requests, a line of JSON each.

A request is [POINT, NTH, DATA_DIR, EXPORT, BATCH_SIZE, {NAME: VALUE}], the last one settings. A point is a call of the
import; the process, or the Chroma server, gets SIGKILL before or after the NTH one. The reply is a line as well: [exit
status, the report of the import or null]. Each process is forked from this one, which has loaded all modules: loading
them costs more than the import.
"""

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import AnimeRAGError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.providers.openai import OpenAIEmbedder
from animerag.storage import full_text
from animerag.storage.library import Library
from animerag.storage.vectors import EmbeddingStore
from animerag.vector_store.chroma import ChromaIndex

POINTS = {
    "before embedding": (OpenAIEmbedder, "embed", "before"),
    "after embedding": (OpenAIEmbedder, "embed", "after"),
    "vectors kept": (EmbeddingStore, "save", "after"),
    "before writing": (ChromaIndex, "upsert", "before"),
    "written, not noted": (ChromaIndex, "upsert", "after"),
    "inside the commit": (full_text, "put", "after"),
    "acknowledged": (Library, "store", "after"),
    "chroma dies": (ChromaIndex, "upsert", "chroma"),
    "never": (Library, "store", "never"),
}


class Writes:
    """The writes to Chroma that are in flight.

    Chroma finishes a write after its sender has died, a moment later than the caller looks. So a process is killed when
    its writes have either arrived or not begun.
    """

    def __init__(self):
        self.in_flight = 0
        self.ended = asyncio.Event()

    def watch(self, upsert):
        @functools.wraps(upsert)
        async def watched(*args, **kwargs):
            self.in_flight += 1
            try:
                return await upsert(*args, **kwargs)
            finally:
                self.in_flight -= 1
                self.ended.set()

        return watched

    async def none(self):
        while self.in_flight:
            self.ended.clear()
            await self.ended.wait()


def arm(point, nth, data_dir):
    owner, name, when = POINTS[point]
    writes, calls = Writes(), 0
    ChromaIndex.upsert = writes.watch(ChromaIndex.upsert)
    original = getattr(owner, name)

    async def watched(*args, **kwargs):
        nonlocal calls
        calls += 1
        now = calls == nth
        if now and when == "before":
            await writes.none()
            os.kill(os.getpid(), signal.SIGKILL)
        if now and when == "chroma":
            await args[0].start()  # the server of an earlier run may have ended itself meanwhile
            os.kill(json.loads((data_dir / "chroma" / "server.json").read_text())["pid"], signal.SIGKILL)
        result = await original(*args, **kwargs)
        if now and when == "after":
            await writes.none()
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, watched)


async def run(data_dir, export, batch_size, options):
    settings = load_settings(data_dir=data_dir, ingest_concurrency=3, **options)
    async with open_services(settings, warm=False) as services:
        source = SourceFile(path=export, name="export.json")
        try:
            report = await services.ingestion.run([source], Control(), batch_size=batch_size)
        except AnimeRAGError as error:
            return {"error": str(error)}
        options = {"ingested": report.ingested, "unchanged": report.unchanged, "stopped_by": report.stopped_by}
        if report.stopped_by:  # the store may be temporarily unavailable
            return options
        health = await services.maintenance.check()
        return {**options, "catalogue": report.catalogue, "healthy": health.healthy}


def forked(request):
    """Run one import in a child and return its exit status and report."""
    point, nth, data_dir, export, batch_size, options = request
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        arm(point, nth, Path(data_dir))
        report = asyncio.run(run(Path(data_dir), Path(export), batch_size, options))
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, json.loads(report) if report else None


class Importer:
    """The caller's side: a server that forks imports, one at a time."""

    def __init__(self):
        command = [sys.executable, __file__]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._server = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, point, nth, data_dir, export, batch_size, **options):
        """Return the exit status of an import, negative for the signal that ended it, and its report or None."""
        request = [point, nth, str(data_dir), str(export), batch_size, options]
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self):
        self._server.communicate(timeout=20)


def serve():
    for line in sys.stdin:
        print(json.dumps(forked(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
