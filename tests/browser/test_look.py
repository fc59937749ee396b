"""The first impression of the pages: both themes, few controls without scrolling, nothing wider than a phone."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

PAGES = ("Home", "Ask", "Catalogue", "Batch", "Upload", "Compare", "Settings", "System")
MOST_CONTROLS = 7

KINDS = ["Button", "DownloadButton", "LinkButton", "PageLink", "Popover", "ChatInput", "FileUploader", "Selectbox"]
KINDS += ["MultiSelect", "TextInput", "NumberInput", "TextArea", "Slider", "Checkbox", "Radio", "ButtonGroup", "Tabs"]
KINDS += ["Expander", "DateInput", "Pagination"]
CONTROLS = """kinds => {
  const found = kinds.flatMap(kind => [...document.querySelectorAll(`[data-testid="st${kind}"]`)])
    .filter(one => !one.closest('[data-testid="stSidebar"]'));
  const shown = found.filter(one => one.checkVisibility({visibilityProperty: true}))
    .filter(one => !found.some(other => other !== one && other.contains(one) && other.dataset.testid !== 'stTabs'
                                        && other.dataset.testid !== 'stExpander'))
    .filter(one => { const box = one.getBoundingClientRect(); return box.height > 1 && box.top < innerHeight; });
  return shown.map(one => `${one.dataset.testid} ${one.textContent.trim().slice(0, 40)}`);
}"""


# Tables follow the width of the window a moment later.
FITS = """() => [...document.querySelectorAll('html, [data-testid="stMain"]')].every(
  one => one.scrollWidth <= one.clientWidth + 1)"""


@pytest.fixture
def opened(app_url, browser):
    """Return a function that opens a page at 1280 × 720 in a theme and waits until it is complete."""
    from playwright.sync_api import expect

    def open_page(name, scheme="light"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 720})
        page = context.new_page()
        page.goto(app_url)
        expect(page.get_by_text(re.compile("150 shows")).first).to_be_visible(timeout=60_000)
        if name != "Home":
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=20_000)
        at_rest(page)
        return page

    return open_page


def at_rest(page):
    from playwright.sync_api import expect

    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=20_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=20_000)


def test_no_page_begins_with_more_than_seven_controls_or_is_wider_than_a_phone(opened, photograph):
    from playwright.sync_api import expect

    many = {}
    for name in PAGES:
        page = opened(name)
        if name == "Ask":
            expect(page.get_by_text("What is AoT about?")).to_be_visible(timeout=60_000)
        photograph(page, f"look-{name.lower()}")
        many[name] = page.evaluate(CONTROLS, KINDS)
        if name == "Compare":
            page.get_by_role("tab", name="Experiment").click()
            expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=20_000)
            at_rest(page)
            many["Experiment"] = page.evaluate(CONTROLS, KINDS)
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_function(FITS)
        page.context.close()
    assert all(many.values()), "every page has some"
    assert {name: controls for name, controls in many.items() if len(controls) > MOST_CONTROLS} == {}
