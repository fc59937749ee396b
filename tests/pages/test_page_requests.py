"""A browser's click lets bulk work pause before the page's script starts; a page's own timer does not."""

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from streamlit.proto.BackMsg_pb2 import BackMsg

from animerag.telemetry.load_shedding import PageActivity
from animerag.ui import navigation, page_requests
from animerag.ui.page_requests import PageRequests, page_computed, watch


@pytest.fixture
def visits(monkeypatch):
    monkeypatch.setattr(page_requests, "_watched", [])
    activity = PageActivity()
    watch(activity)
    return activity


@pytest.fixture
def browser(visits):
    async def script(websocket):
        """Answer each message with whether bulk work pauses already."""
        await websocket.accept()
        async for _ in websocket.iter_bytes():
            await websocket.send_json(visits.drawing)

    with TestClient(PageRequests(Starlette(routes=[WebSocketRoute("/stream", script)]))) as client:
        with client.websocket_connect("/stream") as connection:
            yield connection


def message(**rerun):
    sent = BackMsg()
    sent.rerun_script.SetInParent()
    for name, value in rerun.items():
        setattr(sent.rerun_script, name, value)
    return sent.SerializeToString()


@pytest.mark.parametrize(
    ("sent", "pauses"),
    [
        (message(page_script_hash="another page"), True),
        (message(fragment_id="part", is_auto_rerun=False), True),
        (message(fragment_id="part", is_auto_rerun=True), False),
        (BackMsg(stop_script=True).SerializeToString(), False),
        (b"\xff not a message", False),
        (b"", False),
    ],
)
def test_only_what_a_person_asks_for_is_noted(browser, sent, pauses):
    browser.send_bytes(sent)
    assert browser.receive_json() is pauses


def test_the_end_of_a_script_ends_the_pause_soon(browser, visits):
    browser.send_bytes(message())
    assert browser.receive_json() is True
    drawn_s = visits._drawn_s
    page_computed()
    assert visits._drawn_s < drawn_s


def test_the_app_itself_notes_requests(monkeypatch):
    monkeypatch.setattr(navigation, "_started", [])
    monkeypatch.setattr(navigation.gc, "set_threshold", lambda *_: None)
    assert PageRequests in [one.cls for one in navigation.start_server()]
