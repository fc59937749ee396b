"""Lets bulk work pause as soon as a browser asks for a page, which is before Streamlit starts the page's script.

While a thread of this process computes, the way from a click to the first line of the script takes a tenth of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from animerag.telemetry.load_shedding import PageActivity

_watched: list[PageActivity] = []  # of the services that are open


def watch(visits: PageActivity) -> None:
    """Record from now on in `visits` that pages are asked for."""
    _watched[:] = [visits]


def page_computed() -> None:
    """Record that a page's script has ended, so that only the browser still has to draw it."""
    for visits in _watched:
        visits.computed()


class PageRequests:
    """ASGI middleware that notes clicks and visits, but not the timers by which pages show progress."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and read what browsers send to Streamlit."""

        async def noting() -> MutableMapping[str, Any]:
            message = await receive()
            if _watched and asks_for_page(message.get("bytes") or b""):
                _watched[0].opened()
            return message

        await self._app(scope, noting if scope["type"] == "websocket" else receive, send)


def asks_for_page(data: bytes) -> bool:
    """Return whether a browser's message makes a script run because of a click or a visit."""
    try:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg.FromString(data)
        return message.HasField("rerun_script") and not message.rerun_script.is_auto_rerun
    except Exception:  # noqa: BLE001 - the format is not public; without it, pages are noted when their scripts start
        return False
