"""Serves `/mcp`, `/v1` and `/api` on the app's port."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, get_args

from animerag.api.access import AuthorizedEndpoint, TokenCheck
from animerag.api.api_errors import ApiError, Endpoint, encoded, error_body
from animerag.api.backend import RuntimeBackend
from animerag.concurrency import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from animerag.event_loop import Runtime

log = logging.getLogger(__name__)

ENDPOINTS: tuple[Endpoint, ...] = get_args(Endpoint)
NO_MCP = "MCP needs the package mcp, which is not installed: run `pip install 'animerag[mcp]'` and start again."


def endpoint_of(path: str) -> Endpoint | None:
    """Return the endpoint of a path, or None if it belongs to a page."""
    return next((one for one in ENDPOINTS if path == f"/{one}" or path.startswith(f"/{one}/")), None)


class ApiEndpoints:
    """The endpoints over one runtime; without a token they are off."""

    def __init__(self, token: str | None, runtime: Callable[[], Runtime]) -> None:
        """`runtime` opens or returns the app's runtime; it is called in a thread."""
        self._open = token is not None
        self._backend = RuntimeBackend(runtime)
        check = TokenCheck(token)
        apps: dict[Endpoint, ASGIApp] = {"api": self._serve_shows, "v1": self._serve_chat, "mcp": self._serve_mcp}
        self._endpoints = {name: AuthorizedEndpoint(name, app, check) for name, app in apps.items()}
        self._mcp: ASGIApp | None = None
        if self._open:  # otherwise no request gets as far as these, and their modules are not imported
            for name in ("_shows", "_chat"):
                getattr(self, name)

    @cached_property
    def _shows(self) -> ASGIApp:
        from animerag.api import shows

        return shows.application(self._backend)

    @cached_property
    def _chat(self) -> ASGIApp:
        from animerag.api import chat_completions

        return chat_completions.application(self._backend)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Run MCP's session manager, and open the services in the background."""
        async with AsyncExitStack() as stack:
            if self._open:
                opening = asyncio.create_task(self._backend.open(), name="open the services")
                stack.push_async_callback(cancel_and_wait, opening)
                self._mcp = await stack.enter_async_context(_mcp(self._backend))
            yield
            self._mcp = None

    def covers(self, path: str) -> bool:
        """Return whether a path belongs to the API."""
        return endpoint_of(path) is not None

    def refusal(self, path: str, status: int, reason: str) -> bytes:
        """Return the JSON body that refuses a request."""
        endpoint = endpoint_of(path)
        assert endpoint is not None
        return encoded(error_body(endpoint, ApiError(reason, status=status, code="forbidden")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to the API."""
        endpoint = endpoint_of(scope["path"])
        assert endpoint is not None
        await self._endpoints[endpoint](scope, receive, send)

    async def _serve_shows(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._shows(scope, receive, send)

    async def _serve_chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._chat(scope, receive, send)

    async def _serve_mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._mcp is None:
            raise ApiError(NO_MCP, status=501, code="mcp_not_installed")
        await self._mcp(scope, receive, send)


class ApiMiddleware:
    """ASGI middleware that routes API requests to the endpoints, and everything else to the pages."""

    def __init__(self, app: ASGIApp, endpoints: ApiEndpoints) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route a request."""
        app = self._endpoints if scope["type"] == "http" and endpoint_of(scope["path"]) else self._app
        await app(scope, receive, send)


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
