"""Estimates the tokens, cost and time of a sheet before anything is spent, from the length of questions and shows."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from animerag.answering.prompting import DESCRIPTIONS_TOKENS
from animerag.models.questions import asked_as
from animerag.providers.pricing import cost_usd
from animerag.rate_limits import estimate_tokens
from animerag.text.durations import TimeEstimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models.questions import QuestionRow
    from animerag.models.shows import Show
    from animerag.ports import ChatModel, Embedder
    from animerag.rate_limits import LevelChoice
    from animerag.storage.batch_runs import RunOptions
    from animerag.storage.library import Library

_SOURCE_CHARACTERS = 1200  # maximum characters of a description in a prompt
_SOURCE_FACTS_TOKENS = 60  # titles, year, tags
_PROMPT_TOKENS, _ANSWER_TOKENS = 500, 250  # tokens of the instructions, and of a usual answer
_SAMPLED_SHOWS = 100
# Seconds per question, fast and slow, until a run has been measured: for a model's answer; for a quote or a search.
_MODEL_S, _QUOTE_S = (1.5, 6.0), (0.02, 0.15)
_AUTO_GROWS = 4  # the factor by which `auto` usually raises its level while the provider stays fast
_ENOUGH = 5  # answers that make a measured rate reliable


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEstimate:
    """The expected use of a sheet; `cost_usd` is None without a known price, 0 for the embedded provider."""

    asked: int  # different questions
    tokens: int
    cost_usd: float | None
    time: TimeEstimate

    @property
    def each_usd(self) -> float:
        """Return the expected cost of one question."""
        return (self.cost_usd or 0.0) / max(1, self.asked)


class BatchCosts:
    """Estimates tokens, cost and time for the models in use."""

    def __init__(self, library: Library, *, embedder: Embedder, chat: ChatModel, prices: Mapping[str, float]) -> None:
        """`prices` are USD per million tokens, by model."""
        self._library = library
        self._embedder, self._chat = embedder, chat
        self._prices = prices

    async def estimate(
        self, rows: Sequence[QuestionRow], options: RunOptions, *, concurrency: LevelChoice = "auto", level: int = 1
    ) -> SheetEstimate:
        """Estimate what answering rows takes; `concurrency` is the chosen level and `level` the current one.

        Repeated questions count once. Raises LibraryError.
        """
        asked = {asked_as(row): row for row in rows if row.question.strip() and row.problem is None}
        questions = sum(estimate_tokens(row.question) for row in asked.values())
        read = written = 0
        if self._chat.provider != "local" and not options.retrieval_only:
            shows, number = await self._library.best(_SAMPLED_SHOWS), (await self._library.counts()).shows
            each = _tokens_a_description(shows)
            sources = sum(source_tokens(min(row.k or options.k, number), each) for row in asked.values())
            read = questions + _PROMPT_TOKENS * len(asked) + sources
            written = _ANSWER_TOKENS * len(asked)
        embedded = questions if self._embedder.provider != "local" else 0
        return SheetEstimate(
            asked=len(asked),
            tokens=read + written + embedded,
            cost_usd=self._cost(embedded, read, written),
            time=await self._time(len(asked), options, concurrency, level),
        )

    async def note_speed(self, asked: int, seconds: float, options: RunOptions, concurrency: LevelChoice) -> None:
        """Store the speed of a run for later estimates at the same level. Raises LibraryError."""
        if asked >= _ENOUGH and seconds > 0:
            await self._library.set_meta(self._speed_key(options, concurrency), f"{asked / seconds:.3f}")

    async def _time(self, asked: int, options: RunOptions, concurrency: LevelChoice, level: int) -> TimeEstimate:
        measured = await self._library.get_meta(self._speed_key(options, concurrency))
        if measured:
            return TimeEstimate(least_s=asked / float(measured), most_s=asked / float(measured))
        quotes = self._chat.provider == "local" or options.retrieval_only
        fast_s, slow_s = _QUOTE_S if quotes else _MODEL_S
        most = level * _AUTO_GROWS if concurrency == "auto" and not quotes else level
        return TimeEstimate(least_s=ceil(asked / most) * fast_s, most_s=ceil(asked / level) * slow_s)

    def _speed_key(self, options: RunOptions, concurrency: LevelChoice) -> str:
        return f"questions_per_s {'search' if options.retrieval_only else self._chat.model} {concurrency}"

    def _cost(self, embedded: int, read: int, written: int) -> float | None:
        costs = []
        if embedded:
            costs.append(cost_usd(self._prices, self._embedder.model, input_tokens=embedded))
        if read:
            costs.append(cost_usd(self._prices, self._chat.model, input_tokens=read, output_tokens=written))
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


def source_tokens(count: int, description: int) -> int:
    """Return the tokens of `count` sources in a prompt, where only descriptions share an upper limit."""
    return min(count * description, DESCRIPTIONS_TOKENS) + count * _SOURCE_FACTS_TOKENS


def _tokens_a_description(shows: Sequence[Show]) -> int:
    tokens = [estimate_tokens(show.description[:_SOURCE_CHARACTERS]) for show in shows]
    return sum(tokens) // len(tokens) if tokens else 0
