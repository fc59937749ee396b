"""Edits of shows, which later imports keep: the fields that can be edited, and their limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.models.shows import TYPE_LABELS
from animerag.readers import dates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.models.shows import Show


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "year": (1900, 2200),
    "end_year": (1900, 2200),
    "episodes": (0, 100_000),
    "rating": (0, 10),
    "my_score": (0, 10),
    "episodes_watched": (0, 100_000),
}
_WORDS = {"title": 500, "description": 100_000}  # characters
_LISTS = {"titles": 200, "tags": 200}  # entries
_DATES = ("air_date", "end_date")
_STATUS = "my_status"
_TYPE = "type"
_EDITED = "edited in animerag"
# The key beside the edits for the number of watched episodes that the file had when progress was edited.
FILE_PROGRESS = "progress seen"
EDITABLE = (*_WORDS, *_LISTS, *_BOUNDS, *_DATES, _STATUS, _TYPE)


def still_valid(edits: JsonMapping, show: Show) -> JsonObject:
    """Return the edits that a row of a file does not supersede: progress made elsewhere replaces yours."""
    before = max(edits.get("episodes_watched") or 0, edits.get(FILE_PROGRESS) or 0)
    if edits.get("episodes_watched") is None or (show.episodes_watched or 0) <= before:
        return dict(edits)
    return {name: value for name, value in edits.items() if name not in ("episodes_watched", _STATUS)}


def edited(show: Show, changes: JsonMapping) -> Show:
    """Return a show with the user's edits, which its record lists, too."""
    edits: JsonObject = {name: value for name, value in changes.items() if name in EDITABLE}
    record = {**show.record, _EDITED: {**show.record.get(_EDITED, {}), **edits}}
    fields: JsonObject = {name: tuple(value) if name in _LISTS else value for name, value in edits.items()}
    if _TYPE in edits:
        fields["type_inferred"] = False
    if "air_date" in edits:
        fields["season"] = dates.season_of(edits["air_date"])
    return replace(show, record=record, **fields)


def _checked(name: str, value: Any) -> Any:
    if name in _WORDS:
        text = str(value or "").strip()
        if name == "title" and not text:
            raise InvalidInputError("A show needs a title: enter one.")
        if len(text) > _WORDS[name]:
            raise InvalidInputError(f"The {name} is longer than {_WORDS[name]:,} characters: shorten it.")
        return text
    if name in _LISTS:
        entries = list(dict.fromkeys(filter(None, (str(one).strip()[:500] for one in value or ()))))
        if len(entries) > _LISTS[name]:
            raise InvalidInputError(f"There are more than {_LISTS[name]} {name}: remove some.")
        return entries
    if name in _BOUNDS:
        low, high = _BOUNDS[name]
        if value is not None and not low <= value <= high:
            raise InvalidInputError(f"{name.replace('_', ' ').capitalize()} must be between {low:g} and {high:g}.")
        return value
    if name in _DATES:
        date = str(value or "").strip() or None
        if date is not None and not dates.is_date(date):
            raise InvalidInputError("Write a date as 2012-04-07, or as 2012-04 if the day is unknown.")
        return date
    if name == _TYPE and value is not None and value not in TYPE_LABELS:
        raise InvalidInputError(f"{value} is not a type: use {', '.join(TYPE_LABELS)}.")
    if name in (_STATUS, _TYPE):
        return value
    raise InvalidInputError(f"The field {name} cannot be edited: change it in the file.")
