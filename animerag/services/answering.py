"""Answering: retrieve, prompt, stream, and check every citation against what was sent."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag import wording
from animerag.errors import AnimeRAGError, TransientProviderError
from animerag.models import Answer, AnswerStatus, Filters, Finish, Priority, Prompt, Retrieval, Source, Turn, Usage
from animerag.prompts import answer_prompt
from animerag.services.retrieval import DEFAULT_K, checked_question
from animerag.texts import clean

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from animerag.ports import ChatModel, Locate, Located, Vectors
    from animerag.services.retrieval import Retriever

_DESCRIPTION_CHARACTERS = 1200  # a source; eight of them stay near 3,000 tokens
_CITATION = re.compile(r"\[(\d{1,3})\]")
# What a follow-up leans on when it names no show of its own.
_REFERS_BACK = re.compile(
    r"\b(?:it|its|it's|they|them|their|that (?:one|show|series)|this (?:one|show|series)"
    r"|the (?:first|second|third|next) season|the sequel|he|she|his|her)\b|それ|その|この作品|続編|二期|2期",
    re.IGNORECASE,
)
_NOTHING = {
    False: "The catalogue has nothing on this.",
    True: "カタログには該当する作品がありません。",
}
_KANA = re.compile(r"[ぁ-ヿ]")


class Answering:
    """Answers questions from the catalogue, one at a time or streamed."""

    def __init__(self, retriever: Retriever, chat: ChatModel) -> None:
        self._retriever = retriever
        self._chat = chat

    @property
    def retriever(self) -> Retriever:
        """Return what finds the shows."""
        return self._retriever

    @property
    def model(self) -> str:
        """Name the chat model that writes the answers."""
        return self._chat.model

    @property
    def written_by_a_model(self) -> bool:
        """Tell whether a language model writes the answers, or they are quotes only."""
        return self._chat.provider != "local"

    async def ask(
        self,
        question: str,
        *,
        k: int = DEFAULT_K,
        history: Sequence[Turn] = (),
        priority: Priority = Priority.LIVE,
        retrieval_only: bool = False,
        vector: Vectors | Located | Locate | None = None,
        filters: Filters | None = None,
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
        k: int = DEFAULT_K,
        history: Sequence[Turn] = (),
        priority: Priority = Priority.LIVE,
        retrieval_only: bool = False,
        vector: Vectors | Located | Locate | None = None,
        filters: Filters | None = None,
        ignore: Sequence[str] = (),
    ) -> AsyncGenerator[Retrieval | str | Answer, None]:
        """Yield the retrieval first, then pieces of text, then the finished answer.

        `filters` are conditions set by hand, `ignore` keys of understood ones that somebody took away.
        Raises InvalidInputError, ProviderError or VectorStoreError when there is nothing to show; a failure while
        the text arrives ends in an answer that says so.
        """
        started_s = time.perf_counter()
        standalone = await self.condense(checked_question(question), history)
        found = await self._retriever.search(
            standalone, k=k, priority=priority, vector=vector, filters=filters or Filters(), ignore=ignore
        )
        yield found
        base = self._base(question, found)
        if retrieval_only:
            status = AnswerStatus.NO_MATCH if found.no_match else AnswerStatus.OK
            yield _timed(replace(base, status=status), started_s)
            return
        if found.no_match:
            text = _NOTHING[bool(_KANA.search(question))]
            yield text
            yield _timed(replace(base, text=text, status=AnswerStatus.NO_MATCH), started_s)
            return
        fact = await self._told(standalone, found)
        if fact is not None and not self.written_by_a_model:
            yield fact
            answer = replace(base, text=fact, citations=cited_ids(fact, found.sources))
            yield _timed(replace(answer, usage=base.usage + Usage(cost_usd=0.0)), started_s)
            return
        async for event in self._write(base, build_prompt(standalone, found.sources, fact), priority, started_s):
            yield event

    async def _told(self, question: str, found: Retrieval) -> str | None:
        """Return what fields answer, complete and in words, or None for what only the sources can answer."""
        if found.fact is None or found.fact.kind not in wording.LISTED:
            return None
        shows = await self._retriever.shows(found.fact.ids[: wording.MOST_LISTED])
        return wording.told(question, found.fact, shows, found.sources)

    async def condense(self, question: str, history: Sequence[Turn]) -> str:
        """Return the question as it stands alone: one that leans on the last answer gets that show's name."""
        if not history or not history[-1].cited or await self._retriever.names_a_show(question):
            return question
        if not _REFERS_BACK.search(question):
            return question
        title = await self._retriever.title_of(history[-1].cited[0])
        return f'{question} ("{title}")' if title else question

    async def _write(
        self, base: Answer, prompt: Prompt, priority: Priority, started_s: float
    ) -> AsyncGenerator[str | Answer, None]:
        pieces: list[str] = []
        chat_started_s = time.perf_counter()
        first_s = 0.0
        finish: Finish | None = None
        try:
            async with contextlib.aclosing(self._chat.stream(prompt, priority=priority)) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        finish = event
                        continue
                    first_s = first_s or time.perf_counter() - started_s
                    pieces.append(event)
                    yield event
            text = "".join(pieces).strip()
            if finish is None or not text:
                raise TransientProviderError("The model sent no answer: ask again.")
            answer = replace(
                base,
                text=text,
                status=finish.status,
                citations=cited_ids(text, base.sources),
                usage=base.usage + finish.usage,
            )
        except AnimeRAGError as error:
            answer = replace(base, text="".join(pieces) or None, status=AnswerStatus.ERROR, error=str(error))
        timings = replace(base.timings, first_token_s=first_s, chat_s=time.perf_counter() - chat_started_s)
        yield _timed(replace(answer, timings=timings), started_s)

    def _base(self, question: str, found: Retrieval) -> Answer:
        return Answer(
            question=question,
            status=AnswerStatus.OK,
            sources=found.sources,
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
            model=self._chat.model,
            provider=self._chat.provider,
        )


