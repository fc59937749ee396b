"""Reads the parts of a Shoko record that an export lacks: tag weights, spoiler flags, files, and the user's list.

`tags` is a list of objects with `name`, `weight` and `spoiler`. `collection` is an object with optional parts:
`owned` and `missing` episodes, `size` in bytes, `resolution`, lists `audio` and `subtitles`, `watched`
episodes, and `score` from 0 to 10.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from animerag.readers import cells, details, resolutions
from animerag.text import languages

if TYPE_CHECKING:
    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.models.shows import MyStatus, Show

_MOST = 100_000  # episodes
_MOST_BYTES = 2**60


def completed(show: Show, record: JsonMapping) -> Show:
    """Return a show with these parts of its record, without invalid values."""
    tags = [one for one in _list(record.get("tags")) if isinstance(one, dict) and isinstance(one.get("name"), str)]
    own = record.get("collection")
    if not tags and not isinstance(own, dict):
        return show
    fields: JsonObject = {
        "tag_weights": details.tag_weights(tags),
        "spoiler_tags": tuple(dict.fromkeys(cells.text(tag["name"]) for tag in tags if tag.get("spoiler") is True)),
    }
    if isinstance(own, dict):
        fields |= _files(own) | _mine(own, show.episodes)
    return replace(show, **fields)


def _files(own: JsonMapping) -> JsonObject:
    return {
        "owned_episodes": _number(own.get("owned")),
        "missing_episodes": _number(own.get("missing")),
        "audio_languages": languages.names_of(own.get("audio")),
        "subtitle_languages": languages.names_of(own.get("subtitles")),
        "resolution": resolutions.resolution_of(str(own.get("resolution") or "")),
        "file_size": _number(own.get("size"), _MOST_BYTES) or None,
    }


def _mine(own: JsonMapping, episodes: int | None) -> JsonObject:
    """Return status, progress and score; a show without watched episodes has no status."""
    watched = _number(own.get("watched")) or None
    if watched and episodes:
        watched = min(watched, episodes)
    status: MyStatus | None = None
    if watched:
        status = "completed" if watched == episodes else "watching"
    score = own.get("score")
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 < score <= 10:
        score = None
    return {"my_status": status, "episodes_watched": watched, "my_score": score}


def _number(value: object, most: int = _MOST) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= most else None  # type: ignore[operator, return-value]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
