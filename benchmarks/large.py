"""Measure a large catalogue in SQLite beside PostgreSQL: the import, then questions of several kinds.

    .venv/bin/python benchmarks/large.py --export FILE --shows 100000 --url postgresql://me@localhost/empty

The catalogue consists of copies of a Shoko export. Each copy has other words in its titles, but the same in all titles
of a franchise, and sentences of other shows in its descriptions, so that words, tags and franchises are distributed as
in the export. Both imports run at the same time, each with its own Chroma server and a simulated provider that answers
at once. The questions are then asked in a separate process for each database, one process at a time.
`--filled` asks catalogues that an earlier run stored in `--directory`.
"""

import argparse
import asyncio
import csv
import gc
import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from growth import MODEL, ingest, memory_mb

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.telemetry.statistics import percentile
from animerag.text.cleaning import clean, sentences

APART = 1_000_000  # between the ids of two copies
CHANGES = 5  # of single shows
WORD, KANJI = re.compile(r"[A-Za-z]{4,}"), re.compile(r"[㐀-鿿]")
COMMON = frozenset(
    ("season", "movie", "part", "film", "special", "specials", "gekijouban", "animation", "series", "cour")
)
AT_ONCE = SimulatorSettings(embed_latency_s=0, chat_latency_s=0, dimensions=32)
CONDITIONS = (
    "How many movies are there?",
    "How many shows from 2015?",
    "shows from before 1990 with fewer than 13 episodes",
    "the ten best rated comedies from 2010 to 2014",
    "horror movies without romance",
    "which show has the most episodes?",
    "the longest show from the 80s",
    "drama or mystery from 2006 rated over 8",
    "What is the average rating of sports anime?",
    "how many shows have no rating?",
    "summer 2012 anime with 24 to 26 episodes",
    "oldest movie",
    "shows with mecha but not school",
    "best anime of the 2000s that are not sequels",
)
WATCHING = ("In which order should I watch {}?", "How many seasons does {} have?", "What comes after {}?")


