"""Measures how often the right shows are retrieved, by kind of question, with questions whose answers are known.

It uses the retriever only; no model writes an answer. Two evaluations can be compared.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from animerag.concurrency import fan_out
from animerag.errors import InvalidInputError
from animerag.models.filters import Filters
from animerag.models.jobs import Progress
from animerag.models.providers import Priority
from animerag.retrieval.retriever import DEFAULT_K

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.jobs.jobs import Control
    from animerag.models.questions import QuestionRow
    from animerag.models.retrieval import Retrieval
    from animerag.retrieval.retriever import Retriever

EXPECTED = "expected_ids"
ATTRIBUTE, UNANSWERABLE, UNKNOWN = "attribute", "unanswerable", "question"
DEPTHS = (1, 3, 5)
_TOGETHER = 500  # questions in one embedding request
_AT_ONCE = 4
_SETS = ("list", "count", "order")  # intents whose expected ids are the complete set


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A question with the ids of the shows that answer it; none if the catalogue has no answer."""

    question: str
    expected: tuple[str, ...]
    kind: str = UNKNOWN
    filters: Filters = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedQuestion:
    """The shows that were retrieved for one question, best first; the complete list if fields answered it."""

    index: int
    expectation: Expectation
    retrieved: tuple[str, ...]  # ids of shows
    titles: tuple[str, ...]  # titles of the first three, for the printed list
    no_match: bool

    @property
    def rank(self) -> int | None:
        """Return the rank of the first expected show, from 1; None if it is missing."""
        expected = set(self.expectation.expected)
        return next((place for place, show_id in enumerate(self.retrieved, 1) if show_id in expected), None)

    @property
    def overlap(self) -> tuple[float, float, float]:
        """Return precision, recall and F1 of the whole list."""
        expected, retrieved = set(self.expectation.expected), set(self.retrieved)
        right = len(expected & retrieved)
        precision = right / len(retrieved) if retrieved else 0.0
        recall = right / len(expected) if expected else 0.0
        return precision, recall, 2 * right / (len(retrieved) + len(expected)) if right else 0.0

    @property
    def hit(self) -> bool:
        """Return whether the result is right: nothing if nothing fits, the complete list, or a show in the top five."""
        if not self.expectation.expected:
            return self.no_match
        if self.expectation.kind == ATTRIBUTE:
            return set(self.retrieved) == set(self.expectation.expected)
        return self.rank is not None and self.rank <= DEPTHS[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All outcomes, and the figures over them."""

    outcomes: tuple[EvaluatedQuestion, ...]

    @property
    def kinds(self) -> dict[str, dict[str, float]]:
        """Return the figures of each kind of question, in order of appearance."""
        by_kind: dict[str, list[EvaluatedQuestion]] = defaultdict(list)
        for outcome in self.outcomes:
            by_kind[kind_of(outcome.expectation)].append(outcome)
        return {kind: _figures(kind, outcomes) for kind, outcomes in by_kind.items()}

    @property
    def misses(self) -> tuple[EvaluatedQuestion, ...]:
        """Return the wrong outcomes."""
        return tuple(outcome for outcome in self.outcomes if not outcome.hit)

    @property
    def wrongly_no_match(self) -> int:
        """Count the questions that have an answer but got "no match"."""
        return sum(outcome.no_match and bool(outcome.expectation.expected) for outcome in self.outcomes)

    def as_json(self) -> dict[str, object]:
        """Return the figures and misses as the command prints them."""
        answerable = [outcome for outcome in self.outcomes if outcome.expectation.expected]
        return {
            "questions": len(self.outcomes),
            **_hits(answerable),
            "kinds": self.kinds,
            "wrongly_no_match": self.wrongly_no_match,
            "misses": [
                {
                    "index": outcome.index,
                    "question": outcome.expectation.question,
                    "kind": kind_of(outcome.expectation),
                    "expected": list(outcome.expectation.expected),
                    "found": list(outcome.retrieved[:DEFAULT_K]),
                    "titles": list(outcome.titles),
                    "no_match": outcome.no_match,
                }
                for outcome in self.misses
            ],
        }


class Evaluator:
    """Asks the retriever every question of a sheet."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def run(
        self, expectations: Sequence[Expectation], control: Control | None = None, *, k: int = DEFAULT_K
    ) -> Evaluation:
        """Retrieve `k` shows for each question. Raises InvalidInputError and the errors of `Retriever.search`."""
        vectors: list[Any] = []
        for start in range(0, len(expectations), _TOGETHER):
            texts = [one.question for one in expectations[start : start + _TOGETHER]]
            vectors += list((await self._retriever.embed(texts, priority=Priority.BATCH)).vectors)
        outcomes: dict[int, EvaluatedQuestion] = {}

        async def ask(number: int) -> EvaluatedQuestion:
            one = expectations[number]
            retrieval = await self._retriever.search(
                one.question, k=k, priority=Priority.BATCH, vector=vectors[number], filters=one.filters
            )
            return _outcome(number, one, retrieval)

        async with contextlib.aclosing(fan_out(ask, range(len(expectations)), limit=lambda: _AT_ONCE)) as asked:
            async for item in asked:
                outcomes[item.index] = item.unwrap()
                if control is not None:
                    control.progress = Progress(done=len(outcomes), total=len(expectations), stage="Searching")
        return Evaluation(outcomes=tuple(outcomes[number] for number in sorted(outcomes)))


