"""Measure the overhead of the import pipeline beyond the provider's rounds and the bare write of the last round.

With jitter, the floor is the time that the same answers take at that level, and the bare write is that of the last
request.

    .venv/bin/python benchmarks/pipeline.py --export shoko_export.json

Fixed levels and `auto` run interleaved with the same simulated provider and Chroma server, each on a scratch catalogue.
"""

import argparse
import asyncio
import heapq
import json
import math
import random
import secrets
import tempfile
import time
from pathlib import Path
from statistics import mean, median, pstdev

import chromadb
import numpy as np

from animerag import readers
from animerag.catalogue import sample
from animerag.comparison.environment import ScratchBench
from animerag.comparison.plan import ExperimentPlan
from animerag.comparison.workspaces import copy_of
from animerag.config import load_settings
from animerag.indexing.indexer import record_of
from animerag.jobs.jobs import Control
from animerag.models.imports import RowError
from animerag.rate_limits import Gate
from animerag.telemetry.loop_lag import LoopLag
from animerag.telemetry.tracing import recording
from animerag.text.documents import Document

BATCH = 100


def documents(export, number):
    """Return documents from an export or the sample, repeated under new ids if there are too few."""
    if export is None:
        with sample.catalogue() as path:
            rows = list(readers.read(path, name="sample"))
    else:
        rows = list(readers.read(export, name=export.name))
    shows = [row for row in rows if not isinstance(row, RowError)]
    return [Document.of(copy_of(shows[n % len(shows)], n // len(shows))) for n in range(number)]


async def ingest(bench, provider, work, level, index):
    """Import everything once; return seconds, event-loop lag, requests and refusals."""
    directory = bench.directory / secrets.token_hex(6)
    await provider.reset()
    async with bench.scratch(
        provider.endpoint, directory, level=level, alias_latency_s=0, early_start=False
    ) as scratch:
        spec = await scratch.indexer.spec()
        await index.ensure(spec)
        size = "auto" if level == "auto" else BATCH
        async with LoopLag() as lag:
            with recording() as spans:
                started_s = time.perf_counter()
                report = await scratch.ingestion.import_documents(work, Control(), batch_size=size)
                wall_s = time.perf_counter() - started_s
        await index.drop(spec)
    observed = await provider.observed()
    lost = report.read - report.ingested
    return {
        "wall_s": wall_s,
        "floor_s": None if level == "auto" else floor(spans.spans, level),
        "lag_s": lag.p95_s,
        "requests": report.batches,
        "lost": lost,
        "429s": observed.rate_limited,
    }


def floor(spans, level):
    """Return the earliest time of the last answer for these requests, in this order, `level` at a time."""
    requests = sorted((one for one in spans if one.name == "embedding"), key=lambda one: one.start_s)
    free_at = [0.0] * level
    for request in requests:
        heapq.heapreplace(free_at, free_at[0] + request.end_s - request.start_s)
    return max(free_at)


def bare_write(url, work, rows, dimensions=1536):
    """Return the seconds that a plain client takes to write the last `rows` documents, after all others."""
    vectors = np.random.default_rng(0).standard_normal((len(work), dimensions)).astype(np.float32)
    client = chromadb.HttpClient(host=url)
    name = f"bare-{secrets.token_hex(4)}"
    settings = {"hnsw": {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": 200}}
    collection = client.create_collection(name, configuration=settings, embedding_function=None)

    def write(part, its_vectors):
        for start in range(0, len(part), 500):
            records = [record_of(document, None) for document in part[start : start + 500]]
            metadata = [{k: v for k, v in record.metadata.items() if v is not None} for record in records]
            collection.upsert(
                ids=[r.id for r in records], embeddings=its_vectors[start : start + 500], metadatas=metadata
            )

    write(work[:-rows], vectors[:-rows])
    started_s = time.perf_counter()
    write(work[-rows:], vectors[-rows:])
    seconds = time.perf_counter() - started_s
    client.delete_collection(name)
    return seconds


async def run(options):
    from animerag.vector_store.chroma import ChromaIndex

    work = documents(options.export, options.documents)
    requests = math.ceil(len(work) / BATCH)
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        settings = load_settings(data_dir=Path(directory))
        index = ChromaIndex(settings.data_dir / "chroma")
        bench = ScratchBench(settings, index, Gate())
        provider_settings = {"embed_latency_s": options.latency, "jitter": options.jitter, "seed": 1}
        if options.rpm:
            provider_settings |= {"requests_per_minute": options.rpm, "burst": options.burst}
        async with bench.provider(ExperimentPlan(), provider_settings) as provider:
            await ingest(bench, provider, work[:300], 5, index)  # warms imports, connections and the server
            for repeat in range(options.repeats):
                order = [*options.levels]
                random.Random(repeat).shuffle(order)
                for level in order:
                    figures = await ingest(bench, provider, work, level, index)
                    last = BATCH
                    if level != "auto" and not options.jitter:  # the whole last round arrives together
                        last = len(work) - BATCH * (requests - (requests % level or level))
                    figures["bare_s"] = await asyncio.to_thread(bare_write, index.url, work, last)
                    results.setdefault(level, []).append(figures)
        await index.close()
    return [row(level, requests, options, runs) for level, runs in sorted(results.items(), key=str)]


def row(level, requests, options, runs):
    walls = [one["wall_s"] for one in runs]
    floor_s = None
    if level != "auto":
        scattered = median(one["floor_s"] for one in runs)
        floor_s = scattered if options.jitter else math.ceil(requests / level) * options.latency
    bare_s = median(one["bare_s"] for one in runs)
    return {
        "level": level,
        "wall_s": round(median(walls), 2),
        "cv": round(pstdev(walls) / mean(walls), 3),
        "floor_s": floor_s and round(floor_s, 2),
        "bare_write_s": round(bare_s, 2),
        "overhead_s": None if floor_s is None else round(median(walls) - floor_s - bare_s, 2),
        "lag_p95_ms": round(1000 * median(one["lag_s"] for one in runs), 1),
        "requests": runs[0]["requests"],
        "lost": sum(one["lost"] for one in runs),
        "429s": sum(one["429s"] for one in runs),
    }


def level(text):
    return "auto" if text == "auto" else int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", type=Path, help="a Shoko export (default: the sample's shows, repeated)")
    parser.add_argument("--documents", type=int, default=1458)
    parser.add_argument(
        "--levels", type=lambda text: [level(part) for part in text.split(",")], default=[3, 5, 10, 15, "auto"]
    )
    parser.add_argument("--latency", type=float, default=1.5)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--rpm", type=int)
    parser.add_argument("--burst", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = asyncio.run(run(options))
    if options.json:
        print(json.dumps(rows))
        return
    print("  ".join(f"{name:>12}" for name in rows[0]))
    for one in rows:
        print("  ".join(f"{'–' if value is None else value!s:>12}" for value in one.values()))


if __name__ == "__main__":
    main()
