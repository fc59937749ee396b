"""Measure the rate and the memory of `animerag ingest` as a catalogue grows, beside a bare Chroma writer.

    .venv/bin/python benchmarks/growth.py --shows 10000
    .venv/bin/python benchmarks/growth.py --shows 100000 --dim 384

The import runs in a separate process with a simulated provider; its progress is read from its library. The bare writer
then sends the same number of vectors, 500 per request, to a Chroma server of the same kind.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import chromadb
import numpy as np
import psycopg

from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.vector_store.chroma_server import ServerLease
from animerag.vector_store.chroma_tenant import create_tenant

WRITE = 500  # documents in one write of the bare writer
PARTS = 10
FEW = 50  # shows of the small import whose memory is the baseline
MODEL = {"ANIMERAG_EMBEDDING_MODEL": "simulated"}  # a model with unknown dimensions
WORDS = ["captain", "island", "storm", "letter", "garden", "robot", "festival", "teacher", "ghost", "river", "dragon"]


def generate(path, number, words):
    """Write shows as JSON lines, each with its own text."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for n in range(number):
            description = " ".join(f"{chance.choice(WORDS)}{chance.randrange(2000)}" for _ in range(words))
            show = {
                "id": str(n),
                "title": f"Voyage {n}",
                "description": description,
                "year": 1960 + n % 60,
                "episodes": 12,
            }
            file.write(json.dumps({**show, "tags": chance.sample(WORDS, 3)}) + "\n")


async def ingest(path, data_dir, url, number, database=None):
    """Run the import into SQLite, or into a PostgreSQL database by its URL.

    Return samples of (seconds, shows), and the peak of its resident memory in MB.
    """
    environment = {**os.environ, "ANIMERAG_DATA_DIR": str(data_dir), "OPENAI_BASE_URL": url, **MODEL}
    if database:
        environment["ANIMERAG_DATABASE_URL"] = database
    command = [sys.executable, "-m", "animerag", "ingest", str(path), "--concurrency", "10", "--json"]
    started_s = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
    )
    output = asyncio.create_task(process.communicate())
    track, peak_mb = [], 0.0
    while not output.done():
        await asyncio.wait([output], timeout=0.5)
        now_mb = memory_mb(process.pid)
        if now_mb is not None:
            peak_mb = max(peak_mb, now_mb)
        shows = indexed_in_postgresql(database) if database else indexed_in_sqlite(data_dir / "library.db")
        track.append((time.perf_counter() - started_s, shows))
    report = json.loads((await output)[0])
    if (report["ingested"], report["read"]) != (number, number):
        raise SystemExit(f"not everything went in: {report}")
    return [(at_s, shows) for at_s, shows in track if shows], peak_mb


def memory_mb(pid):
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def indexed_in_sqlite(path):
    """Return the number of indexed shows, or None before the library exists."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM indexed").fetchone()[0]
    except sqlite3.Error:
        return None


def indexed_in_postgresql(url):
    """Return the number of indexed shows in PostgreSQL, or None before the library exists."""
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT count(*) FROM indexed").fetchone()[0]
    except psycopg.Error:
        return None


def rates(track, number):
    """Return shows per second in each tenth of the import."""
    first_seen = {shows: at_s for at_s, shows in reversed(track)}  # after the last show, every vector is looked up
    shows, seconds = zip((0, track[0][0]), *sorted(first_seen.items()), strict=True)
    at = np.interp([number * part / PARTS for part in range(PARTS + 1)], shows, seconds)
    return [round(number / PARTS / (after - before)) for before, after in itertools.pairwise(at)]


async def bare(directory, number, dimensions):
    """Return the shows per second of a plain client in each tenth."""
    lease = ServerLease(directory)
    url = await lease.url()
    create_tenant(url, "default_tenant")
    host, port = url.removeprefix("http://").split(":")
    track = await asyncio.to_thread(write, host, int(port), number, dimensions)
    await lease.release()
    return rates(track, number)


def write(host, port, number, dimensions):
    client = chromadb.HttpClient(host=host, port=port)
    settings = {"hnsw": {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 200}}
    collection = client.create_collection("bare", configuration=settings, embedding_function=None)
    numbers = np.random.default_rng(0)
    track, started_s = [(0.0, 0)], time.perf_counter()
    for start in range(0, number, WRITE):
        ids = [str(n) for n in range(start, min(start + WRITE, number))]
        vectors = numbers.standard_normal((len(ids), dimensions)).astype(np.float32)
        collection.upsert(ids=ids, embeddings=vectors, metadatas=[{"year": 1960, "episodes": 12, "id": i} for i in ids])
        track.append((time.perf_counter() - started_s, start + len(ids)))
    return track


async def run(options):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "shows.jsonl"
        generate(path, options.shows, options.words)
        generate(directory / "few.jsonl", FEW, options.words)
        settings = SimulatorSettings(embed_latency_s=options.latency, dimensions=options.dim)
        async with SimulatorProcess(settings) as provider:
            _, few_mb = await ingest(directory / "few.jsonl", directory / "few", provider.url, FEW)
            track, peak_mb = await ingest(path, directory / "data", provider.url, options.shows)
        ours = rates(track, options.shows)
        plain = await bare(directory / "bare", options.shows, options.dim)
        return {
            "shows": options.shows,
            "dimensions": options.dim,
            "file_mb": round(path.stat().st_size / 2**20),
            "seconds": round(track[-1][0], 1),
            "stored_after_s": round(min(at_s for at_s, shows in track if shows == options.shows), 1),
            "rates": ours,
            "bare_rates": plain,
            "end_over_bare": round(ours[-1] / plain[-1], 2),
            "memory_peak_mb": round(peak_mb),
            f"memory_peak_of_{FEW}_shows_mb": round(few_mb),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=1536, help="width of the vectors")
    parser.add_argument("--words", type=int, default=60, help="words in a description, about 10 bytes each")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds of an embedding request")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options)), indent=2))


if __name__ == "__main__":
    main()
