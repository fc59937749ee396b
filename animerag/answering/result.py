"""What an answer says as data, for scripts: the shows it is about, and whether they are all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models import Result

if TYPE_CHECKING:
    from animerag.models import FactAnswer, FactKind, Retrieval

_INTENTS: dict[FactKind, str] = {
    "list": "list",
    "count": "count",
    "order": "superlative",
    "value": "field",
    "compare": "compare",
    "related": "seasons",
}


def result_of(found: Retrieval) -> Result:
    """Return the result of what was found; where fields say nothing it is a lookup of the sources, never complete."""
    fact = found.fact
    if found.not_recorded:
        return Result(intent="unsupported", missing=found.not_recorded)
    if found.no_match and fact is None:
        return Result(intent="lookup")
    if fact is None:
        return Result(intent="lookup", ids=tuple(source.show.id for source in found.sources))
    return Result(
        intent=_INTENTS[fact.kind],
        ids=fact.ids,
        complete=fact.kind in ("list", "count", "order"),
        value=_value(fact),
        conditions=fact.conditions or tuple(one.label for one in fact.filters.conditions()),
    )


def _value(fact: FactAnswer) -> int | float | str | None:
    if fact.kind == "count":
        return fact.total
    if fact.kind == "compare":
        return fact.ids[0] if fact.ids else None
    return fact.values[0] if fact.kind == "value" and fact.values else None