def expectations(rows: Iterable[QuestionRow]) -> list[Expectation]:
    """Return the expectations of a sheet with `expected_ids` (joined with `|`, empty for unanswerable) and `kind`.

    Raises InvalidInputError if there are none.
    """
    known = [
        Expectation(
            question=row.question,
            expected=row.expected_ids,
            kind=row.kind or UNKNOWN,
            filters=row.filters,
        )
        for row in rows
        if EXPECTED in row.columns and row.question
    ]
    if not known:
        raise InvalidInputError(f"There is nothing to evaluate: the file needs a column named {EXPECTED}.")
    return known


def _outcome(number: int, expectation: Expectation, retrieval: Retrieval) -> EvaluatedQuestion:
    sources = [source.show for source in retrieval.sources]
    complete = retrieval.fact is not None and retrieval.fact.complete and retrieval.fact.kind in _SETS
    ids = retrieval.fact.ids if complete and retrieval.fact else tuple(show.id for show in sources)
    return EvaluatedQuestion(
        index=number,
        expectation=expectation,
        retrieved=ids,
        titles=tuple(show.title for show in sources[:3]),
        no_match=retrieval.no_match,
    )


def kind_of(expectation: Expectation) -> str:
    """Return the kind of a question as figures are grouped."""
    return expectation.kind if expectation.expected or expectation.kind != UNKNOWN else UNANSWERABLE


def _figures(kind: str, outcomes: Sequence[EvaluatedQuestion]) -> dict[str, float]:
    if kind == UNANSWERABLE:
        return {"n": len(outcomes), "no_match": sum(outcome.no_match for outcome in outcomes)}
    if kind == ATTRIBUTE:
        overlaps = [outcome.overlap for outcome in outcomes]
        means = (round(mean(values), 4) for values in zip(*overlaps, strict=True))
        return {"n": len(outcomes), **dict(zip(("precision", "recall", "f1"), means, strict=True))}
    return {"n": len(outcomes), **_hits(outcomes)}


def _hits(outcomes: Sequence[EvaluatedQuestion]) -> dict[str, float]:
    """Return the shares of questions whose show is among the first 1, 3 and 5, and the mean reciprocal rank."""
    ranks = [outcome.rank for outcome in outcomes]
    number = len(ranks) or 1
    shares = {f"hit@{depth}": sum(rank is not None and rank <= depth for rank in ranks) / number for depth in DEPTHS}
    shares["mrr"] = sum(1 / rank for rank in ranks if rank) / number
    return {name: round(value, 4) for name, value in shares.items()}
