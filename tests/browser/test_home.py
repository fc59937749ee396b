"""Home in a real browser: covers that are not pictures, cards without a mouse, a chart, and a corrected answer."""

import csv
import io
import json
import re
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.browser.test_keyboard import Keyboard
from tests.catalogue.test_covers import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]


OTHER_COLOUR = """() => [...document.querySelectorAll('.js-plotly-plot text')]
  .filter(text => getComputedStyle(text).fill !== getComputedStyle(text.closest('.js-plotly-plot')).color)
  .map(text => text.textContent)"""


def put_covers(folder):
    """Give each show of the sample a cover: every other one is a picture, the others are hostile files."""
    picture = io.BytesIO()
    Image.new("RGB", (300, 450), "#5B5BD6").save(picture, "JPEG")
    small = [data for data in HOSTILE.values() if len(data) < 2**20]
    sample = json.loads(files("animerag.catalogue.sample").joinpath("catalogue.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True)
    for number, show in enumerate(sample["AniDB_Anime"]):
        data = picture.getvalue() if number % 2 else small[number // 2 % len(small)]
        (folder / f"{show['AnimeID']}.jpg").write_bytes(data)


def test_home_is_used_without_a_mouse_and_an_answer_is_corrected(app_over, browser, tmp_path, photograph):
    from playwright.sync_api import expect

    put_covers(tmp_path / "data" / "covers")
    with app_over() as url:
        page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}).new_page()
        hosts, dialogs = set(), []
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(f"{url}/home?from=a+bookmark")  # Streamlit serves the first page at / only
        assert page.url == f"{url}/?from=a+bookmark"
        expect(page.get_by_text("Best rated you have not watched")).to_be_visible(timeout=90_000)

        # A cover that is not a picture is a tile made of the title.
        cards = page.locator('[class*="st-key-card_home_unseen"]')
        expect(cards.locator("img").first).to_be_visible(timeout=60_000)
        expect(cards.locator(".ar-tile").first).to_be_visible()
        assert page.evaluate(
            "[...document.querySelectorAll('[class*=st-key-card_] img')].every(i => i.naturalWidth == 240)"
        )
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        for width in (1280, 768, 390):
            photograph(page, f"home-{width}", width=width, height=3000)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width

        assert page.evaluate(OTHER_COLOUR) == [], "all words of charts have the colour of the page's text"

        keyboard = Keyboard(page)
        keyboard.press("BUTTON", "+1")
        expect(page.get_by_text(re.compile("^Episode 1 of .* is marked as watched"))).to_be_visible()
        expect(page.get_by_text("Finish what you started")).to_be_visible()
        keyboard.press("BUTTON", "Watched")
        expect(page.get_by_text(re.compile("^(?!Episode).* is marked as watched"))).to_be_visible()
        assert keyboard.unseen == set()

        # A click on a bar opens Catalogue with its filter.
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        bar = page.locator(".js-plotly-plot").filter(has_text="Shows by tag").locator(".barlayer .point").first
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        expect(page.get_by_role("heading", name="Catalogue", exact=True)).to_be_visible()
        expect(page.get_by_text("Filtered by:")).to_be_visible()

        # The right show is chosen under an answer: the show gets a title, and the question becomes a row of a sheet.
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Ask", exact=True).click()
        box = page.get_by_test_id("stChatInput").locator("textarea")
        box.fill("What is Harbour Nights about?")
        box.press("Enter")
        page.get_by_role("button", name="Not the show I meant").click(timeout=60_000)
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("textbox", name="Also call it")).to_have_value("Harbour Nights")
        dialog.get_by_label("Find the show you meant").fill("monster")
        dialog.get_by_label("Find the show you meant").press("Enter")
        dialog.get_by_text("Monster (2004)", exact=True).click()
        dialog.get_by_role("button", name="Save and ask again").click()
        expect(page.get_by_role("button", name=re.compile("^1 · Monster"))).to_be_visible(timeout=60_000)
        with (tmp_path / "data" / "my_questions.csv").open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["question"], row["kind"]) == ("What is Harbour Nights about?", "title")

        # The title is stored like any other edit.
        other = page.context.new_page()
        other.goto(f"{url}/catalogue?show={row['expected_ids']}")
        expect(other.get_by_text("Edited: titles")).to_be_visible(timeout=60_000)
        other.close()

        # A correction can be undone where it was made.
        page.get_by_role("button", name="Undo correction").click(timeout=60_000)
        expect(page.get_by_test_id("stChatMessage")).to_have_count(6, timeout=60_000)  # the question is asked again
        expect(page.get_by_role("button", name="Undo correction")).to_have_count(0)
        assert (tmp_path / "data" / "my_questions.csv").read_text(encoding="utf-8").splitlines() == [",".join(row)]

        assert hosts <= {"127.0.0.1", None}  # pictures that are part of the page have no host
        assert dialogs == []
        page.context.close()
