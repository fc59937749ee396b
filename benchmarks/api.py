"""Measure clients of the API beside people in browsers: errors, and the latency of answers and page changes.

    .venv/bin/python benchmarks/api.py --seconds 120
    .venv/bin/python benchmarks/api.py --export shoko_export.json --clients 10 --browsers 5

The app runs in a process of its own, over the sample or an export. Clients use Chat Completions, MCP and
JSON, and wait `--pause` seconds between requests. The browsers go from page to page; how long a person looks at a
page varies from half of `--reading` to one and a half times as long, so that they do not all click at once.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import httpx2
import openai
import playwright.async_api
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from animerag.telemetry.statistics import percentile
from pages import CLICK, app

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-the-benchmark"
PAGES = ("Catalogue", "Batch", "Upload", "Settings", "Ask")
QUESTIONS = (
    "What is Cowboy Bebop about?",
    "mecha anime before 1990",
    "How many shows are from 2012?",
    "a quiet story about a traveller who meets spirits",
    "Recommend me something sad and short",
    "In what order do I watch Mushishi?",
    "astronauts who collect trash in orbit",
)


class Measured:
    """Milliseconds by kind of request, and the errors."""

    def __init__(self):
        self.ms = defaultdict(list)
        self.errors = Counter()

    @contextlib.contextmanager
    def one(self, what):
        began_s = time.perf_counter()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - counted
            self.errors[f"{what}: {type(error).__name__}: {str(error)[:120]}"] += 1
        else:
            self.ms[what].append((time.perf_counter() - began_s) * 1000)


async def chat(url, number, until_s, pause_s, measured):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0, timeout=60) as client:
        while time.monotonic() < until_s:
            number += 1
            messages = [{"role": "user", "content": QUESTIONS[number % len(QUESTIONS)]}]
            with measured.one("chat, streamed" if number % 2 else "chat, whole"):
                answer = await client.chat.completions.create(
                    model="animerag", messages=messages, stream=bool(number % 2)
                )
                if number % 2:
                    assert [chunk async for chunk in answer][-1].choices[0].finish_reason == "stop"
                else:
                    assert answer.choices[0].message.content
            await asyncio.sleep(pause_s)


async def tools(url, number, until_s, pause_s, measured):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:  # noqa: SIM117 - the line would be too long
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
            while time.monotonic() < until_s:
                number += 1
                question = QUESTIONS[number % len(QUESTIONS)]
                name, arguments = (
                    ("ask", {"question": question}),
                    ("search_shows", {"year_from": 2000 + number % 15, "limit": 10}),
                    ("search_shows", {"about": question, "limit": 5}),
                    ("collection_stats", {}),
                )[number % 4]
                with measured.one(f"MCP, {name}"):
                    called = await client.call_tool(name, arguments)
                    assert not called.is_error, called.content[0].text
                await asyncio.sleep(pause_s)


async def objects(url, number, until_s, pause_s, measured):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        while time.monotonic() < until_s:
            number += 1
            with measured.one("JSON, search"):
                response = await http.get("/api/search", params={"q": QUESTIONS[number % len(QUESTIONS)]})
                response.raise_for_status()
            await asyncio.sleep(pause_s)


async def person(browser, url, *, until_s, reading_s, measured, ready):
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(f"{url}/ask")
    await page.get_by_test_id("stSidebarNav").wait_for(timeout=60_000)
    await page.get_by_role("heading", name="Ask", exact=True).first.wait_for(timeout=60_000)
    for name in PAGES:  # each request once before the measurement
        await go(page, name)
    ready.release()
    await asyncio.sleep(reading_s * random.random())
    while time.monotonic() < until_s():
        for name in PAGES:
            try:
                took_ms = await go(page, name)
                for what in ("page change", f"to {name}"):
                    measured.ms[what].append(took_ms)
            except playwright.async_api.Error as error:
                measured.errors[f"page change to {name}: {str(error)[:120]}"] += 1
            await asyncio.sleep(reading_s * random.uniform(0.5, 1.5))
    await context.close()


async def go(page, name):
    link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
    return await page.evaluate(CLICK, [await link.element_handle(), name])


async def measure(url, options):
    measured, ready, end_s = Measured(), asyncio.Semaphore(0), float("inf")
    async with playwright.async_api.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        people = [
            asyncio.create_task(
                person(browser, url, until_s=lambda: end_s, reading_s=options.reading, measured=measured, ready=ready)
            )
            for _ in range(options.browsers)
        ]
        for _ in people:
            await asyncio.wait_for(ready.acquire(), 180)
        alone_s = time.monotonic() + options.seconds / 4
        await asyncio.sleep(max(0.0, alone_s - time.monotonic()))
        without = {name: list(values) for name, values in measured.ms.items()}
        measured.ms.clear()
        end_s = time.monotonic() + options.seconds
        kinds = (chat, tools, objects)
        clients = [kinds[n % 3](url, n * 3, end_s, options.pause, measured) for n in range(options.clients)]
        await asyncio.gather(*clients)
        await asyncio.gather(*people)
        await browser.close()
    for label, values in without.items():
        report(f"{label}, no clients", values)
    for label, values in sorted(measured.ms.items()):
        report(label, values)
    print(json.dumps({"errors": dict(measured.errors)}), flush=True)


def report(label, values):
    ordered = sorted(values)
    figures = {"p50_ms": round(percentile(ordered, 50)), "p95_ms": round(percentile(ordered, 95))}
    print(json.dumps({"what": label, "n": len(ordered), **figures}), flush=True)


def fill(data_dir, export):
    """Import an export; without one the first page that is opened imports the sample."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANIMERAG_"))}
    if export:
        command = [sys.executable, "-m", "animerag", "ingest", str(Path(export).absolute())]
        subprocess.run(command, check=True, cwd=ROOT, env={**own, "ANIMERAG_DATA_DIR": str(data_dir)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--browsers", type=int, default=5)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--reading", type=float, default=1.0, help="seconds a person looks at a page, on average")
    parser.add_argument("--export", help="a file to import; without one, the sample")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        fill(Path(directory) / "data", chosen.export)
        with app(Path(directory) / "data", ANIMERAG_API_TOKEN=TOKEN) as address:
            asyncio.run(measure(address, chosen))
