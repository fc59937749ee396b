"""Converts a show's type, dates and production details to columns of the library, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.models.shows import Show

PLAIN = ("type", "air_date", "end_date", "season", "airing", "restricted", "source", "duration")
JSON = ("studios", "tag_weights", "collection")
_COUNTS = ("owned_episodes", "missing_episodes", "resolution", "file_size")
_NAMES = ("audio_languages", "subtitle_languages", "spoiler_tags")


def to_columns(show: Show) -> dict[str, object]:
    """Return the columns by name, with JSON as text."""
    plain = {name: getattr(show, name) for name in PLAIN}
    known = {name: value for name in (*_COUNTS, *_NAMES) if (value := getattr(show, name)) not in (None, ())}
    return {
        **plain,
        "type_inferred": show.type_inferred,
        "studios": json.dumps(show.studios, ensure_ascii=False),
        "tag_weights": json.dumps(dict(show.tag_weights), ensure_ascii=False),
        "collection": json.dumps(known, ensure_ascii=False) if known else None,
    }


def from_columns(row: JsonMapping) -> JsonObject:
    """Return the fields of a show by name; JSON may be text or values, or None if nothing was stored."""
    studios, weights, collection = (json.loads(row[name]) if isinstance(row[name], str) else row[name] for name in JSON)
    known = collection or {}
    return {
        **{name: row[name] for name in PLAIN},
        "type_inferred": bool(row["type_inferred"]),
        "studios": tuple(studios or ()),
        "tag_weights": weights or {},
        **{name: known.get(name) for name in _COUNTS},
        **{name: tuple(known.get(name, ())) for name in _NAMES},
    }
