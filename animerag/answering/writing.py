"""Streams an answer from a chat model, and checks its citations against the sources it was sent."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.answering.citations import cited
from animerag.errors import AnimeRAGError, TransientProviderError
from animerag.models.answers import AnswerStatus, Finish
from animerag.rate_limits import nobody_is_served
from animerag.rate_limits.budget import drawing_on
from animerag.telemetry.tracing import recording

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from animerag.answering.pending import PendingQuestion
    from animerag.models.answers import Answer, Prompt
    from animerag.ports import ChatModel


async def write(
    chat: ChatModel, pending: PendingQuestion, answer: Answer, prompt: Prompt
) -> AsyncGenerator[str | Answer, None]:
    """Yield pieces of text, then `answer` with that text, its citations, usage and timings.

    A provider that fails ends the answer with the status `error` and with the text so far.
    """
    pieces: list[str] = []
    chat_s = time.perf_counter()
    first_s = 0.0
    finish: Finish | None = None
    try:
        async with contextlib.aclosing(chat.stream(prompt, priority=pending.priority)) as events:
            async for event in _recorded(events, pending):
                if isinstance(event, Finish):
                    finish = event
                    continue
                first_s = first_s or time.perf_counter()
                pieces.append(event)
                yield event
        answer = _checked(answer, "".join(pieces).strip(), finish)
    except AnimeRAGError as error:
        answer = replace(
            answer,
            text="".join(pieces) or None,
            status=AnswerStatus.ERROR,
            error=str(error),
            nobody_served=nobody_is_served(error),
        )
    now_s = time.perf_counter()
    if first_s:
        pending.recorder.add("answer", first_s, now_s)
    first_token_s = max(0.0, first_s - pending.began_s)
    timings = replace(answer.timings, first_token_s=first_token_s, chat_s=now_s - chat_s)
    yield pending.finish(replace(answer, timings=timings))


def _checked(answer: Answer, text: str, finish: Finish | None) -> Answer:
    """Return the answer with its text and citations. Raises TransientProviderError if there is no text.

    A refusal may come without text; repeating the question would cost money and be refused again.
    """
    if finish is None or not (text or finish.status is AnswerStatus.REFUSED):
        raise TransientProviderError("The model sent no answer: ask again.")
    ids, wrong = cited(text, answer.sources)
    return replace(
        answer,
        text=text or None,
        status=finish.status,
        citations=ids,
        wrong_citations=wrong,
        usage=answer.usage + finish.usage,
    )


async def _recorded(
    events: AsyncGenerator[str | Finish, None], pending: PendingQuestion
) -> AsyncIterator[str | Finish]:
    """Record the wait for the first event, and charge the request to the budget; the rest is the answer itself."""
    with recording(pending.recorder), drawing_on(pending.budget):
        first = await anext(events, None)
    if first is not None:
        yield first
    async for event in events:
        yield event
