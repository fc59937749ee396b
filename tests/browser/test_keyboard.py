"""Five tasks of a new user without a mouse: everything is reached with Tab, visibly focused, and used with a key."""

import csv
import json
import os
import re
from importlib.resources import files

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.exclusive, pytest.mark.long, pytest.mark.timeout(300)]

STOPS = 60  # more than any page has
# A table reports its selection 150 ms after a key; the rerun that follows returns to the table's page.
SETTLED_MS = 500
NAME_OF = """const nameOf = element => {
  const copy = element.cloneNode(true);
  copy.querySelectorAll('[data-testid="stIconMaterial"]').forEach(icon => icon.remove());
  return (element.getAttribute('aria-label') || copy.textContent || element.placeholder || '').trim();
};"""
# Describes the focused element: kind, name without icons, visibility. Fields and tables draw their own focus.
FOCUSED = f"""() => {{
  {NAME_OF}
  const element = document.activeElement, style = getComputedStyle(element);
  const marked = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  const marksItself = !['A', 'BUTTON', 'SUMMARY'].includes(element.tagName) && element.getAttribute('role') !== 'tab';
  return {{tag: element.tagName, name: nameOf(element), seen: marked || marksItself}};
}}"""
DRAWN = f"""([tags, name]) => {{
  {NAME_OF}
  return [...document.querySelectorAll(tags.join(','))].some(element => nameOf(element).includes(name));
}}"""
SETTLED = """quietMs => new Promise(resolve => {
  let since = performance.now();
  const timer = setInterval(() => {
    const app = document.querySelector('[data-testid="stApp"]');
    const busy = app?.getAttribute('data-test-script-state') !== 'notRunning'
      || document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]');
    if (busy) since = performance.now();
    if (performance.now() - since < quietMs) return;
    clearInterval(timer);
    resolve();
  }, 20);
})"""


class Keyboard:
    """Uses a page without a mouse."""

    def __init__(self, page):
        self.page = page
        self.unseen = set()
        page.on("filechooser", lambda _: None)  # early, because handing over file dialogs takes the browser a while

    def to(self, tag, name=""):
        """Press Tab until this has the focus; every focus on the way must be visible."""
        self.page.wait_for_function(DRAWN, arg=[tag.split("|"), name])
        passed = []
        for _ in range(STOPS):
            self.page.keyboard.press("Tab")
            at = self.page.evaluate(FOCUSED)
            if not at["seen"]:
                self.unseen.add((at["tag"], at["name"]))
            if at["tag"] in tag.split("|") and name in at["name"]:
                return
            passed.append((at["tag"], at["name"][:30]))
        pytest.fail(f"Tab does not lead to {tag} {name}: {passed}")

    def press(self, tag, name=""):
        self.to(tag, name)
        self.page.keyboard.press("Enter")

    def go(self, name):
        from playwright.sync_api import expect

        self.page.evaluate(SETTLED, SETTLED_MS)
        self.to("A", name)
        self.page.evaluate(SETTLED, SETTLED_MS)  # Tab moves the selection on its way through a table
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=20_000)
        self.page.evaluate(SETTLED, SETTLED_MS)  # the elements of the last page are gone, and the focus with them

    def choose(self, path):
        self.to("BUTTON", "Upload")
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files(path)


def test_a_new_user_without_a_mouse_completes_all_five_tasks(app_url, browser, tmp_path, artifacts):
    from playwright.sync_api import expect

    page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 720}).new_page()
    keyboard = Keyboard(page)
    page.goto(f"{app_url}/ask")
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)

    # Ask, with an example and with a typed question; see how a show was found.
    keyboard.press("BUTTON", "What is AoT about?")
    expect(page.get_by_text("Quoted from your catalogue")).to_be_visible(timeout=20_000)
    keyboard.press("A", "1")
    expect(page.get_by_role("dialog").get_by_text("Open in Catalogue")).to_be_visible(timeout=30_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keyboard.to("TEXTAREA", "Ask about your catalogue")
    page.keyboard.type("When did Monster air?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Quoted from your catalogue")).to_have_count(2, timeout=20_000)

    # The catalogue: letters, then the list by its arrow keys, a show opened.
    keyboard.go("Catalogue")
    keyboard.to("INPUT", "Search titles")
    page.keyboard.type("fullmetal")
    expect(page.get_by_text(re.compile(r"^\d shows?$"))).to_be_visible(timeout=30_000)
    keyboard.to("CANVAS|TD|TABLE")
    expect(page.get_by_role("button", name=re.compile("^Open "))).to_be_visible(timeout=20_000)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Open Fullmetal Alchemist: Brotherhood")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Nearest by meaning")).to_have_count(0)  # moving through a table opens nothing
    keyboard.press("BUTTON", "Open Full")
    expect(page.get_by_text("Nearest by meaning")).to_be_visible(timeout=20_000)
    if os.environ.get("ARTIFACTS"):
        page.screenshot(path=artifacts / "keyboard-catalogue.png")
    keyboard.press("BUTTON", "All shows")
    expect(page.get_by_text("Nearest by meaning")).to_have_count(0, timeout=20_000)

    # The user's own file.
    shows = json.loads(files("animerag.catalogue.sample").joinpath("catalogue.json").read_text(encoding="utf-8"))[
        "AniDB_Anime"
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps({"AniDB_Anime": shows[:40]}), encoding="utf-8")
    keyboard.go("Upload")
    keyboard.choose(export)
    expect(page.get_by_role("button", name="Start")).to_be_enabled(timeout=30_000)
    keyboard.press("BUTTON", "Start")
    expect(page.get_by_text("in the catalogue")).to_be_visible(timeout=60_000)

    # A sheet of questions, read in the table, and downloaded.
    sheet = tmp_path / "questions.csv"
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["question"], *([f"What is {show['MainTitle']} about?"] for show in shows[:3])])
    keyboard.go("Batch")
    keyboard.choose(sheet)
    expect(page.get_by_role("button", name="Start")).to_be_enabled(timeout=20_000)
    keyboard.press("BUTTON", "Start")
    expect(page.get_by_text("3 of 3 questions answered")).to_be_visible(timeout=60_000)
    keyboard.to("BUTTON", "Download CSV")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "questions-answers.csv"
    keyboard.to("CANVAS|TD|TABLE")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("request", exact=False).last).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Sources", exact=True)).to_be_visible(timeout=20_000)
    if os.environ.get("ARTIFACTS"):
        page.screenshot(path=artifacts / "keyboard-batch.png", full_page=True)

    # The race, and its winner.
    keyboard.go("Compare")
    keyboard.press("BUTTON", "Start race")
    expect(page.get_by_role("button", name="Use level 8")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("The embedded provider uses no network")).to_be_visible(timeout=20_000)

    keyboard.go("Settings")
    keyboard.press("BUTTON", "Test the models")
    expect(page.get_by_text(re.compile("^Vectors: "))).to_be_visible(timeout=30_000)

    keyboard.go("System")
    keyboard.press("BUTTON", "Check now")
    expect(page.get_by_text("Index and library agree")).to_be_visible(timeout=60_000)
    page.context.close()
    assert keyboard.unseen == set()
