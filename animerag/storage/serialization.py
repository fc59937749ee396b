"""Answers as JSON and back, as the answer cache and conversations store them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from animerag.models.answers import Answer, Exchange, Prompt
from animerag.models.retrieval import Retrieval  # noqa: TC001 - read by the type adapter at run time

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class CachedRetrieval:
    """The sources of a question, and the answer that was written from them."""

    retrieval: Retrieval
    answer: Answer


def to_json(value: object) -> str:
    """Return JSON with every script unescaped, so that SQL can search titles."""
    return json.dumps(value, ensure_ascii=False)


def now() -> str:
    """Return the time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def dump(retrieval: Retrieval, answer: Answer) -> str:
    """Return both as JSON, with the sources once."""
    return _cached().dump_json(CachedRetrieval(retrieval, _bare(answer))).decode()


def load(text: str) -> CachedRetrieval:
    """Return the arguments of `dump`. Raises ValueError for text that another version wrote."""
    cached = _cached().validate_json(text)
    return replace(cached, answer=_whole(cached.answer, cached.retrieval))


def dump_exchange(exchange: Exchange) -> str:
    """Return an exchange as JSON."""
    answer = exchange.answer and _bare(exchange.answer)
    return _exchange().dump_json(replace(exchange, answer=answer)).decode()


def load_exchange(text: str) -> Exchange:
    """Return the argument of `dump_exchange`. Raises ValueError for text that another version wrote."""
    exchange = _exchange().validate_json(text)
    if exchange.answer is not None and exchange.retrieval is not None:
        exchange.answer = _whole(exchange.answer, exchange.retrieval)
    return exchange


def _bare(answer: Answer) -> Answer:
    return replace(answer, sources=(), prompt=answer.prompt and replace(answer.prompt, sources=()))


def _whole(answer: Answer, retrieval: Retrieval) -> Answer:
    prompt: Prompt | None = answer.prompt and replace(answer.prompt, sources=retrieval.sources)
    return replace(answer, sources=retrieval.sources, prompt=prompt)


@cache
def _cached() -> TypeAdapter[CachedRetrieval]:
    from pydantic import TypeAdapter

    return TypeAdapter(CachedRetrieval)


@cache
def _exchange() -> TypeAdapter[Exchange]:
    from pydantic import TypeAdapter

    return TypeAdapter(Exchange)
