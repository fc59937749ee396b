"""Access to the API: checks tokens and sizes of requests, and cancels requests whose client has disconnected."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from typing import TYPE_CHECKING

from animerag.api.api_errors import ApiError, api_error, encoded, error_body, error_headers
from animerag.api.backend import RequestThrottle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from animerag.api.api_errors import Endpoint

log = logging.getLogger(__name__)

MOST_BYTES = 2**20  # maximum size of a request's body
_BODY_S = 30.0  # maximum seconds until the whole body has arrived
_WRONG_PER_S, _WRONG_BURST = 0.5, 20  # number of wrong tokens after which each further one is answered with 429


class TokenCheck:
    """Compares the token of a request in constant time; if no token is configured, every request is refused."""

    def __init__(self, token: str | None) -> None:
        self._digest = None if token is None else _digest(token.encode())
        self._wrong = RequestThrottle(per_s=_WRONG_PER_S, burst=_WRONG_BURST, longest_wait_s=0)

    def __call__(self, scope: Scope) -> None:
        """Raise ApiError unless the request carries the token, once, as `Authorization: Bearer`."""
        if self._digest is None:
            raise ApiError(
                "This API is off: set ANIMERAG_API_TOKEN to a long random text and start the app again.",
                status=403,
                code="api_off",
            )
        headers = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        if not headers:
            raise ApiError(
                "This API needs a token: send the value of ANIMERAG_API_TOKEN as `Authorization: Bearer …`.",
                status=401,
                code="missing_token",
            )
        scheme, _, token = headers[0].strip().partition(b" ")
        right = hmac.compare_digest(_digest(token.strip()), self._digest)
        if len(headers) == 1 and scheme.lower() == b"bearer" and right:
            return
        self._wrong.wait_s()
        raise ApiError(
            "The token is wrong: send the value of ANIMERAG_API_TOKEN as `Authorization: Bearer …`.",
            status=401,
            code="invalid_token",
        )


class AuthorizedEndpoint:
    """ASGI application that passes on requests which carry the token and are not too large."""

    def __init__(self, endpoint: Endpoint, app: ASGIApp, check: TokenCheck) -> None:
        self._endpoint = endpoint
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; errors have the form of the endpoint's protocol."""
        tracked = _TrackedSend(send)
        try:
            self._check(scope)
            body = await _body(scope, receive)
            await _serve_until_disconnect(body, receive, lambda each: self._app(scope, each, tracked))
        except Exception as error:
            if not isinstance(error, ApiError):
                log.exception("a request to /%s failed", self._endpoint)
            if not tracked.started:
                await refuse(self._endpoint, api_error(error), send)


async def refuse(endpoint: Endpoint, error: ApiError, send: Send) -> None:
    """Send an error as a whole response."""
    body = encoded(error_body(endpoint, error))
    headers = {
        **error_headers(error),
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",  # the rest of a refused request is not read
    }
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class _TrackedSend:
    """Passes messages on and records whether a response has started."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Read the whole body. Raises ApiError for one that is too large or too slow."""
    length = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(
                        "The client disconnected before its request was complete.", status=499, code="cancelled"
                    )
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MOST_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise ApiError(
            f"The request did not arrive within {_BODY_S:.0f} s: send it again.", status=408, code="request_timeout"
        ) from None


def _too_large() -> ApiError:
    return ApiError(
        f"The request is larger than {MOST_BYTES // 1024:,} KiB: send a shorter one.", status=413, code="too_large"
    )


async def _serve_until_disconnect(body: bytes, receive: Receive, serve: Callable[[Receive], Awaitable[None]]) -> None:
    """Serve a request, and cancel it when its client disconnects: answers cost money."""
    disconnected, read = asyncio.Event(), False

    async def replay() -> Message:
        nonlocal read
        if not read:
            read = True
            return {"type": "http.request", "body": body, "more_body": False}
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        disconnected.set()

    serving = asyncio.ensure_future(_awaited(serve(replay)))
    watching = asyncio.create_task(watch(), name="watch for disconnect")
    try:
        await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            return
        serving.result()
    finally:
        for task in (serving, watching):
            task.cancel()
        await asyncio.gather(serving, watching, return_exceptions=True)


async def _awaited(work: Awaitable[None]) -> None:
    await work
