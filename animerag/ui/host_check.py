"""The check that a request was meant for this app and comes from it: against DNS rebinding and foreign pages.

A page of another site can let its own name point to 127.0.0.1, and a page on another port of this machine is
"localhost" too. Pages cannot forge `Host` and `Origin`, which browsers set, so both are compared before anything is
served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_FORBIDDEN = 403
_POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1
_SHOWN = 100  # characters of a header that an error quotes


class Address(NamedTuple):
    """A host name in lower case, without brackets, and a port."""

    host: str
    port: int | None


class ProgramPaths(Protocol):
    """The paths that are for programs, not for browsers."""

    def covers(self, path: str) -> bool:
        """Return whether a path is one of them."""

    def refusal(self, path: str, status: int, reason: str) -> bytes:
        """Return the JSON that refuses a request to such a path."""


class HostCheck:
    """ASGI middleware that refuses requests and WebSockets of hosts and origins that are not this app's own.

    `hosts` are further names of the app. An origin has to be the requested address, including its port; the origin of
    one of `hosts` passes with any port, because the address of a reverse proxy differs from the app's. Requests to the
    paths of `programs` need a token and therefore no Origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str] = (),
        programs: ProgramPaths | None = None,
    ) -> None:
        self._app = app
        self._named = frozenset(hosts)
        self._programs = programs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 with the reason."""
        reason = self._objection(scope) if scope["type"] in {"http", "websocket"} else None
        if reason is not None:
            await _refuse(scope, send, reason, self._programs)
        else:
            await self._app(_as_the_browser_sees_it(scope), receive, send)

    def _objection(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        hosts, origins = _header(scope, b"host"), _header(scope, b"origin")
        if len(hosts) != 1 or len(origins) > 1:
            return "A request needs one Host header and at most one Origin header."
        host = _address(hosts[0], scope.get("scheme", "http"))
        if host is None or host.host not in _LOCAL | self._named:
            return (
                f"This app does not answer for the host {_shown(hosts[0])}: open it as http://localhost, "
                "or add the host's name to ANIMERAG_HOSTS and start the app again."
            )
        if not origins:
            if scope["type"] == "websocket" or scope["method"] in _READING:
                return None
            if self._programs is not None and self._programs.covers(scope["path"]):
                return None
            return "A request that changes something needs an Origin header: send the app's own address in it."
        return self._objection_to_origin(origins[0], host)

    def _objection_to_origin(self, given: str, host: Address) -> str | None:
        scheme, separator, rest = given.partition("://")
        origin = _address(rest, scheme) if separator and scheme in _DEFAULT_PORTS else None
        if origin is not None and (origin.host in self._named or origin == host):
            return None
        return (
            f"A page of {_shown(given)} may not use this app. If that is the app's own address behind a proxy, "
            "add its host's name to ANIMERAG_HOSTS and start the app again."
        )


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _address(netloc: str, scheme: str) -> Address | None:
    """Read `host[:port]`; None for anything else, user names and paths included."""
    try:
        parts = urlsplit(f"//{netloc}")
        port = parts.port
    except ValueError:
        return None
    if parts.netloc != netloc or "@" in netloc or not parts.hostname:
        return None
    return Address(parts.hostname.removesuffix("."), port or _DEFAULT_PORTS.get(scheme))


def _as_the_browser_sees_it(scope: Scope) -> Scope:
    """Streamlit opens a WebSocket only if Host and Origin agree; behind an allowed proxy they may differ."""
    origins = _header(scope, b"origin") if scope["type"] == "websocket" else []
    if not origins:
        return scope
    host = origins[0].partition("://")[2].encode("latin-1")
    return {**scope, "headers": [(key, host if key.lower() == b"host" else value) for key, value in scope["headers"]]}


def _shown(header: str) -> str:
    return repr(header[:_SHOWN])


async def _refuse(scope: Scope, send: Send, reason: str, programs: ProgramPaths | None) -> None:
    websocket = scope["type"] == "websocket"
    if websocket and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": reason[:_SHOWN]})
        return
    kind = "websocket.http.response" if websocket else "http.response"
    json = None
    if programs is not None and not websocket and programs.covers(scope["path"]):
        json = programs.refusal(scope["path"], _FORBIDDEN, reason)
    body = f"{reason}\n".encode() if json is None else json
    headers: list[Any] = [
        (b"content-type", b"text/plain; charset=utf-8" if json is None else b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),  # the rest of a refused upload is not read
    ]
    await send({"type": f"{kind}.start", "status": _FORBIDDEN, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
