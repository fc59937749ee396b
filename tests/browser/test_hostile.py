"""Hostile documents, titles, file names, questions and a model that obeys them, in a real browser: text stays text."""

import csv
import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import obedient

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

FIXTURES = Path(__file__).with_name("hostile.txt").read_text(encoding="utf-8").splitlines()
GROUPS = ("lighthouse", "submarine", "orchestra", "greenhouse", "observatory", "carousel", "blacksmith", "apiary")
CANARY = "sk-canary-4fd1a0"
# Elements that load or run something: none of them may come from a text.
ALIVE = """() => {
  const away = url => url && !url.startsWith('#') && new URL(url, location.href).origin !== location.origin;
  const found = [];
  for (const a of document.querySelectorAll('a[href]')) if (away(a.getAttribute('href'))) found.push(a.outerHTML);
  const kinds = 'img[src]:not([data-testid$=Logo]), iframe, object, embed, form, video source';
  for (const i of document.querySelectorAll(kinds))
    if (away(i.getAttribute('src') || 'https://x.invalid')) found.push(i.outerHTML.slice(0, 200));
  const text = '[data-testid=stMarkdownContainer] ';
  for (const e of document.querySelectorAll(`.katex, ${text} script, ${text} style`)) found.push(e.outerHTML);
  return found;
}"""


@pytest.fixture
def export(tmp_path):
    rows = [
        {
            "AnimeID": n,
            "MainTitle": f"Evil {n} {text}",
            "AllTitles": f"Evil {n} {text}|{text}",
            "AllTags": text.replace("|", " "),
            "Description": f"A story of the {GROUPS[n % len(GROUPS)]}. {text}",
        }
        for n, text in enumerate(FIXTURES)
    ]
    path = tmp_path / "![x](https:evil.example) <img src=x onerror=alert(1)>.json"
    path.write_text(json.dumps({"AniDB_Anime": rows}, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["question"], *([f"lighthouse {text}"] for text in FIXTURES)])
    return path


@pytest.fixture
def url(app_over, elsewhere):
    model = elsewhere.enter(obedient.listening())
    environment = {"ANIMERAG_EMBEDDING_PROVIDER": "local", "ANIMERAG_CHAT_MODEL": "obedient", "OPENAI_API_KEY": CANARY}
    with app_over(OPENAI_BASE_URL=model, **environment) as opened:
        yield opened


def test_hostile_text_is_shown_as_text(url, browser, export, questions, artifacts):
    from playwright.sync_api import expect

    assert len(FIXTURES) >= 60
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    elsewhere, dialogs = [], []

    def note(request):
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            elsewhere.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    def is_dead(where):
        if os.environ.get("ARTIFACTS"):
            page.screenshot(path=artifacts / f"hostile-{where}.png")
        assert page.evaluate(ALIVE) == [], where
        assert dialogs == [], where
        assert elsewhere == [], where
        assert CANARY not in page.content(), where

    inbox = export.parent / "data" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / export.name).write_text("{}")
    page.goto(f"{url}/upload")
    expect(page.get_by_text("img src=x onerror").first).to_be_visible(timeout=60_000)
    is_dead("inbox")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(export)
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_enabled(timeout=60_000)
    is_dead("preflight")
    start.click()
    expect(page.get_by_text("in the catalogue")).to_be_visible(timeout=120_000)
    is_dead("uploaded")

    page.goto(url)
    expect(page.get_by_test_id("stTable").get_by_text("img src=x onerror")).to_be_visible(timeout=60_000)
    is_dead("home")
    box = page.get_by_test_id("stChatInput").locator("textarea")
    for number, group in enumerate(GROUPS):
        box.fill(f"the one in which somebody looks after a {group} {FIXTURES[number]}")
        box.press("Enter")
        expect(page.get_by_text("Written by obedient")).to_have_count(number + 1, timeout=30_000)
        is_dead(f"answer-{group}")
    expect(page.get_by_text("cites sources that do not exist: 42").first).to_be_visible()
    page.get_by_role("button", name=re.compile("^1 · ")).first.click()
    expect(page.get_by_role("dialog").get_by_text("Matched by")).to_be_visible(timeout=30_000)
    is_dead("source")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog").get_by_text("Timeline")).to_be_visible(timeout=30_000)
    is_dead("timing")
    page.get_by_role("tab", name="Prompt").click()
    is_dead("prompt")
    page.keyboard.press("Escape")

    page.goto(f"{url}/catalogue?show=1")
    expect(page.get_by_role("heading", name="Evil 1")).to_be_visible(timeout=20_000)
    is_dead("catalogue")

    page.goto(f"{url}/batch")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(questions)
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_enabled(timeout=20_000)
    is_dead("sheet")
    start.click()
    number = len(FIXTURES)
    expect(page.get_by_text(f"{number} of {number} questions answered")).to_be_visible(timeout=120_000)
    is_dead("batch")
