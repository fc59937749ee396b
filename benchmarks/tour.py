"""Take the pictures and the tour for the README from the real app with the sample, in Chromium.

    .venv/bin/python benchmarks/tour.py [--to docs]

Writes `home.png`, `ask.png`, `compare.png`, and `tour.gif` of at most 30 s and 3 MB, which shows `walk`. A browser
test runs `walk` too, and fails if a title or a part of a page in the pictures is missing.
"""

import argparse
import io
import re
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from pages import ROOT, app

SIZE = {"width": 1280, "height": 800}
PICTURES = ("home", "ask", "compare")
TOUR_PX, TOUR_MB, TOUR_S = 960, 3, 30
FRAME_S = 2.2
QUESTION = "Astronauts who collect trash in orbit"
WITHIN_MS = 120_000


def walk(page, address, take):
    """Go through what the README shows, and call `take` with the name of each view once it is there."""
    within = {"timeout": WITHIN_MS}

    def arrive(name):
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(**within)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", **within)
        expect(page).to_have_title(f"{name} · animerag", **within)

    def go(name):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click(**within)
        arrive(name)

    page.goto(address)
    arrive("Home")
    expect(page.get_by_text("Median rating")).to_be_visible(**within)
    expect(page.locator(".js-plotly-plot").nth(1)).to_be_visible(**within)
    take("home")
    go("Ask")
    box = page.get_by_test_id("stChatInput").locator("textarea")
    box.fill(QUESTION)
    take("question")
    box.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^1 · Planetes"))).to_be_visible(**within)
    expect(page.get_by_role("button", name="Details")).to_be_visible(**within)
    take("ask")
    page.locator('a[href$="#source-1"]').first.click()
    expect(page.get_by_role("dialog").get_by_text("Matched by")).to_be_visible(**within)
    take("source")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    go("Catalogue")
    page.get_by_test_id("stButtonGroup").get_by_text("Movies", exact=True).click()
    expect(page.get_by_text(re.compile("^[0-9,]+ shows? · Movies$"))).to_be_visible(**within)
    take("catalogue")
    go("Compare")
    expect(page.get_by_role("button", name=re.compile("^Start race"))).to_be_visible(**within)
    expect(page.get_by_text(re.compile("as fast as sync")).first).to_be_visible(**within)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(**within)
    take("compare")


def animation(frames):
    """Return the views, one after the other, as an animated GIF in which every view has its own palette."""
    views = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    small = [view.resize((TOUR_PX, view.height * TOUR_PX // view.width), Image.Resampling.LANCZOS) for view in views]
    reduced = [view.quantize(128, dither=Image.Dither.NONE) for view in small]
    written = io.BytesIO()
    reduced[0].save(
        written, "GIF", save_all=True, append_images=reduced[1:], duration=int(FRAME_S * 1000), loop=0, optimize=True
    )
    return written.getvalue()


def main(chosen):
    data = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    frames = []
    with data as directory, app(directory) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()
        page.goto(f"{address}/ask")
        expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=WITHIN_MS)

        def take(name):
            page.wait_for_timeout(1500)  # charts and tables fade in
            frames.append(page.screenshot())
            if name in PICTURES:
                picture = Image.open(io.BytesIO(frames[-1])).quantize(256)
                picture.save(chosen.to / f"{name}.png", optimize=True)

        walk(page, address, take)
        browser.close()
    tour = animation(frames)
    assert len(tour) <= TOUR_MB * 2**20, f"the tour has {len(tour):,} bytes"
    assert len(frames) * FRAME_S <= TOUR_S, f"the tour takes {len(frames) * FRAME_S} s"
    (chosen.to / "tour.gif").write_bytes(tour)
    print(f"{len(frames)} views, {len(frames) * FRAME_S:.0f} s, {len(tour):,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / "docs")
    main(parser.parse_args())
