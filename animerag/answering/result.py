"""What an answer says as data, for scripts: the shows it is about, and whether they are all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models.answers import Result

if TYPE_CHECKING:
    from animerag.models.retrieval import Retrieval


def result_of(found: Retrieval) -> Result:
    """Return the result of what was found; where fields say nothing it is a lookup of the sources, never complete."""
    fact = found.fact
    if found.not_recorded:
        return Result(intent=found.intent, missing=found.not_recorded)
    conditions = tuple(one.key for one in found.conditions)
    if fact is None:
        ids = () if found.no_match else tuple(source.show.id for source in found.sources)
        return Result(intent=found.intent, ids=ids, conditions=conditions, ignored=found.ignored)
    return Result(
        intent=fact.intent,
        ids=fact.ids,
        complete=fact.complete and not fact.ignored and not fact.missing,
        value=fact.value,
        conditions=fact.conditions or conditions,
        ignored=fact.ignored,
        missing=fact.missing,
    )