def cited_ids(text: str, sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the ids of the sources that `text` cites, in order of appearance; numbers nobody sent are ignored."""
    numbers = dict.fromkeys(int(number) for number in _CITATION.findall(text))
    return tuple(sources[number - 1].show.id for number in numbers if 0 < number <= len(sources))


def build_prompt(question: str, sources: Sequence[Source], fact: str | None = None) -> Prompt:
    """Return what the model is sent: the sources, fenced by a line that no document can know, and the question.

    `fact` is what the catalogue's fields answer, complete; it stands with the sources.
    """
    fence = f"===== {secrets.token_hex(8)} ====="
    listed = "\n\n".join(_listed(number, source) for number, source in enumerate(sources, 1))
    if fact is not None:
        listed = f"From the catalogue's fields, complete:\n{fact}\n{listed}"
    user = f"Sources between the lines {fence}\n{fence}\n{listed}\n{fence}\n\nQuestion: {question}"
    return Prompt(question=question, sources=tuple(sources), system=answer_prompt(), user=user)


def _listed(number: int, source: Source) -> str:
    show = source.show
    facts = [
        f"year: {show.year}" if show.year else "",
        f"episodes: {show.episodes}" if show.episodes else "",
        f"rating: {show.rating:.2f}/10" if show.rating else "",
        f"tags: {', '.join(show.tags[:12])}" if show.tags else "",
    ]
    other = " | ".join(show.titles[1:6])
    title = f"[{number}] {show.title}" + (f" (also: {other})" if other else "")
    return "\n".join(part for part in (title, "; ".join(filter(None, facts)), _cut(clean(show.description))) if part)


def _cut(text: str) -> str:
    return text if len(text) <= _DESCRIPTION_CHARACTERS else text[:_DESCRIPTION_CHARACTERS].rsplit(" ", 1)[0] + " …"


def _timed(answer: Answer, started_s: float) -> Answer:
    return replace(answer, timings=replace(answer.timings, total_s=time.perf_counter() - started_s))
