"""Builds an endpoint's ASGI application, with errors in the form of its protocol."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from animerag.api.api_errors import ApiError, api_error, error_body, error_headers
from animerag.errors import AnimeRAGError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from animerag.api.api_errors import Endpoint

log = logging.getLogger(__name__)


def application(
    endpoint: Endpoint, routes: Mapping[tuple[str, str], Callable[[Request], Awaitable[Response]]], *, about: str
) -> Starlette:
    """Return the application of `routes`, keyed by method and path; `about` names the paths in an error."""

    def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = _no_route(request, error, about)
        elif not isinstance(error, AnimeRAGError):
            log.error("a request to /%s failed", endpoint, exc_info=error)
        problem = api_error(error)
        return JSONResponse(error_body(endpoint, problem), problem.status, headers=dict(error_headers(problem)))

    def answered(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def with_errors(request: Request) -> Response:
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - sent to the client; unexpected errors are logged
                return failed(request, error)
            response.headers.setdefault("cache-control", "no-store")
            response.headers.setdefault("x-content-type-options", "nosniff")
            return response

        return with_errors

    listed = [Route(path, answered(handler), methods=[method]) for (method, path), handler in routes.items()]
    app = Starlette(routes=listed, exception_handlers={HTTPException: failed})
    app.router.redirect_slashes = False
    return app


def _no_route(request: Request, error: HTTPException, about: str) -> ApiError:
    if error.status_code == 405:
        message = f"{request.url.path[:100]} does not take {request.method[:20]}: {about}"
        return ApiError(message, status=405, code="method_not_allowed")
    return ApiError(f"There is nothing at {request.url.path[:100]}: {about}", status=404, code="not_found")
