"""The result of an answer as data, for scripts: the shows it is about, and whether the list is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models.answers import Result

if TYPE_CHECKING:
    from animerag.models.retrieval import Retrieval


def result_of(retrieval: Retrieval) -> Result:
    """Return the result of a retrieval; without an answer from fields, it is an incomplete lookup."""
    fact = retrieval.fact
    if retrieval.not_recorded:
        return Result(intent=retrieval.intent, missing=retrieval.not_recorded)
    conditions = tuple(one.key for one in retrieval.conditions)
    if fact is None:
        ids = () if retrieval.no_match else tuple(source.show.id for source in retrieval.sources)
        return Result(intent=retrieval.intent, ids=ids, conditions=conditions, ignored=retrieval.ignored)
    return Result(
        intent=fact.intent,
        ids=fact.ids,
        complete=fact.complete and not fact.ignored and not fact.missing,
        value=fact.value,
        conditions=fact.conditions or conditions,
        ignored=fact.ignored,
        missing=fact.missing,
    )
