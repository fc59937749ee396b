"""Two apps on one catalogue in a real browser: an import of one is drawn, answered and cancelled in the other."""

import json
import re

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]


def written(path, records):
    path.write_text(json.dumps({"AniDB_Anime": records}), encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path, elsewhere, provider, chroma_index_url):
    """The settings of apps on one catalogue, which has a show, so that no sample is loaded."""
    source = written(tmp_path / "first.json", [{"AnimeID": 1, "MainTitle": "Monster", "Description": "A surgeon."}])

    async def fill():
        chosen = load_settings(data_dir=tmp_path / "shared", chroma_url=chroma_index_url)
        async with open_services(chosen, warm=False) as services:
            await services.ingestion.run([SourceFile(path=source, name=source.name)], Control())

    elsewhere.run(fill())
    return {
        "OPENAI_BASE_URL": provider,
        "ANIMERAG_DATA_DIR": str(tmp_path / "shared"),
        "ANIMERAG_CHROMA_URL": chroma_index_url,
        "ANIMERAG_INGEST_CONCURRENCY": "1",
        "ANIMERAG_BATCH_SIZE": "4",
    }


@pytest.fixture
def addresses(app_of_module, settings):
    """The addresses of two apps."""
    with app_of_module(**settings) as first, app_of_module(**settings) as second:
        yield first, second


def test_an_import_of_one_app_is_answered_and_cancelled_in_another(addresses, browser, photograph, tmp_path):
    from playwright.sync_api import expect

    voyages = [{"AnimeID": n, "MainTitle": f"Voyage {n}", "Description": f"Day {n}."} for n in range(10, 50)]
    path = written(tmp_path / "voyages.json", [*voyages, *({"AnimeID": n} for n in range(60, 75))])

    def opened(address):
        page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"{address}/upload")
        expect(page.get_by_text("Choose a file to see what it would change.")).to_be_visible(timeout=60_000)
        return page

    pages = here, there = [opened(address) for address in addresses]
    here.locator("input[type=file]").set_input_files(path)
    start = here.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled(timeout=60_000)
    start.click()
    question = "15 of 55 rows have errors. Import the rest?"
    for page in pages:
        expect(page.get_by_text(question)).to_be_visible(timeout=30_000)
    photograph(there, "replicas-1-question", schemes=["light"])
    there.get_by_role("button", name="Import the rest").click()
    for page in pages:
        expect(page.get_by_text(re.compile(r"[1-9]\d* of \d+ shows · .* left"))).to_be_visible(timeout=40_000)
        expect(page.get_by_text(question)).to_have_count(0)
    expect(there.get_by_text(re.compile(r"Runs on .*, process \d+\."))).to_be_visible()
    photograph(there, "replicas-2-running", schemes=["light"])
    there.get_by_role("button", name="Cancel").click()
    for page in pages:
        expect(page.get_by_text(re.compile(r"Cancelled\. \d+ shows were stored\."))).to_be_visible(timeout=40_000)
    photograph(there, "replicas-3-cancelled", schemes=["light"])
    there.goto(f"{addresses[1]}/system")
    expect(there.get_by_role("heading", name="Jobs")).to_be_visible(timeout=40_000)
    photograph(there, "replicas-4-system", schemes=["light"], full_page=True)
