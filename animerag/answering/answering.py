"""Answers a question: retrieves, then writes from fields, by a model or as quotes, and reuses stored answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from animerag.answering import field_answers
from animerag.answering.citations import cited
from animerag.answering.pending import PendingQuestion
from animerag.answering.prompting import build_prompt
from animerag.answering.prompts import ANSWER_VERSION
from animerag.answering.result import result_of
from animerag.answering.writing import write
from animerag.errors import AnimeRAGError
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.providers import Usage
from animerag.models.retrieval import Retrieval, Timings
from animerag.rate_limits import nobody_is_served
from animerag.rate_limits.budget import current_budget, drawing_on
from animerag.retrieval.question_text import checked_question
from animerag.retrieval.retriever import DEFAULT_K
from animerag.telemetry.tracing import emit, recording
from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator
    from typing import Unpack

    from animerag.answering.daily_spending import DailySpending
    from animerag.answering.pending import AskOptions
    from animerag.ports import ChatModel
    from animerag.retrieval.retriever import Retriever
    from animerag.storage.answer_cache import AnswerCache
    from animerag.storage.serialization import CachedRetrieval

_NO_MATCH = {
    False: "The catalogue has nothing on this.",
    True: "カタログには該当する作品がありません。",
}


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    """The place of an answer in the cache, and the entry that is stored there."""

    key: str
    revision: int
    standalone: str | None  # the complete question if it is a follow-up
    stored: CachedRetrieval | None


class Answering:
    """Answers questions from the catalogue, whole or streamed."""

    def __init__(
        self,
        retriever: Retriever,
        chat: ChatModel,
        cache: AnswerCache | None = None,
        *,
        k: int = DEFAULT_K,
        language: str = "auto",
        early_start: bool = False,
        daily: DailySpending | None = None,
    ) -> None:
        """`cache` stores the answers of models; without it, every question is answered again.

        `k` is the default number of shows to search for. A model answers in `language`; `auto` is the question's own.
        With `early_start`, a live question that names exactly one show is answered from that show before the searches
        have ended; their results are shown beside the answer. `daily` caps what live questions cost per day.
        """
        self._retriever = retriever
        self._chat = chat
        self._cache = cache
        self._k = k
        self._language = language
        self._early_start = early_start
        self._daily = daily
        self._waiting = 0  # live questions that wait for their first word

    @property
    def retriever(self) -> Retriever:
        """Return the retriever that finds the shows."""
        return self._retriever

    @property
    def k(self) -> int:
        """Return the default number of shows to search for."""
        return self._k

    @property
    def model(self) -> str:
        """Name the chat model that writes the answers."""
        return self._chat.model

    @property
    def written_by_a_model(self) -> bool:
        """Return whether a language model writes the answers; otherwise they are quotes only."""
        return self._chat.provider != "local"

    @property
    def somebody_waits(self) -> bool:
        """Return whether a live question is waiting for its first word; batches start no request until then."""
        return self._waiting > 0

    async def ask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """Return the whole answer; an error becomes the answer's status and is never raised."""
        answer: Answer | None = None
        try:
            async with contextlib.aclosing(self.stream(question, **options)) as events:
                async for event in events:
                    if isinstance(event, Answer):
                        answer = event
        except AnimeRAGError as error:
            return self._failed(question, error)
        if answer is None:
            raise RuntimeError("an answer's stream ended without an answer")
        return answer

    async def stream(
        self, question: str, **options: Unpack[AskOptions]
    ) -> AsyncGenerator[Retrieval | str | Answer, None]:
        """Yield the retrieval, then pieces of text, then the finished answer.

        After an early start the first retrieval holds only the show that the question names; the complete retrieval
        follows just before the answer. The stored answer of a model is returned again for the same question over an
        unchanged catalogue, unless `use_cache` is false.

        Raises InvalidInputError, ProviderError or VectorStoreError when there is nothing to show. A failure while
        the text arrives is reported in the answer.
        """
        pending = self._pending(question, options)
        with contextlib.ExitStack() as waiting:
            if pending.live:
                waiting.enter_context(self._waiting_for_first_word())
            entry = await self._cache_entry(pending)
            if entry is not None and entry.stored is not None and options.get("use_cache", True):
                yield entry.stored.retrieval
                yield entry.stored.answer.text or ""
                yield _reused(pending, replace(entry.stored.answer, question=question, standalone=entry.standalone))
                return
            async with contextlib.aclosing(self._fresh(pending)) as events:
                async for event in events:
                    if isinstance(event, Retrieval):
                        retrieval = event
                        yield event
                        continue
                    waiting.close()
                    if isinstance(event, Answer):
                        answer = replace(event, question=question, standalone=retrieval.standalone)
                        yield answer
                    else:
                        yield event
        self._emit(pending, answer)
        if self._cache is not None and entry is not None and answer.prompt and answer.status is AnswerStatus.OK:
            self._cache.put(entry.key, entry.revision, retrieval, answer)

    def _pending(self, question: str, options: AskOptions) -> PendingQuestion:
        pending = PendingQuestion.of(checked_question(question), options, default_k=self._k, budget=current_budget())
        if self._daily is not None and pending.live:
            pending.budget = self._daily.budget()
        return pending

    async def _cache_entry(self, pending: PendingQuestion) -> _CacheEntry | None:
        """Look the question up in the cache; None if its answer is not to be stored."""
        if self._cache is None or pending.retrieval_only or not self.written_by_a_model:
            return None
        standalone = await self._retriever.standalone(pending.text, pending.history)
        key, revision = await self._cache.key(
            question=standalone or pending.text,
            leans_on=[[turn.question, *turn.ids] for turn in pending.history] if standalone else [],
            filters=asdict(pending.filters),
            ignore=sorted(pending.ignore),
            k=pending.k,
            models=(self._chat.model, self._retriever.model),
            prompt=(ANSWER_VERSION, self._language, self._early_start),
        )
        return _CacheEntry(key, revision, standalone, await self._cache.get(key))

    async def _fresh(self, pending: PendingQuestion) -> AsyncGenerator[Retrieval | str | Answer, None]:
        """Search, and answer from the results or, after an early start, from the one show that is named."""
        with recording() as pending.recorder, drawing_on(pending.budget):
            search = self._retriever.search(
                pending.text,
                k=pending.k,
                priority=pending.priority,
                vector=pending.vector,
                filters=pending.filters,
                ignore=pending.ignore,
                history=pending.history,
            )
            searching = asyncio.create_task(search, name="search")
        async with _ended(searching):
            early = await self._named_show(pending)
            retrieval = early or await searching
            yield retrieval
            answer = self._base(pending.text, retrieval)
            async with contextlib.aclosing(self._answer(pending, answer, retrieval)) as events:
                async for event in events:
                    if isinstance(event, Answer):
                        answer = event
                    else:
                        yield event
            if early is not None:
                retrieval, answer = await _merged(early, searching, answer)
                answer = pending.finish(answer)
                yield retrieval
            yield answer

    async def _named_show(self, pending: PendingQuestion) -> Retrieval | None:
        """Return the one show that a question names, if it may be answered from that show at once."""
        if not (self._early_start and pending.live and self.written_by_a_model) or pending.retrieval_only:
            return None
        return await self._retriever.exact_match(
            pending.text, filters=pending.filters, ignore=pending.ignore, history=pending.history
        )

    async def _answer(
        self, pending: PendingQuestion, answer: Answer, retrieval: Retrieval
    ) -> AsyncGenerator[str | Answer, None]:
        status = AnswerStatus.NO_MATCH if retrieval.no_match else AnswerStatus.OK
        if pending.retrieval_only:
            yield pending.finish(replace(answer, status=status))
            return
        fact = await self._fact(pending.text, retrieval)
        free = answer.usage + Usage(cost_usd=0.0)
        if retrieval.no_match or retrieval.missing:
            text = retrieval.missing or fact or _NO_MATCH[is_japanese(answer.question)]
            yield text
            yield pending.finish(replace(answer, text=text, status=status, usage=free))
            return
        if fact is not None and (not self.written_by_a_model or _is_complete_text(retrieval)):
            yield fact
            ids, _ = cited(fact, retrieval.sources)
            yield pending.finish(replace(answer, text=fact, citations=ids, usage=free))
            return
        question = retrieval.standalone or pending.text
        prompt = build_prompt(question, retrieval.sources, fact, language=self._language)
        if self.written_by_a_model:
            answer = replace(answer, prompt=prompt)
        async with contextlib.aclosing(write(self._chat, pending, answer, prompt)) as events:
            async for event in events:
                if fact is not None and pending.live and isinstance(event, Answer) and event.error and not event.text:
                    yield fact
                    yield _without_model(event, fact)
                else:
                    yield event

    async def _fact(self, question: str, retrieval: Retrieval) -> str | None:
        """Return the answer of the fields as text; None if only the sources can answer."""
        if retrieval.fact is None:
            return None
        shows = await self._retriever.shows(retrieval.fact.ids[: field_answers.MOST_LISTED])
        return field_answers.render(question, retrieval.fact, shows, retrieval.sources)

    def _emit(self, pending: PendingQuestion, answer: Answer) -> None:
        model = answer.model if answer.provider == "openai" and answer.prompt is not None else None
        emit(
            "answer",
            pending.recorder.spans,
            status=answer.status.value,
            sources=len(answer.sources),
            embedding_model=self._retriever.model,
            embedding_tokens=answer.usage.embedding_tokens,
            cost_usd=answer.usage.cost_usd,
            gen_ai__request__model=model,
            gen_ai__provider__name="openai" if model else None,
            gen_ai__usage__input_tokens=answer.usage.input_tokens if model else None,
            gen_ai__usage__output_tokens=answer.usage.output_tokens if model else None,
        )

    @contextlib.contextmanager
    def _waiting_for_first_word(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _base(self, question: str, retrieval: Retrieval) -> Answer:
        return Answer(
            question=question,
            status=AnswerStatus.OK,
            sources=retrieval.sources,
            result=result_of(retrieval),
            notes=retrieval.notes,
            timings=retrieval.timings,
            usage=retrieval.usage,
            model=self._chat.model,
            provider=self._chat.provider,
        )

    def _failed(self, question: str, error: AnimeRAGError) -> Answer:
        return Answer(
            question=question,
            status=AnswerStatus.ERROR,
            error=str(error),
            nobody_served=nobody_is_served(error),
            model=self._chat.model,
            provider=self._chat.provider,
        )


def _is_complete_text(retrieval: Retrieval) -> bool:
    """Return whether a model could only repeat the fields' answer: a greeting, a figure."""
    return retrieval.fact is not None and retrieval.fact.kind == "text"


def _without_model(failed: Answer, fact: str) -> Answer:
    """Return the fields' answer in place of a model's that failed before its first word; it is not cached."""
    note = f"The language model did not answer, so this is what the catalogue's fields say. {failed.error}"
    return replace(
        failed,
        text=fact,
        status=AnswerStatus.OK,
        error=None,
        nobody_served=False,
        citations=cited(fact, failed.sources)[0],
        provider="local",
        prompt=None,
        notes=(*failed.notes, note),
    )


@contextlib.asynccontextmanager
async def _ended(searching: asyncio.Task[Retrieval]) -> AsyncIterator[None]:
    """End the search however the block ends."""
    try:
        yield
    finally:
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)


