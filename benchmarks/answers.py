"""Measure the latency of one question: first word and overhead with a simulated provider, and answers without a model.

    .venv/bin/python benchmarks/answers.py --export FILE          # all parts, about two minutes
    .venv/bin/python benchmarks/answers.py --export FILE first overhead alone busy

- `first`: the time to the first word beyond retrieval and the provider's own time (target: 30 ms).
- `overhead`: a whole question with a provider that answers immediately (target: 25 ms), beyond the time of the same two
  calls made directly with the same client.
- `alone`: every question of the sample without a model (target: 150 ms), right after the start and repeated with warm
  caches.
- `busy`: ten people ask during an import: the median time to the first word, relative to the time without an import
  (target: 1.3).

Prints one JSON object per part, with medians and, for enough questions, the 95th percentile.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.answers import Answer
from animerag.models.providers import Priority
from animerag.models.retrieval import Retrieval
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.telemetry.statistics import percentile

FIRST_S, EMBED_S, CHAT_S = 0.5, 0.3, 2.0
AT_ONCE = SimulatorSettings(embed_latency_s=0, chat_latency_s=0, first_token_s=0)
USUAL = SimulatorSettings(embed_latency_s=EMBED_S, chat_latency_s=CHAT_S, first_token_s=FIRST_S)
TIMES = 20


def asked():
    """Return the sample's questions about plots, which name no show."""
    text = files("animerag.catalogue.sample").joinpath("questions.csv").read_text(encoding="utf-8")
    return [row["question"] for row in csv.DictReader(text.splitlines()) if row["kind"] in ("plot", "mood")]


@contextlib.asynccontextmanager
async def over(options, directory, provider):
    """Open warm services with the export and a simulated provider; yield them with the provider's connection."""
    source = SourceFile(path=options.export, name=options.export.name)
    async with SimulatorProcess(AT_ONCE) as quick, open_services(at(directory, quick.url), warm=False) as services:
        await services.ingestion.run([source], Control())
    simulator = SimulatorProcess(provider)
    async with simulator, open_services(at(directory, simulator.url)) as services:
        await services.answering.ask("Which show warms connections, encoder and titles?")
        yield services


def at(directory, url):
    return load_settings(openai_base_url=url, data_dir=directory)


async def names(services):
    """Return questions that name a show, because vectors of the simulated provider have no meaning."""
    shows = await services.library.best(300)
    plain = [show.title for show in shows if len(show.title) > 8 and show.title.replace(" ", "").isalpha()]
    return [f"What is {title} about?" for title in plain[:TIMES]]


async def first_word_s(services, question):
    """Ask a question; return the seconds to the first word and the seconds of retrieval."""
    began_s, found_s, word_s = time.perf_counter(), 0.0, None
    async with contextlib.aclosing(services.answering.stream(question, use_cache=False)) as events:
        async for event in events:
            if isinstance(event, Retrieval):
                found_s = time.perf_counter() - began_s
            elif isinstance(event, str) and word_s is None:
                word_s = time.perf_counter() - began_s
            elif isinstance(event, Answer):
                assert event.status == "ok", (question, event.error)
    return word_s, found_s


def report(part, values, **more):
    ordered = sorted(values)
    spread = {"median_ms": round(percentile(ordered, 50) * 1000, 1), "p95_ms": round(percentile(ordered, 95) * 1000, 1)}
    print(json.dumps({"part": part, "n": len(ordered), **spread, **more}), flush=True)


async def first(options, directory):
    async with over(options, directory, USUAL) as services:
        measured = [await first_word_s(services, question) for question in await names(services)]
    report(
        "first", [word_s - found_s - FIRST_S for word_s, found_s in measured], beyond="retrieval and the provider's own"
    )


async def overhead(options, directory):
    async with over(options, directory, AT_ONCE) as services:
        chat, whole, direct = services.answering._chat, [], []
        questions = await names(services)
        answer = await services.answering.ask(questions[0], use_cache=False)
        for question in questions:
            began_s = time.perf_counter()
            await services.answering.ask(question, use_cache=False)
            whole.append(time.perf_counter() - began_s)
            began_s = time.perf_counter()
            await services.embedder.embed([question], priority=Priority.LIVE)
            async for _ in chat.stream(answer.prompt, priority=Priority.LIVE):
                pass
            direct.append(time.perf_counter() - began_s)
    report("overhead", [one - other for one, other in zip(whole, direct, strict=True)], whole_ms=_median_ms(whole))


async def alone(options, directory):
    async with open_services(load_settings(data_dir=directory)) as services:
        await services.ingestion.run([SourceFile(path=options.export, name=options.export.name)], Control())
        await services.answering.ask("Which show warms encoder and titles?")
        for turn in ("just started", "asked again"):
            took = []
            for question in asked():
                began_s = time.perf_counter()
                await services.answering.ask(question)
                took.append(time.perf_counter() - began_s)
            report("alone", took, turn=turn)


async def busy(options, directory):
    async with over(options, directory, USUAL) as services:
        questions = (await names(services))[:10]

        async def ten():
            return [word_s for word_s, _ in await asyncio.gather(*(first_word_s(services, one) for one in questions))]

        idle = [word_s for _ in range(3) for word_s in await ten()]
        lines = "\n".join(json.dumps(_made(n)) for n in range(3000))
        path = Path(directory) / "more.jsonl"
        path.write_text(lines)
        control = Control()
        importing = asyncio.create_task(services.ingestion.run([SourceFile(path=path, name=path.name)], control))
        while not control.progress.done:  # noqa: ASYNC110 - there is no event for the first batch
            await asyncio.sleep(0.05)
        during = []
        while not importing.done() and len(during) < 30:
            during += await ten()
        still = not importing.done()
        control.stop()
        await importing
    report(
        "busy", during, idle_ms=_median_ms(idle), ratio=round(_median_ms(during) / _median_ms(idle), 2), at_work=still
    )


def _made(n):
    text = " ".join(f"word{(n * 7 + k) % 5000}" for k in range(60))
    return {"id": f"more{n}", "title": f"More {n}", "description": text, "year": 1960 + n % 60, "episodes": 12}


def _median_ms(values):
    return round(percentile(sorted(values), 50) * 1000, 1)


PARTS = {part.__name__: part for part in (first, overhead, alone, busy)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args()
    for name in chosen.parts or PARTS:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(PARTS[name](chosen, Path(made)))
