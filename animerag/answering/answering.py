"""Answering: retrieve, prompt, stream, and check every citation against what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from animerag.answering import field_answers
from animerag.answering.prompting import build_prompt, cited
from animerag.answering.prompts import ANSWER_VERSION
from animerag.answering.result import result_of
from animerag.errors import AnimeRAGError, TransientProviderError
from animerag.models.answers import Answer, AnswerStatus, Finish, Prompt, Turn
from animerag.models.filters import Filters
from animerag.models.providers import Priority, Usage
from animerag.models.retrieval import Retrieval, Timings
from animerag.rate_limits import nobody_is_served
from animerag.rate_limits.budget import Budget, current_budget, drawing_on
from animerag.retrieval.retriever import DEFAULT_K, checked_question
from animerag.telemetry.tracing import Recorder, Span, emit, recording
from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from animerag.answering.daily_spending import DailySpending
    from animerag.ports import ChatModel, Locate, VectorHits, Vectors
    from animerag.retrieval.retriever import Retriever
    from animerag.storage.answer_cache import AnswerCache

_NOTHING = {
    False: "The catalogue has nothing on this.",
    True: "カタログには該当する作品がありません。",
}


@dataclass(slots=True)
class _Asking:
    """One question on its way: as it stands alone, since when, and what ran for it."""

    question: str
    priority: Priority
    began_s: float
    history: tuple[Turn, ...] = ()
    recorder: Recorder = field(default_factory=Recorder)
    budget: Budget | None = None  # the day's for a live question, the run's for a row of a sheet

    def end(self, answer: Answer) -> Answer:
        """Return the answer with the time it took, and its spans from the question's beginning."""
        timings = replace(answer.timings, total_s=time.perf_counter() - self.began_s)
        spans = tuple(
            Span(one.name, one.start_s - self.began_s, one.end_s - self.began_s)
            for one in sorted(self.recorder.spans, key=lambda one: one.start_s)
        )
        return replace(answer, timings=timings, spans=spans)


