"""Ask with a model on the network: sources first, stop, the dialogs of an answer, and a stored conversation."""

import re
import time

import pytest

from animerag.simulator import SimulatorProcess, SimulatorSettings

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(240)]


def until(page, true, within_s=20):
    """Poll until a condition outside the page holds."""
    ends_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends_s
        page.wait_for_timeout(100)


def test_a_conversation_with_a_model(app_over, browser, elsewhere, photograph):
    from playwright.sync_api import expect

    provider = elsewhere.enter(SimulatorProcess(SimulatorSettings(chat_latency_s=4, first_token_s=0.4)))

    def stats():
        return elsewhere.run(provider.stats())

    with app_over(OPENAI_BASE_URL=provider.url, ANIMERAG_EMBEDDING_PROVIDER="local") as url:
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()

        def shot(name):
            photograph(page, f"ask-{name}")

        def ask(question):
            box = page.get_by_test_id("stChatInput").locator("textarea")
            box.fill(question)
            box.press("Enter")

        page.goto(url)
        expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stChatInput")).to_be_in_viewport()
        shot("empty")

        # Sources are shown before the answer is complete.
        ask("What is Monster about?")
        expect(page.get_by_text("1 · Monster")).to_be_visible(timeout=20_000)
        expect(page.get_by_text(re.compile("Written by"))).to_have_count(0)
        shot("streaming")
        expect(page.get_by_text(re.compile("Written by gpt"))).to_be_visible(timeout=20_000)
        shot("answered")

        # The same question is answered from the cache, at no cost, and can be asked again without it.
        ask("What is Monster about?")
        expect(page.get_by_text("at no new cost")).to_be_visible(timeout=20_000)
        assert stats().requests["responses"] == 1
        page.get_by_role("button", name="Retry").click()
        until(page, lambda: stats().requests["responses"] == 2)  # the cached answer disappears before it is asked again
        expect(page.get_by_text("at no new cost")).to_have_count(0, timeout=20_000)
        expect(page.get_by_text(re.compile("Written by gpt"))).to_have_count(2, timeout=20_000)

        # A follow-up is asked as a complete question, which is shown.
        ask("How many episodes does it have?")
        expect(page.get_by_text("Understood as: How many episodes does Monster have?")).to_be_visible(timeout=20_000)

        # Stop also ends the request at the server; the text so far stays.
        text = page.get_by_text(re.compile("^This is what the sources say"))
        earlier_texts = text.count()
        ask("What is Cowboy Bebop about?")
        expect(page.get_by_text(re.compile("1 · Cowboy Bebop")).first).to_be_visible(timeout=20_000)
        expect(text).to_have_count(earlier_texts + 1, timeout=20_000)
        page.get_by_test_id("stChatInput").get_by_role("button").last.click()
        expect(page.get_by_role("button", name="Send message")).to_be_visible(timeout=20_000)
        deadline_s = time.monotonic() + 1  # the server notices some milliseconds after the page
        while stats().in_flight and time.monotonic() < deadline_s:
            page.wait_for_timeout(20)
        assert stats().statuses == {"200": 3, "gone": 1}
        expect(page.get_by_text("Stopped before the end.")).to_be_visible(timeout=20_000)
        shot("stopped-at-once")
        page.get_by_role("button", name="Retry").first.click()
        until(page, lambda: stats().in_flight)
        expect(page.get_by_text("Stopped before the end.")).to_be_hidden()
        expect(text).to_have_count(earlier_texts + 1, timeout=20_000)
        page.reload()
        expect(page.get_by_text("Stopped before the end.")).to_be_visible(timeout=30_000)
        expect(text.first).to_be_visible()
        shot("stopped")

        page.get_by_role("button", name=re.compile("^1 · ")).first.click()
        expect(page.get_by_role("dialog").get_by_text("Matched by")).to_be_visible(timeout=30_000)
        shot("source")
        page.keyboard.press("Escape")

        # The conversation is complete after a visit to another page, and it is in the list.
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Settings").click()
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible(timeout=20_000)
        page.get_by_test_id("stSidebarNav").get_by_role("link", name="Ask").click()
        expect(page.get_by_text("Stopped before the end.")).to_be_visible(timeout=20_000)
        page.get_by_role("button", name="New chat").click()
        expect(page.get_by_text("Stopped before the end.")).to_have_count(0, timeout=20_000)
        earlier = page.get_by_test_id("stSidebar").get_by_role("button", name="What is Monster about?")
        expect(earlier).to_be_visible(timeout=30_000)
        shot("conversations")
        earlier.click()
        expect(page.get_by_text("Stopped before the end.")).to_be_visible(timeout=20_000)
        page.set_viewport_size({"width": 768, "height": 900})
        shot("narrow")

        # A question that was not typed has a button of its own to stop.
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("button", name="New chat").click()
        page.get_by_role("button", name="What is AoT about?").click()
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.get_by_text("Stopped before the end.")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("button", name="Retry")).to_be_visible()
