"""An answer as it is stored and exported: one typed form, and the JSON that scripts rely on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Self

from animerag.models.answers import Answer, AnswerStatus, Result, Turn
from animerag.models.json_types import JsonObject
from animerag.models.providers import ProviderName, Usage
from animerag.models.retrieval import Branch, Evidence, Source, Timings, how_found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """A source of a stored answer: the show as it was when the question was asked.

    `distance` is a cosine distance; None if the vector search did not find the show.
    """

    show_id: str
    title: str
    year: int | None
    episodes: int | None
    evidence: tuple[Evidence, ...]
    distance: float | None
    score: float
    cited: bool

    @property
    def found_by(self) -> tuple[Branch, ...]:
        """Name the searches that found the show, strongest evidence first."""
        return tuple(item.branch for item in self.evidence)

    @property
    def how_found(self) -> str:
        """Describe the evidence in one line: `title "AoT", plot #1, distance 0.31`."""
        return ", ".join(how_found(self.evidence, self.distance))

    @classmethod
    def of(cls, source: Source, *, cited: bool) -> Self:
        """Return the stored form of a source."""
        return cls(
            show_id=source.show.id,
            title=source.show.title,
            year=source.show.year,
            episodes=source.show.episodes,
            evidence=source.evidence,
            distance=source.distance,
            score=round(source.score, 4),
            cited=cited,
        )

    @classmethod
    def from_json(cls, stored: JsonObject) -> Self:
        """Return a source from an object of `context`."""
        return cls(
            show_id=stored["anime_id"],
            title=stored["title"],
            year=stored.get("year"),
            episodes=stored.get("episodes"),
            evidence=tuple(Evidence(**_fields(Evidence, item)) for item in stored.get("evidence", ())),
            distance=stored.get("distance"),
            score=stored.get("score", 0.0),
            cited=stored.get("cited", False),
        )

    def as_json(self) -> JsonObject:
        """Return the object that `context` holds."""
        return {
            "anime_id": self.show_id,
            "title": self.title,
            "year": self.year,
            "episodes": self.episodes,
            "found_by": list(self.found_by),
            "evidence": [{"branch": item.branch, "rank": item.rank, "detail": item.detail} for item in self.evidence],
            "distance": self.distance,
            "score": self.score,
            "cited": self.cited,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer to one question as journals, pages, exports and evaluation read it.

    `number` is the question's place, from 0. `attempts` counts the calls to a provider; it is None outside a run, as is
    `same_as`, the number of the row whose answer this one shares.
    """

    number: int
    question: str
    status: AnswerStatus
    text: str | None = None
    error: str | None = None
    citations: tuple[str, ...] = ()
    sources: tuple[StoredSource, ...] = ()
    timings: Timings = Timings()
    usage: Usage = Usage()
    model: str = ""
    provider: ProviderName = "local"
    cached: bool = False
    result: Result | None = None
    notes: tuple[str, ...] = ()
    attempts: int | None = None
    same_as: int | None = None

    @property
    def cited_titles(self) -> tuple[str, ...]:
        """Return the titles of the cited shows, in the order of the citations."""
        titles = {source.show_id: source.title for source in self.sources}
        return tuple(titles[show_id] for show_id in self.citations)

    @property
    def turn(self) -> Turn:
        """Return the answer as an earlier turn of a conversation."""
        ids = (self.result.ids if self.result else ()) or self.citations
        return Turn(question=self.question, answer=self.text or "", ids=ids)

    @classmethod
    def of(cls, number: int, answer: Answer, *, attempts: int | None = None) -> Self:
        """Return the stored form of an answer; times are rounded to 0.1 ms."""
        seconds = {name: round(value, 4) for name, value in asdict(answer.timings).items()}
        return cls(
            number=number,
            question=answer.question,
            status=AnswerStatus(answer.status),
            text=answer.text,
            error=answer.error,
            citations=answer.citations,
            sources=tuple(
                StoredSource.of(source, cited=source.show.id in answer.citations) for source in answer.sources
            ),
            timings=Timings(**seconds),
            usage=answer.usage,
            model=answer.model,
            provider=answer.provider,
            cached=answer.cached,
            result=answer.result,
            notes=tuple(answer.notes),
            attempts=attempts,
        )

    def repeated(self, number: int) -> Self:
        """Return the answer for another row that asks the same; it cost no time, call or token."""
        usage = Usage(cost_usd=None if self.usage.cost_usd is None else 0.0)
        return replace(self, number=number, usage=usage, timings=Timings(), attempts=0, same_as=self.number)

    @classmethod
    def from_json(cls, stored: JsonObject) -> Self:
        """Return an answer from the JSON of `as_json`, written by this version or an earlier one.

        Missing keys get default values. Raises KeyError without a question or status, ValueError for an unknown status.
        """
        result = stored.get("result")
        return cls(
            number=stored["index"],
            question=stored["question"],
            status=AnswerStatus(stored["status"]),
            text=stored.get("answer"),
            error=stored.get("error"),
            citations=tuple(stored.get("citations", ())),
            sources=tuple(map(StoredSource.from_json, stored.get("context", ()))),
            timings=Timings(**_fields(Timings, stored.get("timings", {}))),
            usage=Usage(**_fields(Usage, stored.get("usage", {}))),
            model=stored.get("model", ""),
            provider=stored.get("provider", "local"),
            cached=stored.get("cached", False),
            result=Result(**_fields(Result, result)) if result else None,
            notes=tuple(stored.get("notes", ())),
            attempts=stored.get("attempts"),
            same_as=stored.get("same_as"),
        )

    def as_json(self) -> JsonObject:
        """Return the object that scripts rely on (docs/configuration.md); in a run with `attempts` and `same_as`."""
        answer = {
            "index": self.number,
            "question": self.question,
            "answer": self.text,
            "status": str(self.status),
            "error": self.error,
            "citations": list(self.citations),
            "context": [source.as_json() for source in self.sources],
            "timings": asdict(self.timings),
            "usage": asdict(self.usage),
            "model": self.model,
            "provider": self.provider,
            "cached": self.cached,
            "result": asdict(self.result) if self.result else None,
            "notes": list(self.notes),
        }
        return answer if self.attempts is None else {**answer, "attempts": self.attempts, "same_as": self.same_as}


def _fields(kind: type[Evidence | Timings | Usage | Result], stored: JsonObject) -> JsonObject:
    """Return the values of a JSON object that are fields of a dataclass, with lists as tuples."""
    names = {field.name for field in fields(kind)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in names}