class Answering:
    """Answers questions from the catalogue, one at a time or streamed."""

    def __init__(
        self,
        retriever: Retriever,
        chat: ChatModel,
        kept: AnswerCache | None = None,
        *,
        k: int = DEFAULT_K,
        language: str = "auto",
        early_start: bool = False,
        daily: DailySpending | None = None,
    ) -> None:
        """`kept` is the cache of what a model wrote; without it every question is asked again.

        `k` is how many shows a question gets where it does not say; a model answers in `language`, `auto` in the
        question's own. With `early_start` a live question that names one show beyond doubt is answered from that show
        alone, without waiting for the searches; what they find is shown beside the answer.
        """
        self._early_start = early_start
        self._daily = daily  # caps what live questions cost a day
        self._k = k
        self._language = language
        self._retriever = retriever
        self._chat = chat
        self._kept = kept
        self._live = 0

    @property
    def retriever(self) -> Retriever:
        """Return what finds the shows."""
        return self._retriever

    @property
    def k(self) -> int:
        """Return how many shows a question gets where it does not say."""
        return self._k

    @property
    def model(self) -> str:
        """Name the chat model that writes the answers."""
        return self._chat.model

    @property
    def written_by_a_model(self) -> bool:
        """Tell whether a language model writes the answers, or they are quotes only."""
        return self._chat.provider != "local"

    @property
    def somebody_waits(self) -> bool:
        """Tell whether a live question waits for its first word; a batch begins nothing meanwhile."""
        return self._live > 0

    async def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        history: Sequence[Turn] = (),
        priority: Priority = Priority.LIVE,
        retrieval_only: bool = False,
        vector: Vectors | VectorHits | Locate | None = None,
        filters: Filters | None = None,
        use_cache: bool = True,
    ) -> Answer:
        """Return the whole answer; what goes wrong for this question becomes its status, never an exception."""
        events = self.stream(
            question,
            k=k,
            history=history,
            priority=priority,
            retrieval_only=retrieval_only,
            vector=vector,
            filters=filters,
            use_cache=use_cache,
        )
        answer: Answer | None = None
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Answer):
                        answer = event
        except AnimeRAGError as error:
            return self._failed(question, error)
        if answer is None:
            raise RuntimeError("an answer's stream ended without an answer")
        return answer

    async def stream(
        self,
        question: str,
        *,
        k: int | None = None,
        history: Sequence[Turn] = (),
        priority: Priority = Priority.LIVE,
        retrieval_only: bool = False,
        vector: Vectors | VectorHits | Locate | None = None,
        filters: Filters | None = None,
        ignore: Sequence[str] = (),
        use_cache: bool = True,
    ) -> AsyncGenerator[Retrieval | str | Answer, None]:
        """Yield the retrieval first, then pieces of text, then the finished answer.

        After an early start the first retrieval is the one show that the question names, and the whole of it comes
        before the answer.

        `filters` are set beside the question, `ignore` are keys of conditions in it that the user removed. What a model
        wrote before to the same question over the same catalogue is given again, unless `use_cache` is refused.
        Raises InvalidInputError, ProviderError or VectorStoreError when there is nothing to show; a failure while
        the text arrives ends in an answer that says so.
        """
        began_s = time.perf_counter()
        asked = checked_question(question)
        asking = _Asking(asked, priority, began_s, history=tuple(history), budget=current_budget())
        daily = self._daily if priority is Priority.LIVE else None
        if daily is not None:
            asking.budget = daily.budget()
        filters, k = filters or Filters(), k or self._k
        asks_model = self.written_by_a_model and not retrieval_only
        keeps = self._kept if asks_model else None
        with contextlib.ExitStack() as waiting:
            if priority is Priority.LIVE:
                waiting.enter_context(self._waited_for())
            if keeps is not None:
                standalone = await self._retriever.standalone(asked, history)
                key, revision = await keeps.key(
                    question=standalone or asked,
                    leans_on=[[turn.question, *turn.ids] for turn in history] if standalone else [],
                    filters=asdict(filters),
                    ignore=sorted(ignore),
                    k=k,
                    models=(self._chat.model, self._retriever.model),
                    prompt=(ANSWER_VERSION, self._language, self._early_start),
                )
                kept = await keeps.get(key) if use_cache else None
                if kept is not None:
                    yield kept.found
                    yield kept.answer.text or ""
                    yield _again(asking, replace(kept.answer, question=question, standalone=standalone))
                    return
            events = self._fresh(asking, k, vector, filters, ignore, retrieval_only=retrieval_only)
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Retrieval):
                        found = event
                    else:
                        waiting.close()
                    if isinstance(event, Answer):
                        answer = replace(event, question=question, standalone=found.standalone)
                        yield answer
                    else:
                        yield event
        self._tell(asking, answer)
        if keeps is not None and answer.prompt is not None and answer.status is AnswerStatus.OK:
            keeps.put(key, revision, found, answer)

    async def _fresh(
        self,
        asking: _Asking,
        k: int,
        vector: Vectors | VectorHits | Locate | None,
        filters: Filters,
        ignore: Sequence[str],
        *,
        retrieval_only: bool,
    ) -> AsyncGenerator[Retrieval | str | Answer, None]:
        """Search, and answer from what is found or, after an early start, from the one show that is named."""
        with recording() as asking.recorder, drawing_on(asking.budget):
            search = self._retriever.search(
                asking.question,
                k=k,
                priority=asking.priority,
                vector=vector,
                filters=filters,
                ignore=ignore,
                history=asking.history,
            )
            searching = asyncio.create_task(search, name="search")
        async with _ended(searching):
            early = None
            if (
                self._early_start
                and asking.priority is Priority.LIVE
                and self.written_by_a_model
                and not retrieval_only
            ):
                early = await self._retriever.exact_match(
                    asking.question, filters=filters, ignore=ignore, history=asking.history
                )
            found = early or await searching
            yield found
            answer = self._base(asking.question, found)
            events = self._answer(asking, answer, found, retrieval_only=retrieval_only)
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Answer):
                        answer = event
                    else:
                        yield event
            if early is not None:
                found, answer = await _joined(early, searching, answer)
                answer = asking.end(answer)
                yield found
            yield answer

    async def _answer(
        self, asking: _Asking, answer: Answer, found: Retrieval, *, retrieval_only: bool
    ) -> AsyncGenerator[str | Answer, None]:
        if retrieval_only:
            status = AnswerStatus.NO_MATCH if found.no_match else AnswerStatus.OK
            yield asking.end(replace(answer, status=status))
            return
        fact = await self._fact(asking.question, found)
        if found.no_match or found.missing:
            text = found.missing or fact or _NOTHING[is_japanese(answer.question)]
            yield text
            status = AnswerStatus.NO_MATCH if found.no_match else AnswerStatus.OK
            yield asking.end(replace(answer, text=text, status=status, usage=answer.usage + Usage(cost_usd=0.0)))
            return
        if fact is not None and (not self.written_by_a_model or _says_all(found)):
            yield fact
            ids, _ = cited(fact, found.sources)
            usage = answer.usage + Usage(cost_usd=0.0)
            yield asking.end(replace(answer, text=fact, citations=ids, usage=usage))
            return
        prompt = build_prompt(found.standalone or asking.question, found.sources, fact, language=self._language)
        async for event in self._write(asking, answer, prompt):
            yield event

    async def _fact(self, question: str, found: Retrieval) -> str | None:
        """Return what fields answer, in words, or None for what only the sources can answer."""
        if found.fact is None:
            return None
        shows = await self._retriever.shows(found.fact.ids[: field_answers.MOST_LISTED])
        return field_answers.render(question, found.fact, shows, found.sources)

    async def _write(self, asking: _Asking, base: Answer, prompt: Prompt) -> AsyncGenerator[str | Answer, None]:
        pieces: list[str] = []
        chat_s = time.perf_counter()
        first_s = 0.0
        finish: Finish | None = None
        answer = replace(base, prompt=prompt) if self.written_by_a_model else base
        try:
            async with contextlib.aclosing(self._chat.stream(prompt, priority=asking.priority)) as events:
                async for event in _recorded(events, asking):
                    if isinstance(event, Finish):
                        finish = event
                        continue
                    first_s = first_s or time.perf_counter()
                    pieces.append(event)
                    yield event
            text = "".join(pieces).strip()
            # A refusal may come without a word, and asking again would be paid for and refused again.
            if finish is None or not (text or finish.status is AnswerStatus.REFUSED):
                raise TransientProviderError("The model sent no answer: ask again.")
            ids, wrong = cited(text, base.sources)
            usage = base.usage + finish.usage
            answer = replace(
                answer, text=text or None, status=finish.status, citations=ids, wrong_citations=wrong, usage=usage
            )
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
            asking.recorder.add("answer", first_s, now_s)
        timings = replace(base.timings, first_token_s=max(0.0, first_s - asking.began_s), chat_s=now_s - chat_s)
        yield asking.end(replace(answer, timings=timings))

    def _tell(self, asking: _Asking, answer: Answer) -> None:
        model = answer.model if answer.provider == "openai" and answer.prompt is not None else None
        emit(
            "answer",
            asking.recorder.spans,
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
    def _waited_for(self) -> Iterator[None]:
        self._live += 1
        try:
            yield
        finally:
            self._live -= 1

    def _base(self, question: str, found: Retrieval) -> Answer:
        return Answer(
            question=question,
            status=AnswerStatus.OK,
            sources=found.sources,
            result=result_of(found),
            notes=found.notes,
            timings=found.timings,
            usage=found.usage,
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


def _says_all(found: Retrieval) -> bool:
    """Tell whether a model could only repeat what was found: a greeting, a figure."""
    return found.fact is not None and found.fact.kind == "text"


@contextlib.asynccontextmanager
async def _ended(searching: asyncio.Task[Retrieval]) -> AsyncIterator[None]:
    """Leave no search behind, however the block ends."""
    try:
        yield
    finally:
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)


async def _joined(early: Retrieval, searching: asyncio.Task[Retrieval], answer: Answer) -> tuple[Retrieval, Answer]:
    """Put what the searches found beside the one show that an answer was written from; it stays the first source."""
    try:
        found = await searching
    except AnimeRAGError as error:
        note = f"The answer is from the show that the question names; others were not searched: {error}"
        return early, replace(answer, notes=(*answer.notes, note))
    named = early.sources[0].show.id
    first = [source for source in found.sources if source.show.id == named] or list(early.sources)
    rest = [source for source in found.sources if source.show.id != named]
    found = replace(found, sources=(*first, *rest))
    own = answer.timings
    timings = replace(found.timings, retrieve_s=own.retrieve_s, first_token_s=own.first_token_s, chat_s=own.chat_s)
    usage, notes = answer.usage + found.usage, (*answer.notes, *found.notes)
    return found, replace(answer, sources=found.sources, notes=notes, usage=usage, timings=timings)


async def _recorded(events: AsyncGenerator[str | Finish, None], asking: _Asking) -> AsyncIterator[str | Finish]:
    """Record the wait for the first event, and let it draw on the budget; what follows is the answer itself."""
    with recording(asking.recorder), drawing_on(asking.budget):
        first = await anext(events, None)
    if first is not None:
        yield first
    async for event in events:
        yield event


def _again(asking: _Asking, answer: Answer) -> Answer:
    """Return a kept answer as one that cost nothing now."""
    timings = Timings(total_s=time.perf_counter() - asking.began_s)
    return replace(answer, usage=Usage(cost_usd=0.0), timings=timings, spans=(), cached=True)
