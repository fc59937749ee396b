"""Catalogue in a real browser: a list that is filtered as you type, and a show that is opened, edited and deleted."""

from urllib.parse import urljoin

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(240)]


def test_a_show_is_found_as_you_type_and_then_edited(app_url, browser, photograph):
    from playwright.sync_api import expect

    page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}).new_page()

    def shot(name, height=900, width=1280):
        photograph(page, f"catalogue-{name}", height=height, width=width)

    page.goto(app_url)
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Catalogue", exact=True).click()
    expect(page.get_by_text("150 shows", exact=True)).to_be_visible(timeout=20_000)
    shot("1-all")

    # The list follows the letters without Enter.
    page.get_by_label("Search titles").press_sequentially("planetes", delay=40)
    expect(page.get_by_text("1 show", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Filters", exact=True).click()
    expect(page.get_by_label("From year")).to_be_visible()
    shot("2-filters")
    page.keyboard.press("Escape")

    canvas = page.get_by_test_id("stDataFrame").first
    canvas.hover(position={"x": 60, "y": 50})  # the table needs a mouse move before the click
    canvas.click(position={"x": 90, "y": 52})
    expect(page.get_by_text("Nearest by meaning")).to_be_visible(timeout=20_000)
    shot("3-show", 1500)
    shot("3-show-narrow", 1500, 768)

    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Title", exact=True)).to_have_value("Planetes", timeout=30_000)
    shot("4-edit", 1100)
    dialog.get_by_label("Title", exact=True).fill(" ")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("A show needs a title: enter one.")).to_be_visible(timeout=20_000)
    dialog.get_by_label("Title", exact=True).fill("Planetes, the sweepers")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Planetes, the sweepers")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Edited: title, titles")).to_be_visible()

    # The list is unchanged after a reload and a visit to another page, because its search is in the address.
    page.get_by_role("button", name="All shows").click()
    expect(page.get_by_text("1 show", exact=True)).to_be_visible(timeout=20_000)
    assert "q=planetes" in page.url
    page.reload()
    expect(page.get_by_text("1 show", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", name="Upload", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Catalogue", exact=True).click()
    expect(page.get_by_text("1 show", exact=True)).to_be_visible(timeout=20_000)
    canvas = page.get_by_test_id("stDataFrame").first
    canvas.hover(position={"x": 60, "y": 50})
    canvas.click(position={"x": 90, "y": 52})
    expect(page.get_by_text("Nearest by meaning")).to_be_visible(timeout=20_000)

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete show").click()
    expect(page.get_by_text("No matches. Try fewer letters or another script.")).to_be_visible(timeout=20_000)
    page.reload()
    expect(page.get_by_text("Planetes, the sweepers was deleted.")).to_be_visible(timeout=20_000)
    shot("5-deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Planetes, the sweepers")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("was deleted.")).to_have_count(0)

    # A list of cards is a link, under a name as well.
    page.goto(f"{app_url}/catalogue?view=Cards&from=2000")
    card = page.get_by_role("link", name="Steins;Gate", exact=True)
    expect(card).to_be_visible(timeout=20_000)

    def saved_filters():
        page.get_by_role("button", name="Filters", exact=True).click()
        page.get_by_role("tab", name="Saved filters").click()

    saved_filters()
    page.get_by_label("Name of these filters").fill("Since 2000")
    page.get_by_label("Name of these filters").press("Enter")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Since 2000")).to_be_visible(timeout=20_000)
    page.goto(f"{app_url}/catalogue")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=20_000)
    saved_filters()
    link = page.get_by_role("link", name="Since 2000").get_attribute("href")
    page.get_by_role("link", name="Since 2000").click()
    expect(card).to_be_visible(timeout=20_000)
    assert "from=2000" in page.url

    other = browser.new_context().new_page()  # a browser without this session
    other.goto(urljoin(app_url, link))
    expect(other.get_by_role("link", name="Steins;Gate", exact=True)).to_be_visible(timeout=60_000)
    assert "from=2000" in other.url
    other.context.close()
    page.context.close()
