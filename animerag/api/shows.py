"""`/api`: search results and shows as JSON."""

from __future__ import annotations

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
        question, k = _question(request), _k(request)
        _, answer = await backend.run(lambda services: searched(services, question, k=k))
        return JSONResponse(answer_object(0, answer))

    async def show(request: Request) -> Response:
        show_id = request.path_params["show_id"]
        known = await backend.run(lambda services: show_of_id(services, show_id))
        return JSONResponse({**show_json.whole(known), "result": show_json.result("lookup", [known.id], complete=True)})

    routes = {("GET", "/api/search"): search, ("GET", "/api/shows/{show_id:path}"): show}
    return routing.application("api", routes, about=_ABOUT)


def _question(request: Request) -> str:
    question = request.query_params.get("q", "")
    if not question.strip():
        raise ApiError("Say what to search for: /api/search?q=…", param="q")
    return question


def _k(request: Request) -> int | None:
    given = request.query_params.get("k")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MOST_SOURCES):
        raise ApiError(f"k is the number of shows to return: a number from 1 to {MOST_SOURCES}.", param="k")
    return int(given)
