"""Measure pages in Chromium: first paint, page changes and reruns, idle and during a sheet or an import.

    .venv/bin/python benchmarks/pages.py --shows 1458
    .venv/bin/python benchmarks/pages.py --shows 30000
    .venv/bin/python benchmarks/pages.py --shows 1458 --work import --times 3

The app runs in a separate process with generated shows and a simulated provider. A page change or a rerun ends when the
whole page is drawn and its script has ended. Somebody who reads clicks once a second, and work fills the time between
two clicks; with `--gap 0`, pages follow each other at once.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from growth import MODEL, generate, ingest

from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.telemetry.statistics import percentile

ROOT = Path(__file__).parents[1]
PAGES = ("Catalogue", "Batch", "Upload", "Compare", "Settings", "Ask", "Home")
QUESTIONS, IMPORTED = 2000, 40_000
# Clicks, and returns the milliseconds until the page's script has started and ended and its heading is visible. A
# script may start and end between two ticks of a timer, so every change of its state is recorded.
CLICK = """([target, heading]) => new Promise((done, failed) => {
  const began = performance.now(), app = document.querySelector('[data-testid="stApp"]');
  const named = () => [...document.querySelectorAll('h1')].some(h => h.textContent.includes(heading));
  let ran = false;
  const state = () => app.getAttribute('data-test-script-state');
  const notes = new MutationObserver(() => { ran = true; });
  notes.observe(app, {attributeFilter: ['data-test-script-state']});
  const look = () => {
    const there = !heading || named();
    ran ||= heading && there;
    if (ran && there && state() === 'notRunning') { notes.disconnect(); return done(performance.now() - began); }
    if (performance.now() - began > 20000) return failed('nothing came of it');
    setTimeout(look, 2);
  };
  target.click(); look();
})"""


@contextmanager
def app(data_dir, **variables):
    """Start the app in a separate process with a clean environment; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANIMERAG_"))}
    environment = {**own, "ANIMERAG_DATA_DIR": str(data_dir), **variables}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def measurements(address, work, file, times, gap_s):
    """Return milliseconds by measurement; between two clicks pass `gap_s` seconds."""
    from playwright.sync_api import expect, sync_playwright

    measured = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for which in ("first of all", "again"):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            began_s = time.perf_counter()
            page.goto(address)
            expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=60_000)
            measured[f"first paint, {which}"] = [(time.perf_counter() - began_s) * 1000]
            expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible(timeout=60_000)
            measured[f"heading, {which}"] = [(time.perf_counter() - began_s) * 1000]
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)

        def went(name):
            page.wait_for_timeout(gap_s * 1000)
            link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
            return page.evaluate(CLICK, [link.element_handle(), name])

        def reran():
            # Elements of the last rerun may be in the toggle's place for a moment.
            page.wait_for_timeout(max(100, gap_s * 1000))
            toggle = page.get_by_test_id("stCheckbox").first.locator("input")
            return page.evaluate(CLICK, [toggle.element_handle(), None])

        def round_of(label):
            for name in PAGES:
                went(name)
            for _ in range(times):
                for name in PAGES:
                    took_ms = went(name)
                    for what in (f"page change, {label}", f"to {name}, {label}"):
                        measured.setdefault(what, []).append(took_ms)
            went("Catalogue")
            reran()
            for _ in range(3 * times):
                measured.setdefault(f"rerun of Catalogue, {label}", []).append(reran())

        round_of("idle")
        where = {"sheet": "Batch", "import": "Upload"}[work]
        went(where)
        page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(file)
        page.get_by_role("button", name="Start", exact=True).click(timeout=60_000)
        expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=60_000)
        if work == "import":  # the file has been read
            expect(page.get_by_text("Embedding ·").first).to_be_visible(timeout=60_000)
        round_of({"sheet": "while a sheet is answered", "import": "during an import"}[work])
        went(where)
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()  # the work went on until the end
        browser.close()
    return measured


async def run(options):
    with tempfile.TemporaryDirectory() as name:
        directory = options.data or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / {"sheet": "questions.csv", "import": "more.jsonl"}[options.work]
        if options.work == "sheet":
            asked = "\n".join(f"Which captain finds letter {n} on the island" for n in range(QUESTIONS))
            file.write_text(f"question\n{asked}\n")
        else:
            generate(file, IMPORTED, 60)
        settings = SimulatorSettings(embed_latency_s=0.2, chat_latency_s=1.0, dimensions=options.dim)
        async with SimulatorProcess(settings) as simulator:
            if not (directory / "data").exists():
                generate(directory / "shows.jsonl", options.shows, 60)
                await ingest(directory / "shows.jsonl", directory / "data", simulator.url, options.shows)
            # A second sheet would find the answers of the first one.
            used = shutil.copytree(directory / "data", Path(name) / "used")
            with app(used, OPENAI_BASE_URL=simulator.url, **MODEL) as address:
                measured = await asyncio.to_thread(
                    measurements, address, options.work, file, options.times, options.gap
                )
    for label, values in measured.items():
        ordered = sorted(values)
        figures = {
            "n": len(ordered),
            "p50_ms": round(percentile(ordered, 50)),
            "p95_ms": round(percentile(ordered, 95)),
        }
        print(json.dumps({"shows": options.shows, "what": label, **figures}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shows", type=int, default=1458)
    parser.add_argument("--data", type=Path, help="an existing directory, to import the shows only once")
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--gap", type=float, default=1.0, help="seconds between two clicks")
    parser.add_argument("--work", choices=("sheet", "import"), default="sheet", help="what runs meanwhile")
    asyncio.run(run(parser.parse_args()))
