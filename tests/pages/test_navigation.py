"""The server's process before anybody opens a page."""

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import pytest

from animerag.errors import LibraryError
from animerag.ui import navigation


@pytest.fixture(autouse=True)
def endpoints(monkeypatch):
    without_api = SimpleNamespace(lifespan=lambda _app: contextlib.nullcontext())
    monkeypatch.setattr(navigation, "_started", [without_api])


async def test_the_services_are_opened_while_the_browser_starts(monkeypatch):
    opened = threading.Event()
    monkeypatch.setattr(navigation, "_runtime", opened.set)
    async with navigation.lifespan(None):
        assert await asyncio.to_thread(opened.wait, 10)


async def test_services_that_cannot_be_opened_do_not_stop_the_server(monkeypatch, caplog):
    def runtime():
        raise LibraryError("library.db is not a library.")

    monkeypatch.setattr(navigation, "_runtime", runtime)
    with caplog.at_level("INFO", "animerag.ui.navigation"):
        async with navigation.lifespan(None):
            (opening,) = [one for one in threading.enumerate() if one.name == "animerag-open"] or [None]
            if opening is not None:
                await asyncio.to_thread(opening.join, 10)
    assert "library.db is not a library." in caplog.text
