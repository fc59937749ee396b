"""Run the app's own pipeline once in a separate process, for peers.py; print its seconds and the stored shows.

The rules are those of peer_runs.py. The Chroma server is already running, as it is beside the app.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from pipeline import BATCH, documents

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority


async def import_all(services, work, level):
    """Import all documents at this level."""
    services.gate.set_level(Priority.INGEST, level)
    report = await services.ingestion.import_documents(work, Control(), batch_size=BATCH)
    return report.ingested


async def run(work, level, url, chroma_url, directory):
    settings = load_settings(openai_base_url=url, chroma_url=chroma_url, data_dir=Path(directory))
    async with open_services(settings, warm=False) as services:
        spec = await services.ingestion._indexer.spec()
        await services.index.ensure(spec)
        await services.embedder.embed(["warm"], priority=Priority.LIVE)
        started_s = time.perf_counter()
        stored = await import_all(services, work, level)
        wall_s = time.perf_counter() - started_s
        await services.index.drop(spec)
    return {"wall_s": wall_s, "stored": stored}


if __name__ == "__main__":
    level, number, export, url, chroma_url, directory = sys.argv[1:]
    work = documents(Path(export) if export else None, int(number))
    print(json.dumps(asyncio.run(run(work, int(level), url, chroma_url, directory))))
