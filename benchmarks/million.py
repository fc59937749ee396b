"""Measure how a catalogue in PostgreSQL and a Chroma server grows: `python -m benchmarks.million --shows 1000000`.

Shows with synthetic texts go through the import's own pipeline, `Ingestion.import_documents`, from memory: without a
file and without the comparison of titles, which are looked up in the database. A simulated provider (384 numbers)
answers at once. After every `--step` shows it prints one JSON object: seconds of the step, processor seconds of each
kind of process in it, memory and disk, and the time of searches. A step that a busy server interrupts is resumed, and
`interrupted` counts that. The simulator's vectors depend on the letters of a text: those with common words are similar.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import VectorStoreError
from animerag.jobs.job import Control
from animerag.models.providers import Priority
from animerag.models.shows import Show
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.telemetry.statistics import percentile
from animerag.text.documents import Document
from animerag.vector_store.chroma_server import ServerLease
from animerag.vector_store.chroma_tenant import create_tenant
from benchmarks.cluster import Processes, serving
from tests import postgresql

DIMENSIONS, CHUNK, LEVEL, QUESTIONS, TRIES = 384, 5000, 2, 100, 10
WORDS = ("captain", "island", "storm", "letter", "garden", "robot", "festival", "teacher", "ghost", "river", "dragon")
TEXT_WORDS = 60


def shows(first, number):
    """Return shows with texts of about 600 letters."""
    chance = random.Random(first)
    for count in range(first, first + number):
        text = " ".join(f"{chance.choice(WORDS)}{chance.randrange(2000)}" for _ in range(TEXT_WORDS))
        title = f"{word(chance)} {word(chance)} {word(chance)}".title()
        year, tags = 1960 + count % 60, tuple(chance.sample(WORDS, 3))
        yield Show(id=str(count), title=title, description=text, year=year, episodes=12, tags=tags)


def word(chance):
    return "".join(chance.choice("kmnrstv") + chance.choice("aeiou") for _ in range(3))


def question(chance):
    return "the one with a " + " and a ".join(f"{chance.choice(WORDS)}{chance.randrange(2000)}" for _ in range(4))


def memory_mb(processes):
    """Return the resident memory of processes; pages that PostgreSQL's processes share count in each of them."""
    pages = sum(int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) for process in processes)
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def disk_mb(directory):
    return round(sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 2**20)


async def timed(work, questions):
    """Return the median and the 95th percentile of `work` on each question, in milliseconds."""
    seconds = []
    for each in questions:
        began_s = time.perf_counter()
        await work(each)
        seconds.append(time.perf_counter() - began_s)
    return {f"p{share}_ms": round(percentile(sorted(seconds), share) * 1000, 1) for share in (50, 95)}


async def searches(services):
    """Return the time of whole searches, and of their vector and word search."""
    spec = await services.indexer.spec()
    chance = random.Random(2)
    questions = [question(chance) for _ in range(QUESTIONS)]
    vectors = (await services.embedder.embed(questions, priority=Priority.LIVE)).vectors
    await services.retriever.search("the one with a captain and a letter")  # opens what the first search needs
    return {
        "search": await timed(services.retriever.search, questions),
        "vectors": await timed(lambda vector: services.index.query(spec, vector[None], k=10), list(vectors)),
        "words": await timed(lambda text: services.library.search_words(text, k=10), questions),
    }


@contextlib.asynccontextmanager
async def opened(directory, url, chroma_url):
    """Open the services over the stores, with a provider that answers at once."""
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0, dimensions=DIMENSIONS)) as provider:
        settings = load_settings(
            data_dir=directory / "app",
            database_url=url,
            chroma_url=chroma_url,
            openai_base_url=provider.url,
            embedding_model="simulated",
            chat_provider="local",
            ingest_concurrency=LEVEL,
            titles_in_memory=0,
        )
        async with open_services(settings, warm=False) as services:
            yield services


async def add(services, start):
    """Import the shows of one chunk, and return how often the import was interrupted."""
    documents = [Document.of(show) for show in shows(start, CHUNK)]
    for interrupted in range(TRIES):
        try:
            report = await services.ingestion.import_documents(documents, Control())
        except VectorStoreError as error:  # nothing was stored
            print(error, file=sys.stderr, flush=True)
            continue
        if report.ingested + report.unchanged == CHUNK:
            return interrupted
        print(report.stopped_by, file=sys.stderr, flush=True)
    raise SystemExit(f"The shows from {start} on could not be imported.")


async def grow(options, url, chroma_url, directory):
    chroma = serving(directory / "chroma")
    async with opened(directory, url, chroma_url) as services:
        for first in range(0, options.shows, options.step):
            began_s = time.perf_counter()
            processes = Processes(app=[os.getpid()], chroma=chroma, postgresql=serving(options.server))
            interrupted = sum([await add(services, start) for start in range(first, first + options.step, CHUNK)])
            figures = {
                "shows": first + options.step,
                "seconds": round(time.perf_counter() - began_s),
                "interrupted": interrupted,
                "cpu_s": processes.used(),
                "memory_mb": {"app": memory_mb([os.getpid()]), "chroma": memory_mb(chroma)},
                "disk_mb": {
                    "postgresql": round(await services.library.size_bytes() / 2**20),
                    "chroma": disk_mb(directory / "chroma"),
                },
            }
            print(json.dumps(figures | await searches(services)), flush=True)
        await asyncio.sleep(60 * options.hold)


async def search_only(urls):
    with tempfile.TemporaryDirectory() as name:
        async with opened(Path(name), *urls) as services:
            print(json.dumps(await searches(services)), flush=True)


async def run(options, url):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lease = ServerLease(directory / "chroma", grace_s=0.2)
        chroma_url = await lease.url()
        print(f"--search {url!r} {chroma_url}", file=sys.stderr, flush=True)
        await asyncio.to_thread(create_tenant, chroma_url, "default_tenant")
        try:
            await grow(options, url, chroma_url, directory)
        finally:
            await lease.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shows", type=int, default=1_000_000)
    parser.add_argument("--step", type=int, default=100_000)
    parser.add_argument("--hold", type=float, default=0, metavar="MINUTES", help="leave the stores running at the end")
    parser.add_argument("--search", nargs=2, metavar="URL", help="only search in these stores: PostgreSQL and Chroma")
    options = parser.parse_args()
    if options.search:
        asyncio.run(search_only(options.search))
        return
    with postgresql.running() as server, server.database() as url:
        options.server = server.directory / "data"
        asyncio.run(run(options, url))


if __name__ == "__main__":
    main()
