"""Paths of a door as a small ASGI application whose every error is written as the door's protocol writes it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from animerag.api.door_errors import DoorError, door_error, error_body, error_headers
from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from animerag.api.door_errors import Door

log = logging.getLogger(__name__)


def application(
    door: Door, routes: Mapping[tuple[str, str], Callable[[Request], Awaitable[Response]]], *, about: str
) -> Starlette:
    """Return the application of `routes`, keyed by method and path; `about` says what the door has."""

    def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = _no_route(request, error, about)
        elif not isinstance(error, AnimeRAGError):
            log.error("a request to /%s failed", door, exc_info=error)
        problem = door_error(error)
        return JSONResponse(error_body(door, problem), problem.status, headers=dict(error_headers(problem)))

    def answered(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint_with_errors(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except Exception as error:  # noqa: BLE001 - written to the client, and to the log where it is a surprise
                return failed(request, error)
            response.headers.setdefault("cache-control", "no-store")
            response.headers.setdefault("x-content-type-options", "nosniff")
            return response

        return endpoint_with_errors

    listed = [Route(path, answered(endpoint), methods=[method]) for (method, path), endpoint in routes.items()]
    app = Starlette(routes=listed, exception_handlers={HTTPException: failed})
    app.router.redirect_slashes = False
    return app


def _no_route(request: Request, error: HTTPException, about: str) -> DoorError:
    if error.status_code == 405:
        message = f"{request.url.path[:100]} does not take {request.method[:20]}: {about}"
        return DoorError(message, status=405, code="method_not_allowed")
    return DoorError(f"There is nothing at {request.url.path[:100]}: {about}", status=404, code="not_found")
