"""Upload in a real browser: a preview of files, and an import that is watched, stopped, left and resumed."""

import json
import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]


def records(number):
    words = "A captain crosses the sea, loses the way home and learns to cook for the crew of another ship. "
    return [
        {"AnimeID": n, "MainTitle": f"Voyage {n}", "Description": f"Day {n}. " + words * 6, "BeginYear": 1980 + n % 40}
        for n in range(1, number + 1)
    ]


def test_files_are_checked_imported_stopped_and_resumed(app_url, browser, photograph, tmp_path):
    from playwright.sync_api import expect

    export, table = tmp_path / "voyages.json", tmp_path / "mine.csv"
    export.write_text(json.dumps({"AniDB_Anime": [*records(900), {"AnimeID": 901}]}), encoding="utf-8")
    table.write_text("Name;Plot;Épisodes\nLong Way;They walk home.;12\n", encoding="cp1252")
    context = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900})
    page = context.new_page()

    def shot(name, height=900):
        photograph(page, f"upload-{name}", height=height)

    page.goto(app_url)
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Upload", exact=True).click()
    expect(page.get_by_text("Nothing is stored before you start.")).to_be_visible(timeout=20_000)
    shot("1-empty")

    # Two files: what each would do, before anything is spent.
    page.locator("input[type=file]").set_input_files([export, table])
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled(timeout=30_000)
    page.get_by_text("Preview and mapping").nth(1).click()
    expect(page.get_by_text(re.compile("Encoding windows-1252|Encoding cp1252|Windows"))).to_be_visible()
    shot("2-checked", 1500)

    # The import is shown in lanes and stopped half-way; a reload and another page change nothing.
    start.click()
    expect(page.get_by_text(re.compile(r"of 902 shows · .* left"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("img", name=re.compile("The work of the last"))).to_be_visible()
    shot("3-running")
    page.reload()
    expect(page.get_by_text(re.compile(r"of 902 shows · .* left"))).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Cancel").click()
    rest = page.get_by_role("button", name=re.compile(r"Resume \("))
    expect(rest).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile(r"Cancelled\. [\d,]+ shows were stored\."))).to_be_visible()
    shot("4-cancelled", 1100)

    # Only the remaining rows are imported, and every row is counted.
    rest.click()
    expect(page.get_by_text("901 shows in the catalogue")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("1 row skipped")).to_be_visible()
    shot("5-done", 1100)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download skipped rows").click()
    given = download.value.path().read_text(encoding="utf-8-sig")
    assert '"901"' in given or "901" in given
    context.close()


def test_an_import_of_the_real_export_is_cancelled_killed_and_resumed(
    app_over, provider, browser, photograph, real_export
):
    from playwright.sync_api import expect

    environment = {"OPENAI_BASE_URL": provider, "ANIMERAG_INGEST_CONCURRENCY": "2"}
    page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}).new_page()

    def shot(name):
        photograph(page, f"upload-network-{name}")

    with app_over(**environment) as url:
        page.goto(f"{url}/upload")
        page.locator("input[type=file]").set_input_files(real_export)
        start = page.get_by_role("button", name="Start", exact=True)
        expect(start).to_be_enabled(timeout=60_000)
        start.click()
        expect(page.get_by_text(re.compile("At most 2 requests in flight: "))).to_be_visible(timeout=30_000)
        page.reload()
        expect(page.get_by_text(re.compile("At most 2 requests in flight: "))).to_be_visible(timeout=30_000)
        page.get_by_role("combobox").last.click()
        page.get_by_role("option", name="5", exact=True).click()
        expect(page.get_by_text(re.compile("At most 5 requests in flight: 5 now"))).to_be_visible(timeout=30_000)
        expect(page.get_by_text(re.compile(r"[1-9]\d* of 1,458 shows · .* left"))).to_be_visible(timeout=30_000)
        shot("1-running")
        page.get_by_role("button", name="Cancel").click()
        rest = page.get_by_role("button", name=re.compile(r"Resume \("))
        expect(rest).to_be_visible(timeout=30_000)
        rest.click()
        expect(page.get_by_text(re.compile(r"[1-9]\d* of 1,458 shows · .* left"))).to_be_visible(timeout=30_000)
        url.process.kill()
        url.process.wait(20)

    with app_over(**environment) as url:
        page.goto(f"{url}/upload")
        expect(page.get_by_text(re.compile(r"was interrupted: [1-9][\d,]* of 1,458 done"))).to_be_visible(
            timeout=60_000
        )
        shot("2-interrupted")
        page.get_by_role("button", name="Resume", exact=True).click()
        expect(page.get_by_text("1,458 shows in the catalogue").first).to_be_visible(timeout=90_000)
        shot("3-resumed")
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Settings", exact=True).click()
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible(timeout=20_000)
    page.close()
