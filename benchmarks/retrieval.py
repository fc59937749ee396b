"""Measure search in many shows without the embedding: each search separately, and all of them together.

    .venv/bin/python benchmarks/retrieval.py --export FILE --shows 30000

The shows consist of the export's own words and sentences, so that word frequencies are realistic. The time of the
simulated provider is subtracted. Targets at 30,000: titles p95 5 ms, words p50 15 and p95 40 ms, everything p95 80 ms.
"""

import argparse
import asyncio
import csv
import json
import random
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from animerag import readers
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.telemetry.statistics import percentile
from animerag.text.cleaning import clean, sentences

AT_ONCE = SimulatorSettings(embed_latency_s=0, chat_latency_s=0, dimensions=256)


def made(export, number):
    """Write `number` shows made of the export's words as JSON lines; return some of their titles."""
    chance = random.Random(0)
    shows = list(readers.read(export))
    words = [word for show in shows for word in show.title.split()]
    described = [sentence for show in shows for sentence in sentences(clean(show.description))]
    titles = [" ".join(chance.sample(words, chance.randint(2, 4))) for _ in range(number)]
    lines = [
        json.dumps(
            {
                "id": n,
                "title": title,
                "description": " ".join(chance.sample(described, chance.randint(2, 7))),
                "year": chance.randint(1970, 2026),
                "episodes": chance.randint(1, 60),
                "tags": list(chance.choice(shows).tags[:8]),
            },
            ensure_ascii=False,
        )
        for n, title in enumerate(titles, 1)
    ]
    return "\n".join(lines), chance.sample(titles, 60)


def asked(titles):
    text = files("animerag.catalogue.sample").joinpath("questions.csv").read_text(encoding="utf-8")
    return [row["question"] for row in csv.DictReader(text.splitlines())] + [f"What is {one} about?" for one in titles]


async def run(options):
    lines, titles = made(options.export, options.shows)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        path = directory / "shows.jsonl"
        path.write_text(lines, encoding="utf-8")
        async with SimulatorProcess(AT_ONCE) as provider:
            provider_options = {"openai_base_url": provider.url, "embedding_model": "of-the-simulator"}
            settings = load_settings(**provider_options, data_dir=directory / "data")
            async with open_services(settings, warm=False) as services:
                report = await services.ingestion.run([SourceFile(path=path, name=path.name)], Control())
                assert report.ingested == options.shows, report
                taken = await measured(services, asked(titles))
    for what, values in taken.items():
        ordered = sorted(values)
        p50, p95 = (round(percentile(ordered, share) * 1000, 1) for share in (50, 95))
        print(json.dumps({"shows": options.shows, "what": what, "n": len(ordered), "p50_ms": p50, "p95_ms": p95}))


async def measured(services, questions):
    """Return the seconds of each part, by its name."""
    retriever, taken = services.retriever, {"titles": [], "words": [], "vectors": [], "all, beside the embedding": []}
    for question in questions[:5]:
        await retriever.search(question)
    for question in questions:
        began_s = time.perf_counter()
        await retriever.match_titles(question)
        taken["titles"].append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        await services.library.search_words(question, k=50)
        taken["words"].append(time.perf_counter() - began_s)
        embedding = await retriever.embed([question], priority=Priority.LIVE)
        began_s = time.perf_counter()
        await retriever.locate(list(embedding.vectors))
        taken["vectors"].append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        await retriever.search(question, vector=embedding.vectors[0])
        taken["all, beside the embedding"].append(time.perf_counter() - began_s)
    return taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--shows", type=int, default=30_000)
    asyncio.run(run(parser.parse_args()))