def write_copies(export, path, number):
    """Write `number` shows as JSON lines; return some titles of several parts of the catalogue."""
    chance = random.Random(0)
    records = json.loads(export.read_text(encoding="utf-8"))["AniDB_Anime"]
    described = [one for record in records for one in sentences(clean(record["Description"] or ""))]
    words = sorted({word for one in records for word in WORD.findall(one["AllTitles"])} - {w.title() for w in COMMON})
    kanji = sorted({letter for one in records for letter in KANJI.findall(one["AllTitles"])})
    titles, written = [], 0
    with path.open("w", encoding="utf-8") as file:
        for copy in range(-(-number // len(records))):
            others = dict(zip(words, chance.sample(words, len(words)), strict=True)) if copy else {}
            others |= dict(zip(kanji, chance.sample(kanji, len(kanji)), strict=True)) if copy else {}
            for record in records[: number - written]:
                one = copied(record, copy, others, chance, described) if copy else record
                file.write(json.dumps(one, ensure_ascii=False) + "\n")
                written += 1
                if chance.random() < 100 / number:
                    titles.append(one["MainTitle"])
    return titles


def copied(record, copy, others, chance, described):
    """Return a record under another id, with other words in its titles and other sentences."""

    def renamed(text):
        text = WORD.sub(lambda match: others.get(match.group(), match.group()), text)
        return KANJI.sub(lambda match: others.get(match.group(), match.group()), text)

    def related(text):
        items = json.loads(text or "[]")
        for item in items:
            item["anime_id"] += copy * APART
            item["title_main"] = renamed(item["title_main"])
        return json.dumps(items, ensure_ascii=False)

    description = " ".join(chance.choices(described, k=len(sentences(clean(record["Description"] or "")))))
    moved = {name: record[name] + copy * APART for name in ("AnimeID", "AniDB_AnimeID")}
    texts = {name: renamed(record[name]) for name in ("MainTitle", "AllTitles")}
    links = {name: related(record[name]) for name in ("relations", "similar")}
    rated = {"Rating": max(0, record["Rating"] - chance.randrange(60)), "VoteCount": record["VoteCount"] // (copy + 1)}
    return {**record, **moved, **texts, **links, **rated, "Description": description}


def asked(titles):
    """Return questions by kind."""
    text = files("animerag.catalogue.sample").joinpath("questions.csv").read_text(encoding="utf-8")
    plots = [row["question"] for row in csv.DictReader(text.splitlines())]
    return {
        "titles": [f"What is {one} about?" for one in titles[:50]],
        "fields": [f"How many episodes does {one} have, and from which year is it?" for one in titles[50:]],
        "conditions and counts": list(CONDITIONS),
        "franchises": [way.format(one) for one, way in zip(titles[:36], itertools.cycle(WATCHING), strict=False)],
        "plots": plots,
    }


async def imported(options, path):
    """Import into both databases at once; return figures by database."""
    places = {"sqlite": None, "postgresql": options.url}
    async with SimulatorProcess(AT_ONCE) as provider:
        imports = [
            ingest(path, options.directory / name, provider.url, options.shows, url) for name, url in places.items()
        ]
        return {
            name: {
                "shows_per_s": round(options.shows / min(at_s for at_s, shows in track if shows == options.shows)),
                "seconds": round(track[-1][0]),
                "memory_peak_mb": round(peak_mb),
            }
            for name, (track, peak_mb) in zip(places, await asyncio.gather(*imports), strict=True)
        }


async def answered(directory, url, questions, *, in_memory):
    """Ask questions in this process; return seconds and milliseconds by kind, and the memory in MB."""
    limit = sys.maxsize if in_memory else 0
    async with SimulatorProcess(AT_ONCE) as provider:
        os.environ.update({"OPENAI_BASE_URL": provider.url, **MODEL})
        settings = load_settings(data_dir=directory, database_url=url, chat_provider="local", titles_in_memory=limit)
        async with open_services(settings, warm=False) as services:
            before_mb, began_s = memory_mb(os.getpid()), time.perf_counter()
            worked_s = time.process_time()
            await services.retriever.search("the one with a captain and a letter")
            first = {"first_s": time.perf_counter() - began_s, "first_processor_s": time.process_time() - worked_s}
            result = {name: round(value, 1) for name, value in first.items()}
            for kind, some in questions.items():
                result[kind] = milliseconds([await asked_once(services, question) for question in some])
            result["after a change"] = milliseconds([await changed_once(services, n) for n in range(CHANGES)])
            gc.collect()
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            memory = {"before": before_mb, "after": memory_mb(os.getpid()), "peak": peak_mb}
            return {**result, "memory_mb": {name: round(value) for name, value in memory.items()}}


async def asked_once(services, question):
    """Return the seconds, by the wall and of this process, until the sources and the facts of an answer are known."""
    began_s, worked_s = time.perf_counter(), time.process_time()
    await services.retriever.search(question)
    return time.perf_counter() - began_s, time.process_time() - worked_s


async def changed_once(services, number):
    """Change a show, and return the seconds of the next question."""
    shows = await services.library.best(CHANGES)
    await services.editing.edit(shows[number].id, {"titles": [*shows[number].titles, f"Changed {number}"]})
    return await asked_once(services, f"What is Changed {number} about?")


def milliseconds(taken):
    wall, worked = (sorted(some) for some in zip(*taken, strict=True))
    shares = {f"p{share}_ms": round(percentile(wall, share) * 1000) for share in (50, 95)}
    return {"n": len(taken), **shares, "processor_p95_ms": round(percentile(worked, 95) * 1000)}


def in_own_process(options, name, *, in_memory):
    """Return the result of `answered` in a new process, whose memory is that of one catalogue."""
    command = [sys.executable, __file__, "--url", options.url, "--directory", options.directory, "--ask", name]
    command += ["--in-memory"] if in_memory else []
    return json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)


def run(options):
    stored = options.directory / "titles.json"
    if options.ask:
        url = options.url if options.ask == "postgresql" else None
        questions = asked(json.loads(stored.read_text(encoding="utf-8")))
        directory = options.directory / options.ask
        print(json.dumps(asyncio.run(answered(directory, url, questions, in_memory=options.in_memory))))
        return
    if not options.filled:
        path = options.directory / "shows.jsonl"
        stored.write_text(json.dumps(write_copies(options.export, path, options.shows)), encoding="utf-8")
        for name, figures in asyncio.run(imported(options, path)).items():
            print(json.dumps({"database": name, **figures}), flush=True)
    for name, in_memory in (("sqlite", False), ("postgresql", False), ("sqlite", True)):
        result = in_own_process(options, name, in_memory=in_memory)
        print(json.dumps({"database": name, "in memory": in_memory, **result}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, help="a Shoko export in JSON")
    parser.add_argument("--shows", type=int, default=100_000)
    parser.add_argument("--url", required=True, help="an empty PostgreSQL database")
    parser.add_argument("--directory", type=Path, help="where the catalogues stay; a temporary one by default")
    parser.add_argument("--filled", action="store_true", help="ask what an earlier run stored")
    parser.add_argument("--ask", choices=("sqlite", "postgresql"), help=argparse.SUPPRESS)
    parser.add_argument("--in-memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        options.directory = options.directory or Path(directory)
        run(options)


if __name__ == "__main__":
    main()
