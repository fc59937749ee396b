"""Measure how soon a new process of the app draws its first page and answers its first question.

    .venv/bin/python benchmarks/first_answer.py --times 8

From the start of `streamlit run app.py` over a directory with the sample: the server listens, Chromium's first paint,
the list of pages, the box for a question, and the answer to one that is typed at once.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import expect, sync_playwright

from pages import app

QUESTION, ANSWER = "What is Monster about?", "Kenzou Tenma"
PAINTED = "performance.timeOrigin + performance.getEntriesByName('first-paint')[0].startTime"
_SAMPLE_S = 30  # for the import of the sample and of its passages, once


def start(browser, data_dir):
    """Start the app and ask; return seconds since the start of its process by what has happened."""
    seconds = {}
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    began_s, began_at_s = time.perf_counter(), time.time()
    with app(data_dir) as address:

        def now(what):
            seconds[what] = time.perf_counter() - began_s

        now("server")
        page.goto(f"{address}/ask", wait_until="commit")
        expect(page.get_by_test_id("stSidebarNav")).to_be_visible(timeout=60_000)
        now("pages")
        box = page.get_by_test_id("stChatInput").locator("textarea")
        expect(box).to_be_enabled(timeout=60_000)
        now("box")
        box.fill(QUESTION)
        box.press("Enter")
        expect(page.get_by_text(ANSWER).first).to_be_visible(timeout=60_000)
        now("answer")
        seconds["first paint"] = page.evaluate(PAINTED) / 1000 - began_at_s
    page.context.close()
    return seconds


def main(times):
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        data_dir = Path(name) / "data"
        with app(data_dir) as address:
            page = browser.new_page()
            page.goto(f"{address}/ask")
            expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=120_000)
            time.sleep(_SAMPLE_S)
            page.close()
        runs = [start(browser, data_dir) for _ in range(times)]
        browser.close()
    for what in ("server", "first paint", "pages", "box", "answer"):
        values = [run[what] for run in runs]
        figures = {"median_s": round(median(values), 2), "s": [round(value, 2) for value in values]}
        print(json.dumps({"what": what, **figures}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=8)
    main(parser.parse_args().times)
