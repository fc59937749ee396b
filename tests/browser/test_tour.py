"""The README's pictures show the current app: the script that takes them still finds every view."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture
def tour(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tour

    yield tour
    for name in ("tour", "pages"):
        sys.modules.pop(name, None)


def test_the_tour_shows_every_view(tour, app_url, browser):
    from playwright.sync_api import expect

    page = browser.new_context(viewport=tour.SIZE).new_page()
    page.goto(f"{app_url}/ask")
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    views = []
    tour.walk(page, app_url, views.append)
    page.context.close()
    assert set(tour.PICTURES) <= set(views)
    assert len(views) * tour.FRAME_S <= tour.TOUR_S


def test_the_readme_shows_the_pictures_and_the_tour_is_small():
    shown = set(re.findall(r"docs/([a-z]+\.(?:png|gif))", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert shown == {"home.png", "ask.png", "compare.png", "tour.gif"}
    assert all((ROOT / "docs" / name).is_file() for name in shown)
    assert (ROOT / "docs" / "tour.gif").stat().st_size <= 3 * 2**20
