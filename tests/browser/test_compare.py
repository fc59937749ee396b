"""Compare in a real browser: the recorded race, a race, and a small experiment of each workload."""

import contextlib
import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.exclusive, pytest.mark.long, pytest.mark.timeout(420)]

OWN = {
    "Embedding request, s": "0.2",
    "Each text adds, s": "0",
    "Whole answer, s": "0.3",
    "Repeats": "1",
    "Warm-up runs": "0",
}


CONTRASTS = """() => {
  const light = colour => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255);
    const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.querySelector('.stApp')).backgroundColor);
  return [...document.querySelectorAll('.xtick text, .ytick text, .g-xtitle text, .legendtext')].map(word => {
    const ink = light(getComputedStyle(word).fill);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
}"""


def test_a_race_and_an_experiment_of_each_workload(app_url, browser, photograph):
    from playwright.sync_api import TimeoutError as PlaywrightTimeout
    from playwright.sync_api import expect

    context = browser.new_context(color_scheme="light", viewport={"width": 1360, "height": 900})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def shot(name, height=900, schemes=("dark", "light")):
        photograph(page, f"compare-{name}", height=height, schemes=schemes)  # the page scrolls inside its window

    def fill(name, value):
        box = page.get_by_label(name, exact=True)
        box.fill(value)
        box.press("Enter")
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def run(name, schemes=("light",)):
        button = page.get_by_role("button", name="Run", exact=True)
        expect(button).to_be_enabled()
        button.click()
        expect(page.get_by_text(re.compile(r"^Run \d of \d"))).to_be_visible(timeout=60_000)
        shot(f"{name}-running", 1500, schemes)
        heading = {"ingest": "Import, 60 documents", "batch": "Batch, 4 questions", "query": "One question ·"}[name]
        expect(page.get_by_role("heading", name=f"{heading}")).to_be_visible(timeout=120_000)
        expect(page.get_by_text("Best speed-up", exact=True)).to_be_visible()
        expect(page.locator(".js-plotly-plot")).to_have_count(2 if name == "query" else 3, timeout=30_000)
        expect(page.get_by_text("own numbers, simulated").first).to_be_visible()
        shot(f"{name}-done", 3200, schemes)

    page.goto(app_url)
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Compare", exact=True).click()
    expect(page.get_by_role("heading", name="Compare", exact=True)).to_be_visible(timeout=20_000)
    # A recorded race is shown before the first click.
    expect(page.get_by_text(re.compile(r"^Recorded on 20\d\d-"))).to_be_visible(timeout=20_000)
    expect(page.locator(".js-plotly-plot")).to_have_count(1, timeout=30_000)
    shot("1-recorded", 1100)

    # The race: drawn while it runs, then its verdict and the level to use.
    page.get_by_role("radio", name="Import").click()
    race = page.get_by_role("button", name="Start race")
    expect(race).to_be_enabled()
    race.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("img", name=re.compile("The race so far"))).to_be_visible(timeout=20_000)
    bar = page.get_by_role("progressbar")
    expect(bar).not_to_have_attribute("aria-valuenow", "0", timeout=20_000)  # no progress while the provider starts
    expect(page.get_by_text(re.compile("1 of 3 finished"))).to_be_visible(timeout=60_000)
    shot("2-race-running")
    use = page.get_by_role("button", name="Use level 5")
    expect(use).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile("The provider was simulated"))).to_be_visible()
    expect(page.get_by_text("Recorded on")).to_have_count(0)
    shot("3-race-done", 1200)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(500)
        contrasts = page.evaluate(CONTRASTS)
        assert contrasts, "the race has words"
        assert min(contrasts) >= 4.5, scheme
    expect(use).to_be_disabled()
    expect(page.get_by_text("The embedded provider uses no network")).to_be_visible()

    # An experiment with custom numbers, small enough for a test.
    page.get_by_role("tab", name="Experiment").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    for _ in range(5):  # a rerun of the page in between closes the list again
        page.get_by_label("Provider", exact=True).click()
        with contextlib.suppress(PlaywrightTimeout):
            page.get_by_role("option", name="Custom numbers, simulated").click(timeout=4000)
            break
        page.keyboard.press("Escape")
    expect(page.get_by_label("Faults, each with its share of the requests")).to_be_visible()
    page.get_by_text("Advanced", exact=True).click()
    for name, value in OWN.items():
        fill(name, value)
    fill("Documents", "60")
    fill("Documents per request", "20")
    expect(page.get_by_text("This work makes only 3 requests, so levels 5 and 10 are left out")).to_be_visible()
    shot("5-form", 1500)
    run("ingest", ("dark", "light"))

    page.get_by_text("New experiment", exact=True).click()  # the form is folded while a result is shown
    page.get_by_role("radio", name="Batch").click()
    fill("Questions", "4")
    run("batch")

    page.get_by_text("New experiment", exact=True).click()
    page.get_by_role("radio", name="One question").click()
    expect(page.get_by_label("Questions", exact=True)).to_have_count(0)
    run("query")

    # Files are created on demand.
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    written = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (written["workload"], written["provider"], len(written["runs"])) == ("query", "simulated", 4)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download HTML").click()
    assert "simulated" in Path(download.value.path()).read_text(encoding="utf-8")
    page.get_by_role("button", name="Use as baseline").click()
    expect(page.get_by_role("button", name="Remove as baseline")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this experiment").click()
    expect(page.get_by_role("heading", name="One question ·")).to_have_count(0)
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_text("Tick one experiment to open it")).to_be_visible()
    shot("6-history", 900)
    context.close()
    assert errors == []
