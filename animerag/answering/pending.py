"""A question that is being answered: its text, its options, and the spans recorded for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from animerag.models.filters import Filters
from animerag.models.providers import Priority
from animerag.telemetry.tracing import Recorder, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.answers import Answer, Turn
    from animerag.ports import Locate, VectorHits, Vectors
    from animerag.rate_limits.budget import Budget


class AskOptions(TypedDict, total=False):
    """How one question is answered.

    `k` is the number of shows to search for. `history` holds the earlier turns of a conversation. `vector` is the
    question's vector, or a function that returns it, if the caller has one. `filters` restrict the search beside the
    question's own conditions; `ignore` names conditions in the question that the user removed. With `retrieval_only` no
    answer is written. Without `use_cache` a stored answer is not reused.
    """

    k: int | None
    history: Sequence[Turn]
    priority: Priority
    retrieval_only: bool
    vector: Vectors | VectorHits | Locate | None
    filters: Filters | None
    ignore: Sequence[str]
    use_cache: bool


@dataclass(slots=True, kw_only=True)
class PendingQuestion:
    """A question with its options; `text` is checked and stripped, `began_s` is a time of `time.perf_counter`."""

    text: str
    k: int
    history: tuple[Turn, ...] = ()
    priority: Priority = Priority.LIVE
    retrieval_only: bool = False
    vector: Vectors | VectorHits | Locate | None = None
    filters: Filters = Filters()
    ignore: tuple[str, ...] = ()
    began_s: float = field(default_factory=time.perf_counter)
    recorder: Recorder = field(default_factory=Recorder)
    budget: Budget | None = None  # the budget of the day for a live question, of the run for a row of a sheet

    @classmethod
    def of(cls, text: str, options: AskOptions, *, default_k: int, budget: Budget | None) -> PendingQuestion:
        """Return the question with defaults for the options that are not given."""
        return cls(
            text=text,
            k=options.get("k") or default_k,
            history=tuple(options.get("history", ())),
            priority=options.get("priority", Priority.LIVE),
            retrieval_only=options.get("retrieval_only", False),
            vector=options.get("vector"),
            filters=options.get("filters") or Filters(),
            ignore=tuple(options.get("ignore", ())),
            budget=budget,
        )

    @property
    def live(self) -> bool:
        """Return whether a user is waiting for the answer."""
        return self.priority is Priority.LIVE

    def finish(self, answer: Answer) -> Answer:
        """Return the answer with the total time, and with spans relative to the start of the question."""
        timings = replace(answer.timings, total_s=time.perf_counter() - self.began_s)
        spans = tuple(
            Span(span.name, span.start_s - self.began_s, span.end_s - self.began_s)
            for span in sorted(self.recorder.spans, key=lambda span: span.start_s)
        )
        return replace(answer, timings=timings, spans=spans)
