"""`/api`: search results and shows as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from animerag.api import routing, show_json
from animerag.api.api_errors import ApiError
from animerag.api.asking import searched, show_of_id
from animerag.batch.export import answer_object

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from animerag.api.backend import Backend

MOST_SOURCES = 50
_ABOUT = "this API has GET /api/search?q=… and GET /api/shows/ID."


def application(backend: Backend) -> Starlette:
    """Return the ASGI application of `/api`."""

    async def search(request: Request) -> Response:
        _check_parameters(request, "q", "k")
        question, k = _question(request), _k(request)
        _, answer = await backend.run(lambda services: searched(services, question, k=k))
        return JSONResponse(answer_object(0, answer))

    async def show(request: Request) -> Response:
        _check_parameters(request)
        show_id = request.path_params["show_id"]
        known = await backend.run(lambda services: show_of_id(services, show_id))
        return JSONResponse(show_json.with_result(known))

    routes = {("GET", "/api/search"): search, ("GET", "/api/shows/{show_id:path}"): show}
    return routing.application("api", routes, about=_ABOUT)


def _check_parameters(request: Request, *known: str) -> None:
    """Refuse parameters that are unknown or repeated, because ignoring one would return something else."""
    takes = f"it takes {' and '.join(known)}" if known else "it takes none"
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            raise ApiError(f"{request.url.path[:100]} has no parameter {name[:80]!r}: {takes}.", param=name[:80])
        if count > 1:
            raise ApiError(f"{name} is in the address more than once: send it once.", param=name)


def _question(request: Request) -> str:
    question = request.query_params.get("q", "")
    if not question.strip():
        raise ApiError("Say what to search for: /api/search?q=…", param="q")
    return question


def _k(request: Request) -> int | None:
    text = request.query_params.get("k")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_SOURCES):
        raise ApiError(f"k is not a valid number of shows: use a number from 1 to {MOST_SOURCES}.", param="k")
    return int(text)
