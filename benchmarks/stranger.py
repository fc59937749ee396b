"""Measure five tasks of a new user in Chromium: load a file, ask, see why this show, run a batch, win the race.

    .venv/bin/python benchmarks/stranger.py --export FILE --questions FILE

Prints the clicks of each task (typing does not count) and the seconds until its result. The targets are three clicks
and 60 s. The app is new and has no key; screenshots go to `--shots`.
"""

import argparse
import json
import re
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from pages import app

WITHIN_MS = 240_000


class Stranger:
    """A user whose clicks are counted."""

    def __init__(self, page, shots):
        self.page, self.shots = page, shots
        self.clicks = 0

    def click(self, target):
        target.click(timeout=WITHIN_MS)
        self.clicks += 1

    def button(self, name):
        self.click(self.page.get_by_role("button", name=name, exact=True).first)

    def go(self, name):
        self.click(self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True))
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=WITHIN_MS)

    def choose(self, path):
        """Choose a file: one click on "Browse", and one in the system's dialog, which counts as well."""
        self.page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(path)
        self.clicks += 1

    @contextmanager
    def task(self, name):
        self.clicks, began_s = 0, time.perf_counter()
        yield
        figures = {"task": name, "clicks": self.clicks, "seconds": round(time.perf_counter() - began_s, 1)}
        print(json.dumps(figures), flush=True)
        if self.shots:
            self.page.screenshot(path=self.shots / f"{name.replace(' ', '-')}.png")

    def see(self, text):
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=WITHIN_MS)


def tasks(me, export, questions):
    page = me.page
    with me.task("load my file"):
        me.click(page.get_by_role("link", name="Upload your own"))
        me.choose(export)
        me.button("Start")
        me.see("shows in the catalogue")
    me.go("Ask")
    with me.task("ask"):
        box = page.get_by_test_id("stChatInput").locator("textarea")
        box.fill("Astronauts who collect trash in orbit")
        box.press("Enter")
        me.see("Planetes")
        expect(page.get_by_role("button", name=re.compile("^1 · ")).first).to_be_visible(timeout=WITHIN_MS)
    with me.task("see why this show"):
        me.click(page.locator('a[href$="#source-1"]').first)
        expect(page.get_by_role("dialog")).to_be_visible(timeout=WITHIN_MS)
    page.keyboard.press("Escape")
    with me.task("run a batch"):
        me.go("Batch")
        me.choose(questions)
        me.button("Start")
        expect(page.get_by_role("button", name="Download CSV")).to_be_visible(timeout=WITHIN_MS)
        me.see("questions answered")
    with me.task("win the race"):
        me.go("Compare")
        me.click(page.get_by_role("button", name="Start race"))
        expect(page.get_by_role("button", name="Use level 8")).to_be_visible(timeout=WITHIN_MS)
        me.see("as fast as sync")


def main(chosen):
    shown = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with shown as directory, app(directory) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.goto(address)
        expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=WITHIN_MS)
        tasks(Stranger(page, chosen.shots), chosen.export, chosen.questions)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--shots", type=Path)
    main(parser.parse_args())
