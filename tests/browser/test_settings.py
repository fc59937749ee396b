"""Settings in a real browser: a local server is used, a level is changed, and all tabs keep working."""

import re
import subprocess
import sys

import pytest

from animerag.providers.discovery import USUAL

pytestmark = [pytest.mark.browser, pytest.mark.exclusive, pytest.mark.long, pytest.mark.timeout(240)]


@pytest.fixture
def local_server():
    """A simulated provider where one of the usual servers would listen; yields the server's name."""
    for port, name in USUAL.items():
        command = [sys.executable, "-m", "animerag.simulator", "--watch-stdin", f"--port={port}", "--chat-latency=0.5"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if "url" in process.stdout.readline():
            yield name
            process.communicate(timeout=20)
            return
        process.communicate(timeout=20)
    pytest.skip("every usual port is taken on this machine")


def test_a_local_server_is_used_and_settings_are_changed(app_url, browser, photograph, local_server):
    from playwright.sync_api import expect

    page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 900}).new_page()

    def shot(name, height=900):
        photograph(page, f"settings-{name}", height=height)

    def go(name):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()

    # The page is opened while the sample loads, and can save as soon as it is loaded.
    page.goto(f"{app_url}/settings")
    expect(page.get_by_role("button", name="Test and save")).to_be_enabled(timeout=60_000)

    # The server is offered on Ask, and only used when it is chosen.
    page.goto(f"{app_url}/ask")
    expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(f"{local_server} runs on this machine: gpt-5-nano.")).to_be_visible()
    expect(page.get_by_text("Embedded, offline · 150 shows")).to_be_visible()
    shot("1-offered")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text(re.compile(r"gpt-5-nano at 127\.0\.0\.1:\d+ · 150 shows"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text("runs on this machine")).to_have_count(0)
    page.get_by_role("button", name="Astronauts who collect trash in orbit").click()
    expect(page.get_by_text(re.compile("Planetes")).first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=30_000)

    # A saved setting is shown, tested, changed and reset.
    go("Settings")
    expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Test the models").click()
    expect(page.get_by_text("The provider works and has gpt-5-nano.")).to_be_visible(timeout=30_000)
    page.get_by_text("More settings", exact=True).click()
    page.get_by_label("Sources per question").fill("5")
    shot("2-ready", 2000)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved: Sources per question.")).to_be_visible(timeout=60_000)
    shot("3-saved", 2000)
    page.get_by_label("Sources per question").fill("many")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Sources per question: 'many'")).to_be_visible(timeout=60_000)
    shot("4-refused", 2000)
    page.get_by_role("button", name="Reset to defaults").click()
    expect(page.get_by_text("Embedded, offline · 150 shows")).to_be_visible(timeout=60_000)

    go("System")
    expect(page.get_by_text("Event-loop lag")).to_be_visible(timeout=20_000)
    photograph(page, "system", height=1400)

    # On a narrow screen everything is still available.
    go("Settings")
    expect(page.get_by_text("Model for answers")).to_be_visible(timeout=20_000)
    photograph(page, "settings-5-narrow", width=768, height=1400, schemes=["light"])
    page.context.close()
