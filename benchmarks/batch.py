"""Measure how fast a sheet is answered with a simulated provider, relative to one question after another.

Each part takes up to a minute: `batch.py --export FILE small`, `hundred`, `thousand`, `limited`, `live`, `page`.
Prints one JSON object per part.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import resource
import statistics
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.questions import QuestionRow
from animerag.readers.questions import Sheet
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.storage.batch_runs import RunOptions

SLOW = {"embed_latency_s": 0.3, "chat_latency_s": 3.0, "first_token_s": 0.5}
QUICK = SLOW | {"chat_latency_s": 0.5, "first_token_s": 0.1}
REPO = Path(__file__).resolve().parents[1]


def questions(titles, number):
    """Return different questions, each of which names a show."""
    again = len(titles)
    return [f"What is {titles[n % again]} about{'?' * (1 + n // again)}" for n in range(number)]


async def sheet(services, number):
    shows = await services.library.best(2000)
    titles = [show.title for show in shows if len(show.title) > 8 and show.title.replace(" ", "").isalpha()]
    rows = tuple(QuestionRow(question=question) for question in questions(titles, number))
    return Sheet(name="q.csv", format="table", headings=("question",), column="question", certain=True, rows=rows)


@contextlib.asynccontextmanager
async def over(export, directory, provider):
    """Open services with a filled catalogue and a simulated provider."""
    with_index = SimulatorSettings(embed_latency_s=0.0, chat_latency_s=0.0)
    source = SourceFile(path=export, name=export.name)
    async with SimulatorProcess(with_index) as quick, open_services(at(directory, quick.url)) as services:
        await services.ingestion.run([source], Control())
    simulator = SimulatorProcess(SimulatorSettings(**provider))
    async with simulator, open_services(at(directory, simulator.url)) as services:
        await services.answering.ask("Which show warms connections, encoder and titles?")
        await simulator.reset()
        yield services, simulator


def at(directory, url):
    return load_settings(openai_base_url=url, data_dir=Path(directory))


async def one_at_a_time(services, number):
    rows = (await sheet(services, number)).rows
    started_s = time.perf_counter()
    for row in rows:
        answer = await services.answering.ask(row.question)
        assert answer.status == "ok", answer.question
    return time.perf_counter() - started_s


async def batch(services, number, level, **options):
    """Answer a journalled sheet; return the seconds that it took."""
    asked = await sheet(services, number)
    started_s = time.perf_counter()
    run_id = await services.batch.begin(asked, RunOptions(use_cache=False, **options), sha256="0" * 64)
    control = Control()
    report = await services.batch.answer(run_id, control, concurrency=level)
    seconds = time.perf_counter() - started_s
    counts = (await services.batch.runs.get(run_id)).counts
    assert counts == {"ok": number}, counts
    return seconds, report


def ratio(number, level, seconds, single_s):
    """Return the speed-up and its share of the attainable speed-up."""
    speedup, attainable = single_s / seconds, number / math.ceil(number / level)
    return {
        "questions": number,
        "level": level,
        "seconds": round(seconds, 2),
        "one_at_a_time_s": round(single_s, 2),
        "speedup": round(speedup, 2),
        "of_attainable": round(speedup / attainable, 3),
    }


async def small(export, directory):
    async with over(export, directory, SLOW) as (services, _):
        single_s = await one_at_a_time(services, 10)
        return [ratio(10, level, (await batch(services, 10, level))[0], single_s) for level in (3, 5, 10)]


async def hundred(export, directory):
    async with over(export, directory, SLOW) as (services, _):
        single_s = await one_at_a_time(services, 5) * 20
        return ratio(100, 10, (await batch(services, 100, 10))[0], single_s) | {"one_at_a_time": "5 timed, scaled"}


async def thousand(export, directory):
    async with over(export, directory, QUICK) as (services, _):
        single_s = await one_at_a_time(services, 25) * 40
        before = resident_mb()
        seconds, report = await batch(services, 1000, 32)
        figures = ratio(1000, 32, seconds, single_s)
        return figures | {
            "one_at_a_time": "25 timed, scaled",
            "peak_in_flight": report.peak_in_flight,
            "resident_mb": [before, resident_mb()],
        }


async def limited(export, directory):
    provider = QUICK | {"requests_per_minute": 30, "burst": 5}
    async with over(export, directory, provider) as (services, simulator):
        await asyncio.sleep(10)  # until the bucket is full
        seconds, report = await batch(services, 20, 5)
        sent = sum((await simulator.stats()).requests.values())
        floor_s = (21 - 5) / 0.5 + QUICK[
            "chat_latency_s"
        ]  # 20 answers and one embedding; five at once, then one in 2 s
        return {
            "seconds": round(seconds, 2),
            "floor_s": floor_s,
            "of_floor": round(seconds / floor_s, 3),
            "rate_limited": report.rate_limited,
            "requests": sent,
        }


async def live(export, directory):
    async with over(export, directory, QUICK) as (services, _):

        async def first_token_s(number):
            seconds = [
                (await services.answering.ask("What is Monster about" + "?" * n, use_cache=False)).timings.first_token_s
                for n in range(1, number + 1)
            ]
            return statistics.median(seconds)

        idle_s = await first_token_s(7)
        working = asyncio.create_task(batch(services, 1000, 32))
        await asyncio.sleep(3)
        busy_s = await first_token_s(7)
        assert not working.done()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return {"idle_s": round(idle_s, 3), "busy_s": round(busy_s, 3), "ratio": round(busy_s / idle_s, 2)}


async def page(export, directory):
    """Time full reruns of the page during a run of 1,000; a browser only reruns the fragment."""
    async with over(export, directory, QUICK) as (services, simulator):
        run_id = await services.batch.begin(await sheet(services, 1000), RunOptions(), sha256="0" * 64)
        url = simulator.url
        return await asyncio.to_thread(reruns, directory, url, run_id)


def reruns(directory, url, run_id):
    from streamlit import config
    from streamlit.testing.v1 import AppTest

    from animerag.ui import session

    config.set_option("runner.magicEnabled", False)
    os.environ |= {"ANIMERAG_DATA_DIR": str(directory), "OPENAI_BASE_URL": url}
    app = AppTest.from_file(str(REPO / "app.py"), default_timeout=60).run()
    app.switch_page("pages/batch.py")
    app.query_params["run"] = run_id
    app.run()
    session.on_loop(lambda: session.services().batch.set_level(32))
    app.button(key="batch_resume").click().run()
    taken = []
    while not any(button.key == "batch_delete" for button in app.button):
        started_s = time.perf_counter()
        app.run()
        taken.append(time.perf_counter() - started_s)
        time.sleep(max(0.0, 0.5 - taken[-1]))  # as often as a browser polls
    run = session.runtime().call(session.services().batch.runs.get(run_id))
    session.runtime().close()
    cuts = statistics.quantiles(taken, n=20)
    return {
        "reruns": len(taken),
        "p50_s": round(statistics.median(taken), 3),
        "p95_s": round(cuts[-1], 3),
        "run_s": round(run.seconds, 1),
        "answered": run.total - run.unanswered,
    }


def resident_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


PARTS = {part.__name__: part for part in (small, hundred, thousand, limited, live, page)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--export", type=Path, default=files("animerag.catalogue.sample").joinpath("catalogue.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        print(json.dumps({options.part: asyncio.run(PARTS[options.part](options.export, directory))}))
