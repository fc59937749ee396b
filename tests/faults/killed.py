"""An import that is killed at a named point: `killed.py POINT NTH DATA_DIR EXPORT BATCH_SIZE [NAME=VALUE]…`.

It runs in a process of its own, with settings by their names. A point is a call that it makes; the process, or the
Chroma server, gets SIGKILL before or after the NTH one.
"""

import asyncio
import json
import os
import signal
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


def arm(point, nth, data_dir):
    owner, name, when = POINTS[point]
    original = getattr(owner, name)
    calls = 0

    async def watched(*args, **kwargs):
        nonlocal calls
        calls += 1
        now = calls == nth
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if now and when == "chroma":
            await args[0].start()  # the server of an earlier run may have ended itself meanwhile
            os.kill(json.loads((data_dir / "chroma" / "server.json").read_text())["pid"], signal.SIGKILL)
        result = await original(*args, **kwargs)
        if now and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, watched)


async def run(data_dir, export, batch_size, told):
    settings = load_settings(data_dir=data_dir, ingest_concurrency=3, **told)
    async with open_services(settings, warm=False) as services:
        source = SourceFile(path=export, name="export.json")
        try:
            report = await services.ingestion.run([source], Control(), batch_size=batch_size)
        except AnimeRAGError as error:
            print(json.dumps({"error": str(error)}))
            return
        told = {"ingested": report.ingested, "unchanged": report.unchanged, "stopped_by": report.stopped_by}
        if report.stopped_by:  # the store may be unable to answer for now
            print(json.dumps(told))
            return
        health = await services.maintenance.check()
        print(json.dumps({**told, "catalogue": report.catalogue, "healthy": health.healthy}))


if __name__ == "__main__":
    point, nth, data_dir, export, batch_size, *told = sys.argv[1:]
    arm(point, int(nth), Path(data_dir))
    asyncio.run(run(Path(data_dir), Path(export), int(batch_size), dict(one.split("=", 1) for one in told)))
