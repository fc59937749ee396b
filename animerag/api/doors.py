"""The doors of the app's port: `/mcp`, `/v1` and `/api`, each request handed to its door and nothing else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, get_args

from animerag.api import chat_completions, shows
from animerag.api.access import GuardedDoor, TokenCheck
from animerag.api.backend import RuntimeBackend
from animerag.api.door_errors import Door, DoorError, encoded, error_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from animerag.event_loop import Runtime

log = logging.getLogger(__name__)

DOORS: tuple[Door, ...] = get_args(Door)
NO_MCP = "MCP needs the package mcp, which is not installed: run `pip install 'animerag[mcp]'` and start again."


def door_of(path: str) -> Door | None:
    """Return the door that a path belongs to; None for a page."""
    return next((door for door in DOORS if path == f"/{door}" or path.startswith(f"/{door}/")), None)


class Doors:
    """The three doors over one runtime, off unless there is a token."""

    def __init__(self, token: str | None, runtime: Callable[[], Runtime]) -> None:
        """`runtime` opens or returns the app's runtime; it is called from a thread, with the first request."""
        self._open = token is not None
        self._backend = RuntimeBackend(runtime)
        check = TokenCheck(token)
        apps: dict[Door, ASGIApp] = {
            "api": shows.application(self._backend),
            "v1": chat_completions.application(self._backend),
            "mcp": self._serve_mcp,
        }
        self._doors = {door: GuardedDoor(door, app, check) for door, app in apps.items()}
        self._mcp: ASGIApp | None = None

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Run what has to run as long as the app does: the sessions of MCP, and services that are ready to answer."""
        async with AsyncExitStack() as stack:
            if self._open:
                opening = asyncio.create_task(self._backend.open(), name="open the services")
                stack.push_async_callback(_ended, opening)
                self._mcp = await stack.enter_async_context(_mcp(self._backend))
            yield
            self._mcp = None

    def covers(self, path: str) -> bool:
        """Tell whether a path belongs to a door."""
        return door_of(path) is not None

    def refusal(self, path: str, status: int, reason: str) -> bytes:
        """Return the JSON that refuses a request to a door."""
        door = door_of(path)
        assert door is not None
        return encoded(error_body(door, DoorError(reason, status=status, code="forbidden")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to a door."""
        door = door_of(scope["path"])
        assert door is not None
        await self._doors[door](scope, receive, send)

    async def _serve_mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._mcp is None:
            raise DoorError(NO_MCP, status=501, code="mcp_not_installed")
        await self._mcp(scope, receive, send)


class BesidePages:
    """ASGI middleware that hands requests to the doors; pages and sockets never see them, nor doors theirs."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to its door, or on to the pages."""
        app = self._doors if scope["type"] == "http" and door_of(scope["path"]) else self._app
        await app(scope, receive, send)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _mcp(backend: RuntimeBackend) -> AsyncIterator[ASGIApp | None]:
    try:
        from animerag.api.mcp_server import over_http
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"mcp", "mcp_types"}:
            raise
        log.info("/mcp is off: the package mcp is not installed")
        yield None
        return
    async with over_http(backend) as app:
        yield app