async def _merged(early: Retrieval, searching: asyncio.Task[Retrieval], answer: Answer) -> tuple[Retrieval, Answer]:
    """Add the results of the searches to an early answer; the show it was written from stays the first source."""
    try:
        retrieval = await searching
    except AnimeRAGError as error:
        note = f"This answer uses only the show that the question names. The search for others failed: {error}"
        return early, replace(answer, notes=(*answer.notes, note))
    named = early.sources[0].show.id
    first = [source for source in retrieval.sources if source.show.id == named] or list(early.sources)
    rest = [source for source in retrieval.sources if source.show.id != named]
    retrieval = replace(retrieval, sources=(*first, *rest))
    own = answer.timings
    timings = replace(retrieval.timings, retrieve_s=own.retrieve_s, first_token_s=own.first_token_s, chat_s=own.chat_s)
    usage, notes = answer.usage + retrieval.usage, (*answer.notes, *retrieval.notes)
    return retrieval, replace(answer, sources=retrieval.sources, notes=notes, usage=usage, timings=timings)


def _reused(pending: PendingQuestion, answer: Answer) -> Answer:
    """Return a stored answer as one that cost nothing now."""
    timings = Timings(total_s=time.perf_counter() - pending.began_s)
    return replace(answer, usage=Usage(cost_usd=0.0), timings=timings, spans=(), cached=True)
