"""Measure how the rate of an import grows with the number of hosts.

    python -m benchmarks.cluster [--shows 3000] [--hosts 1 2]

Each host is a process with `animerag worker --concurrency 5`, all over one PostgreSQL and one Chroma server of this
machine, with a simulated provider: vectors of 256 numbers, 50 texts and 1.5 s per request. The clock starts when
the workers are ready, as they are on hosts that wait for work. Prints one JSON object per run: `first_request_s` and
`last_request_s` are the times of the first and the last request at the provider, `cpu_s` is what each kind of process
has used of the processors. Other work on the machine affects interleaved runs (`--hosts 1 2 1 2`) equally.
"""

import argparse
import asyncio
import contextlib
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


class Processes:
    """The seconds of CPU that the processes of each kind have used since this was made, with their ended children."""

    def __init__(self, **processes):
        self._processes = processes
        self._before = self._used()

    def used(self):
        return {kind: round(seconds - self._before[kind], 1) for kind, seconds in self._used().items()}

    def _used(self):
        return {kind: sum(map(_cpu_s, processes)) for kind, processes in self._processes.items()}


def _cpu_s(process):
    """Return what a process, its running children and its ended children have used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    running = sum(_cpu_s(child) for child in children if process != os.getpid())  # those of this one are other kinds
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + running


def serving(directory):
    """Return the processes whose command names a directory."""
    processes = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            if place.name.isdecimal() and str(directory).encode() in (place / "cmdline").read_bytes():
                processes.append(int(place.name))
    return processes


async def workers(count, environment, place):
    command = (sys.executable, "-m", "animerag", "worker", "--concurrency", str(LEVEL))
    return [
        await asyncio.create_subprocess_exec(
            *command, env={**environment, "ANIMERAG_DATA_DIR": str(place / f"host{number}")}
        )
        for number in range(count)
    ]


async def measure(hosts, shows, servers, urls, place):
    """Import once with this number of hosts and return the figures.

    `servers` are processes by kind, `urls` those of the stores.
    """
    database_url, chroma_url = urls
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
                source = export(place / "shows.json", shows)
                processes = Processes(
                    submitter=[os.getpid()],
                    workers=[worker.pid for worker in running],
                    provider=[provider.pid],
                    **servers,
                )
                await provider.reset()
                began = time.perf_counter()
                report = await services.ingestion.run([source], Control(), batch_size=SIZE)
                wall_s, used = time.perf_counter() - began, processes.used()
                tasks = [worker.done for worker in await services.queue.workers.alive()]
                requests = (await provider.stats(times=True)).times
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
        "wall_s": round(wall_s, 2),  # with the check of the index
        "bound_s": round(bound_s, 2),
        "first_request_s": round(min(visit.arrived_s for visit in requests), 2),
        "last_request_s": round(max(visit.finished_s for visit in requests), 2),
        "requests": report.embedding_requests,
        "peak_in_flight": report.concurrency.peak,
        "tasks_per_host": tasks,
        "cpu_s": used,
        "healthy": healthy,
    }


async def measure_all(options, urls, postgresql_process):
    with tempfile.TemporaryDirectory() as directory:
        lease = ServerLease(Path(directory) / "chroma", grace_s=0.2)
        chroma_url = await lease.url()
        await asyncio.to_thread(create_tenant, chroma_url, "default_tenant")
        servers = {"postgresql": [postgresql_process], "chroma": serving(Path(directory) / "chroma")}
        for run, hosts in enumerate(options.hosts):
            place = Path(directory) / f"run{run}"
            place.mkdir()
            figures = await measure(hosts, options.shows, servers, (urls[run], chroma_url), place)
            print(json.dumps(figures), flush=True)
        await lease.release()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shows", type=int, default=3000)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with postgresql.running() as server:
        for run in range(len(options.hosts)):
            server.sql(f"CREATE DATABASE run_{run} TEMPLATE template_of_tests")
        process = int((server.directory / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        asyncio.run(measure_all(options, [server.url(f"run_{run}") for run in range(len(options.hosts))], process))


if __name__ == "__main__":
    main()
