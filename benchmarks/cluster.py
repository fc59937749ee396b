"""Measure how the rate of an import grows with the number of hosts.

    python -m benchmarks.cluster [--shows 3000] [--hosts 1 2]

Each host is a process with `animerag worker --concurrency 5`, all over one PostgreSQL and one Chroma server of this
machine, with a simulated provider: vectors of 256 numbers, 50 texts and 1.5 s per request. The clock starts when
the workers are ready. Prints one JSON object per run. Other work on the machine affects interleaved runs
(`--hosts 1 2 1 2`) equally.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.job import Control
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.vector_store.chroma_server import ServerLease
from animerag.vector_store.chroma_tenant import create_tenant
from tests import postgresql

DIMENSIONS, SIZE, LEVEL, LATENCY_S = 256, 50, 5, 1.5


def export(path, shows):
    """Write an export whose texts are about as long as synopses."""
    words = ("city", "beyond", "sea", "nobody", "remembers", "war", "girl", "repairs", "old", "machines", "ghost")
    rows = []
    for number in range(1, shows + 1):
        text = " ".join(f"{words[(number * step) % len(words)]} {number * step % 997}" for step in range(1, 60))
        name = f"Show {number}"
        rows.append({"AnimeID": number, "MainTitle": name, "AllTitles": name, "Description": f"{number}: {text}."})
    path.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")
    return SourceFile(path=path, name=path.name)


def cpu(process):
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def workers(count, environment, place):
    command = (sys.executable, "-m", "animerag", "worker", "--concurrency", str(LEVEL))
    return [
        await asyncio.create_subprocess_exec(
            *command, env={**environment, "ANIMERAG_DATA_DIR": str(place / f"host{number}")}
        )
        for number in range(count)
    ]


async def measure(hosts, shows, database_url, chroma_url, place):
    """Import once with this number of hosts and return the figures."""
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=LATENCY_S, dimensions=DIMENSIONS)) as provider:
        environment = os.environ | {
            "ANIMERAG_DATABASE_URL": database_url,
            "ANIMERAG_CHROMA_URL": chroma_url,
            "ANIMERAG_ENGINE": "queue",
            "ANIMERAG_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "OPENAI_BASE_URL": provider.url,
        }
        settings = load_settings(
            data_dir=place / "app",
            database_url=database_url,
            chroma_url=chroma_url,
            engine="queue",
            openai_base_url=provider.url,
            embedding_dimensions=DIMENSIONS,
        )
        async with open_services(settings, warm=False) as services:
            running = await workers(hosts, environment, place)
            try:
                while len(await services.queue.workers.alive()) < hosts:  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(0.1)
                began, own_s = time.perf_counter(), cpu(os.getpid())
                before_s = [cpu(worker.pid) for worker in running]
                report = await services.ingestion.run([export(place / "shows.json", shows)], Control(), batch_size=SIZE)
                tasks = [worker.done for worker in await services.queue.workers.alive()]
                submitter_s = cpu(os.getpid()) - own_s
                cpu_s = [cpu(worker.pid) for worker in running]
            finally:
                for worker in running:
                    worker.terminate()
                await asyncio.gather(*(worker.wait() for worker in running))
            healthy = (await services.maintenance.check()).healthy
    bound_s = -(-shows // SIZE) / (hosts * LEVEL) * LATENCY_S
    return {
        "hosts": hosts,
        "shows": report.ingested,
        "seconds": round(report.seconds, 2),
        "wall_s": round(time.perf_counter() - began, 2),
        "bound_s": round(bound_s, 2),
        "requests": report.embedding_requests,
        "peak_in_flight": report.concurrency.peak,
        "tasks_per_host": tasks,
        "cpu_s_of_submitter": round(submitter_s, 1),
        "cpu_s_of_workers": [round(after - before, 1) for before, after in zip(before_s, cpu_s, strict=True)],
        "healthy": healthy,
    }


async def measure_all(options, urls):
    with tempfile.TemporaryDirectory() as directory:
        lease = ServerLease(Path(directory) / "chroma", grace_s=0.2)
        chroma_url = await lease.url()
        await asyncio.to_thread(create_tenant, chroma_url, "default_tenant")
        for run, hosts in enumerate(options.hosts):
            place = Path(directory) / f"run{run}"
            place.mkdir()
            print(json.dumps(await measure(hosts, options.shows, urls[run], chroma_url, place)), flush=True)
        await lease.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shows", type=int, default=3000)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with postgresql.running() as server:
        for run in range(len(options.hosts)):
            server.sql(f"CREATE DATABASE run_{run} TEMPLATE template_of_tests")
        asyncio.run(measure_all(options, [server.url(f"run_{run}") for run in range(len(options.hosts))]))


if __name__ == "__main__":
    main()
