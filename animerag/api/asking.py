"""Asks the services that the pages use, with the same priority and caps."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from animerag.api.api_errors import ApiError
from animerag.models.answers import Answer
from animerag.models.retrieval import Retrieval

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from animerag.models.answers import Turn
    from animerag.models.filters import Filters
    from animerag.models.shows import Show
    from animerag.services import Services

EMPTY = "The catalogue is empty: open the app for its sample, or import a file with `animerag ingest`."


async def answered(
    services: Services, question: str, *, history: Sequence[Turn] = (), k: int | None = None
) -> AsyncGenerator[Retrieval | str | Answer, None]:
    """Yield the events of `Answering.stream`. Raises the same errors, and ApiError for an empty catalogue."""
    await check_not_empty(services)
    async with aclosing(services.answering.stream(question, history=history, k=k)) as events:
        async for event in events:
            yield event


async def searched(
    services: Services, question: str, *, k: int | None = None, filters: Filters | None = None
) -> tuple[Retrieval, Answer]:
    """Return the shows that match a question, without a written answer. Raises AnimeRAGError."""
    await check_not_empty(services)
    retrieval, answer = Retrieval(question=question), None
    async with aclosing(services.answering.stream(question, k=k, filters=filters, retrieval_only=True)) as events:
        async for event in events:
            if isinstance(event, Retrieval):
                retrieval = event
            elif isinstance(event, Answer):
                answer = event
    if answer is None:
        raise RuntimeError("a search ended without an answer")
    return retrieval, answer


async def show_of_id(services: Services, show_id: str) -> Show:
    """Return a show by its id. Raises ApiError if the catalogue has no such show, LibraryError."""
    await check_not_empty(services)
    show = await services.catalogue.show(show_id)
    if show is None:
        raise ApiError(
            f"The catalogue has no show with the id {show_id[:80]!r}: search for its title first.",
            status=404,
            code="no_such_show",
        )
    return show


async def check_not_empty(services: Services) -> None:
    """Raise ApiError if the catalogue has no shows."""
    if not len(await services.retriever.table()):
        raise ApiError(EMPTY, status=409, code="empty_catalogue")
