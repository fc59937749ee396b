"""Answers, the prompts they are written from, and the conversations they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from animerag.models.filters import Filters
from animerag.models.providers import ProviderName, Usage
from animerag.models.retrieval import Retrieval, Source, Timings
from animerag.telemetry.tracing import Span


class AnswerStatus(StrEnum):
    """How a question ended."""

    OK = "ok"
    NO_MATCH = "no_match"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Everything a chat model receives: the question, its sources in citation order, and the text with both.

    `sent` holds, for each source, the number of characters of its cleaned description that the text includes.
    """

    question: str
    sources: tuple[Source, ...]
    system: str
    user: str
    sent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The content of an answer as data; nothing in it is a guess from similarity.

    `ids` are all shows the answer is about, in its order; `complete` means that they are all the shows that meet every
    condition of the question. `value` is the count or the field asked for. `ignored` are words that look like a
    condition and were not applied; `missing` are fields that no record has.
    """

    intent: str
    ids: tuple[str, ...] = ()
    complete: bool = False
    value: int | float | str | None = None
    conditions: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one question; `citations` are the ids of the shows that `text` cites by source number.

    `wrong_citations` are numbers in it that no source has. `standalone` is a follow-up rewritten as a complete
    question. `spans` are relative to the start of the question. A `cached` answer was written earlier and cost
    nothing now. After an error with `nobody_served`, other questions would fail in the same way.
    """

    question: str
    status: AnswerStatus
    text: str | None = None
    error: str | None = None
    citations: tuple[str, ...] = ()
    wrong_citations: tuple[int, ...] = ()
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()
    usage: Usage = Usage()
    model: str = ""
    provider: ProviderName = "local"
    standalone: str | None = None
    prompt: Prompt | None = None
    spans: tuple[Span, ...] = ()
    cached: bool = False
    nobody_served: bool = False
    result: Result | None = None

    @property
    def uncited(self) -> bool:
        """Return whether a model answered without citing a source."""
        return self.prompt is not None and self.status is AnswerStatus.OK and not self.citations


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier exchange of a conversation; `ids` are the shows that its answer was about, in its order."""

    question: str
    answer: str
    cited: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """A question of a conversation and what has arrived so far; `answer` stays None if it was stopped."""

    question: str
    filters: Filters = Filters()
    ignored: tuple[str, ...] = ()  # keys of conditions that the user removed
    retrieval: Retrieval | None = None
    text: str = ""
    answer: Answer | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The last event of an answer's stream: its status and usage."""

    status: AnswerStatus
    usage: Usage = Usage()
