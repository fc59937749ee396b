"""Measure a large catalogue in SQLite and in PostgreSQL: storing shows, searching words, reading titles and fields.

    .venv/bin/python benchmarks/databases.py --export FILE --shows 30000 --url postgresql://me@localhost/empty

The shows consist of the export's words, as in retrieval.py, and are stored without vectors. Storing is measured in
seconds of the processor: of this process, and of PostgreSQL's on this machine. Searches alternate between the
databases. Titles and fields are read in a process for each way: all in memory, and looked up in the database.
`--filled` measures catalogues that an earlier run stored, with `--directory`.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from retrieval import asked, made
from sqlalchemy import text

from animerag.models.imports import ImportKind
from animerag.models.shows import Show
from animerag.retrieval.snapshots import Snapshots
from animerag.retrieval.understanding import understand
from animerag.storage.library import Library, show_rows
from animerag.telemetry.statistics import percentile
from animerag.text.documents import Document

BATCH = 500  # shows in one transaction, as a merged batch of an import
K = 100  # as many as a question retrieves


async def fill(place, lines):
    """Store the shows and return how many were stored in a second of the processor."""
    library = await Library.open(place)
    number = await library.begin_import(ImportKind.OWN, "shows.jsonl", "made")
    rows = [json.loads(line) for line in lines.splitlines()]
    started_s = time.process_time() + await of_server(library)
    for start in range(0, len(rows), BATCH):
        shows = [
            Show(**{**row, "id": str(row["id"]), "tags": tuple(row["tags"])}) for row in rows[start : start + BATCH]
        ]
        await library.store(show_rows([Document.of(show) for show in shows], number), collection="made")
    await library.vacuum()  # as an import does at its end
    seconds = time.process_time() + await of_server(library) - started_s
    await library.close()
    return len(rows) / seconds


async def of_server(library):
    """Return the seconds that PostgreSQL's processes have worked for this database; 0 with SQLite."""
    if not library.shared:
        return 0.0
    wanted = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    return sum([_worked_s(row.pid) for row in await library.rows(wanted)])


def _worked_s(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def words(places, questions):
    """Return the seconds of each word search by database."""
    libraries = {name: await Library.open(place) for name, place in places.items()}
    times = {name: [] for name in places}
    for question in questions:
        hits = {}
        for name, library in libraries.items():
            started_s = time.perf_counter()
            hits[name] = await library.search_words(question, k=K)
            times[name].append(time.perf_counter() - started_s)
        first, *others = ([(hit.id, round(hit.score, 3)) for hit in found] for found in hits.values())
        if any(other != first for other in others):
            raise SystemExit(f"the databases differ: {question}")
    for library in libraries.values():
        await library.close()
    return times


async def titles(place, questions, in_memory):
    """Return the seconds to read the catalogue and each question, and the memory in MB that reading took."""
    library = await Library.open(place)
    before_mb = _resident_mb()
    limit = sys.maxsize if in_memory else 0
    snapshots = Snapshots(library, titles_in_memory=limit)
    started_s = time.perf_counter()
    catalogue = await snapshots.current()
    first_s = time.perf_counter() - started_s
    gc.collect()
    held_mb = _resident_mb() - before_mb
    times = []
    for question in questions:
        started_s = time.perf_counter()
        await catalogue.run(lambda one=question: understand(one, catalogue.aliases.match(one), catalogue))
        times.append(time.perf_counter() - started_s)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    await library.close()
    return {"first_s": round(first_s, 1), "held_mb": round(held_mb), "peak_mb": round(peak_mb), **milliseconds(times)}


def _resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def milliseconds(seconds):
    ordered = sorted(seconds)
    return {f"p{share}_ms": round(percentile(ordered, share) * 1000, 1) for share in (50, 95)}


def in_own_process(options, name, in_memory):
    """Return the result of `titles` in a new process, whose memory is that of one catalogue."""
    command = [sys.executable, __file__, "--export", options.export, "--shows", options.shows, "--url", options.url]
    command += ["--directory", options.directory, "--titles", name, *(["--in-memory"] if in_memory else [])]
    return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)


def run(options):
    places = {"sqlite": options.directory / "library.db", "postgresql": options.url}
    stored = options.directory / "questions.json"
    if options.titles:
        questions = json.loads(stored.read_text(encoding="utf-8"))
        print(json.dumps(asyncio.run(titles(places[options.titles], questions, options.in_memory))))
        return
    lines, some = made(options.export, options.shows)
    questions = asked(some)
    stored.write_text(json.dumps(questions), encoding="utf-8")
    if not options.filled:
        for name, place in places.items():
            print(
                json.dumps({"database": name, "shows_per_processor_s": round(asyncio.run(fill(place, lines)))}),
                flush=True,
            )
    for name, times in asyncio.run(words(places, questions)).items():
        print(json.dumps({"database": name, "what": "words", **milliseconds(times)}), flush=True)
    for in_memory in (True, False):
        for name in places:
            where = "memory" if in_memory else "database"
            result = in_own_process(options, name, in_memory)
            print(json.dumps({"database": name, "what": "titles", "in": where, **result}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--shows", type=int, default=30_000)
    parser.add_argument("--url", required=True, help="an empty PostgreSQL database")
    parser.add_argument("--directory", type=Path, help="where the SQLite library is; a temporary one by default")
    parser.add_argument("--filled", action="store_true", help="measure what an earlier run stored")
    parser.add_argument("--titles", choices=("sqlite", "postgresql"), help=argparse.SUPPRESS)
    parser.add_argument("--in-memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.directory:
        run(options)
        return
    with tempfile.TemporaryDirectory() as directory:
        options.directory = Path(directory)
        run(options)


if __name__ == "__main__":
    main()
