"""Conditions of questions and filters as SQL: the same shows as with `query.execution` and `query.field_index`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from animerag.query import local_files
from animerag.query.execution import ATTRIBUTES, CONTINUES, value_of
from animerag.query.lexicon import unsuitable_tags
from animerag.query.plan import FOLLOWED, And, Not, Of, Or, Predicate
from animerag.storage import field_conditions as sql
from animerag.storage.field_conditions import NotExpressibleError
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from animerag.models.filters import Filters
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Condition
    from animerag.storage.field_conditions import Expression

_NUMBERS = ("year", "end_year", "episodes", "rating", "votes", "duration", "my_score")
_TEXTS = ("type", "season", "source", "status")
_OTHERS = ("restricted", "seasons", "my_status", "my_progress", "above_rating")
_FLAGS = {
    "tag": "has_tags",
    "relation": "has_relations",
    "studio": "studios",
    "title": "has_titles",
    "description": "has_description",
}


def expression(condition: Condition, table: FieldIndex) -> Expression:
    """Return a condition as SQL. Raises NotExpressibleError."""
    if isinstance(condition, And):
        return sql.all_of(expression(part, table) for part in condition.parts)
    if isinstance(condition, Or):
        return sql.any_of(expression(part, table) for part in condition.parts)
    if isinstance(condition, Not):
        return sql.negated(expression(condition.part, table))
    return _comparison(condition, table)


def of_filters(filters: Filters) -> list[Expression]:
    """Return the conditions of filters, which hold for no unknown value. Raises NotExpressibleError."""
    parts = [
        part
        for name in ("year", "episodes", "rating", "votes")
        for part in sql.bounded(name, getattr(filters, f"{name}_from"), getattr(filters, f"{name}_to"))
    ]
    parts += [sql.has_value("folded_tags", tag.casefold()) for tag in filters.tags]
    parts += [sql.negated(sql.has_value("folded_tags", tag.casefold())) for tag in filters.without_tags]
    parts += [sql.is_one_of("my_status", filters.statuses)] if filters.statuses else []
    parts += [sql.is_one_of("type", filters.types)] if filters.types else []
    parts += [sql.is_one_of("season", filters.seasons)] if filters.seasons else []
    if filters.aired_from or filters.aired_to:
        parts += sql.aired(filters.aired_from, filters.aired_to)
    if filters.restricted is not None:
        parts.append(sql.is_restricted(restricted=filters.restricted))
    if filters.title:
        parts.append(sql.contains("words", f" {folded_words(filters.title)} "))
    return parts


def _comparison(test: Predicate, table: FieldIndex) -> Expression:
    field, value = test.field, test.value
    if test.operator == "unknown":
        return _unknown(field)
    if field == "tag":
        return sql.has_value("main_tags" if test.operator == "=" else "folded_tags", str(value))
    if field == "title" and test.operator == "^=":
        return sql.begins("beginnings", str(value).casefold())
    if field == "title":
        return sql.contains("words", f" {folded_words(str(value))} ")
    if field == "relation":
        kinds = {"sequel": CONTINUES, FOLLOWED: ("sequel",)}.get(str(value), (str(value),))
        return sql.any_of(sql.has_value("relation_kinds", kind) for kind in kinds)
    if field == "suitable":
        unsuitable = sql.any_of(sql.has_value("folded_tags", tag) for tag in sorted(unsuitable_tags()))
        return sql.all_of((sql.negated(sql.is_restricted(restricted=True)), sql.negated(unsuitable)))
    if field in local_files.LANGUAGES and test.operator == "=":
        return _language(field, str(value))
    if field == "studio":
        return sql.has_value_if_known("folded_studios", str(value).casefold())
    return _value(test, table)


def _value(test: Predicate, table: FieldIndex) -> Expression:
    field = test.field
    value: Any = test.value
    if isinstance(value, Of):
        if field == "seasons":
            raise NotExpressibleError
        other = table.show(value.show)
        value = value_of(other, field) if other else None
    if value is None:
        return sql.UNDECIDED
    if field == "air_date":
        return sql.dated("air_date", test.operator, str(value))
    if field == "resolution":
        return sql.compared("height", test.operator, value)
    if field in (*_NUMBERS, *_TEXTS, *_OTHERS, *local_files.NUMBERS):
        return sql.compared(ATTRIBUTES.get(field, field), test.operator, value)
    raise NotExpressibleError


def _unknown(field: str) -> Expression:
    if field == "studio":
        return sql.has_no_value("folded_studios")
    if field in _FLAGS:
        return sql.has_none(_FLAGS[field])
    if field == "my_status":
        return sql.NOTHING
    if field == "resolution":
        return sql.is_unknown("height")
    if field in (*_NUMBERS, *_TEXTS, *local_files.NUMBERS, "restricted", "my_progress", "air_date"):
        return sql.is_unknown(ATTRIBUTES.get(field, field))
    raise NotExpressibleError


def _language(field: str, wanted: str) -> Expression:
    otherwise = "audio_languages" if field == "subtitle_language" else ""
    name = local_files.LANGUAGES[field]
    if wanted == local_files.ANY:
        return sql.speaks(name, otherwise=otherwise, wanted=None, besides=None)
    if wanted == local_files.DUBBED:
        return sql.speaks(name, otherwise=otherwise, wanted=None, besides=local_files.ORIGINAL)
    return sql.speaks(name, otherwise=otherwise, wanted=wanted, besides=None)
