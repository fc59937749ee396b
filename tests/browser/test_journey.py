"""A new user's first session in a real browser: sample, question, upload, question, batch, download."""

import csv
import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest

REPO = Path(__file__).resolve().parents[2]
QUESTIONS = [
    "What is Monster about?",
    "How many episodes does Monster have?",
    "a notebook that kills whoever is named in it",
    "When did Cowboy Bebop air?",
    "What is Death Note about?",
]
WANTED, SHOWS = ("Monster", "Cowboy Bebop", "Death Note"), 400  # the encoder takes a minute for all of a real export

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(420)]


@pytest.fixture
def export(tmp_path):
    """Some shows of the real export if it is available, otherwise the sample with one changed show."""
    real = REPO.parent / "shared" / "data" / "shoko_export.json"
    if real.exists():
        shows = json.loads(real.read_text(encoding="utf-8-sig"))["AniDB_Anime"]
        shows.sort(key=lambda show: show["MainTitle"] not in WANTED)
    else:
        text = files("animerag.catalogue.sample").joinpath("catalogue.json").read_text(encoding="utf-8")
        shows = json.loads(text)["AniDB_Anime"]
        shows[0]["Description"] += " It was restored later."
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"AniDB_Anime": shows[:SHOWS]}), encoding="utf-8")
    return path


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerows([["question", "row"], *([question, i] for i, question in enumerate(QUESTIONS))])
    return path


def test_a_newcomer_asks_uploads_and_downloads_answers(app_url, browser, export, questions, photograph):
    from playwright.sync_api import expect

    context = browser.new_context(color_scheme="light", viewport={"width": 1360, "height": 900})
    page = context.new_page()
    hosts = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def shot(name):
        photograph(page, name, full_page=True)

    def visit(name):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=20_000)

    # An empty catalogue loads the sample; a click on an example is answered from it.
    page.goto(app_url)
    expect(page.get_by_text("sample shows. Your first upload")).to_be_visible(timeout=20_000)
    shot("1-taking-in-the-sample")
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    shot("2-sample")
    page.get_by_text("What is AoT about?").click()
    expect(page.get_by_role("heading", name="Ask", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Quoted from your catalogue")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name=re.compile("^1 · Shingeki no Kyojin"))).to_be_visible()
    shot("3-answer")
    page.locator('a[href$="#source-1"]').first.click()  # the citation opens its source
    expect(page.get_by_role("dialog").get_by_text("Open in Catalogue")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("dialog").locator(":focus")).to_have_count(1, timeout=20_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    # The first upload replaces the sample.
    visit("Upload")
    shot("4-upload-empty")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(export)
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_enabled(timeout=30_000)
    shot("5-upload-ready")
    start.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=30_000)
    shot("6-upload-running")
    expect(page.get_by_text("in the catalogue")).to_be_visible(timeout=300_000)
    shot("7-upload-done")
    visit("Ask")
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_have_count(0)
    box = page.get_by_test_id("stChatInput").locator("textarea")
    box.fill("What is Monster about?")
    box.press("Enter")
    expect(page.get_by_text("Quoted from your catalogue")).to_have_count(2, timeout=20_000)
    expect(page.get_by_role("button", name=re.compile("^1 · Monster"))).to_be_visible()
    shot("8-own-answer")

    # A sheet of questions comes back answered, in its order.
    visit("Batch")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(questions)
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_enabled(timeout=30_000)
    shot("9-batch-ready")
    start.click()
    expect(page.get_by_text("5 of 5 questions answered")).to_be_visible(timeout=60_000)
    shot("10-batch-done")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["question"] for row in rows] == QUESTIONS
    assert [row["row"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert all(row["answer"] and row["status"] == "ok" for row in rows)

    visit("Catalogue")
    page.get_by_label("Search titles").fill("Monster")
    page.get_by_label("Search titles").press("Enter")
    expect(page.get_by_text(re.compile(r"^\d{1,2} shows?$"))).to_be_visible(timeout=30_000)
    shot("11-catalogue")
    page.goto(f"{app_url}/catalogue?show=1")
    expect(page.get_by_role("heading", name="Cowboy Bebop")).to_be_visible(timeout=20_000)
    shot("12-show")
    visit("System")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Index and library agree")).to_be_visible(timeout=60_000)
    shot("13-system")
    context.close()
    assert hosts <= {"127.0.0.1"}
    assert errors == []
