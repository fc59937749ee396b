"""Reads a user's list from AniList as JSON: status, score and progress, not descriptions.

An entry is an object with `status` and `media` at any depth: in the answer of AniList's API
(`data.MediaListCollection.lists[].entries[]`), in a file of one list, or in a bare list of entries.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Origin, Show
from animerag.readers import cells, file_type, json_records, show_types
from animerag.readers import encoding as sniff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from animerag.models.json_types import JsonObject

_MAX_BYTES = 64 * 2**20  # a list of 10,000 shows takes 10 MB; the file is parsed as a whole
_MEDIA, _STATUS, _PROGRESS = (re.compile(rf'"{name}"\s*:{after}') for name, after in (
    ("media", r"\s*\{"), ("status", r'\s*"[A-Z_]+"'), ("progress", r"\s*(?:\d|null)"),
))  # fmt: skip
_NUMBERED = re.compile(r'"series_id"\s*:\s*\d')
_TITLES = ("romaji", "english", "native", "userPreferred")
_HIGHEST = {"POINT_100": 100, "POINT_10_DECIMAL": 10, "POINT_10": 10, "POINT_5": 5, "POINT_3": 3}


def is_list(start: str) -> bool:
    """Return whether JSON starts like an AniList list."""
    return all(pattern.search(start) for pattern in (_MEDIA, _STATUS, _PROGRESS))


def names_shows_by_number(start: str) -> bool:
    """Return whether JSON starts like AniList's export of all user data, whose entries have no titles."""
    return bool(_NUMBERED.search(start) and _PROGRESS.search(start))


def read(path: Path, name: str, *, encoding: str) -> Iterator[Show | RowError]:
    """Yield each entry as an overlay. Raises InvalidInputError for a file that is cut off or too large."""
    if file_type.stored_size(path, name) > _MAX_BYTES:
        raise InvalidInputError(f"{name} is larger than {_MAX_BYTES // 2**20} MB, the limit for an AniList list.")
    with sniff.reading(path, name, encoding) as stream:
        text = stream.read(_MAX_BYTES + 1).removeprefix("\ufeff")
    try:
        document = json_records.from_text(text)
    except ValueError as error:
        raise InvalidInputError(f"{name} {json_records.fault(error, 1)} Export the list again.") from error
    entries = list(_entries(document, 0))
    highest = _scale(document, entries)
    for number, entry in enumerate(entries, 1):
        yield row(entry, name, number, highest)


def row(entry: JsonObject, name: str, number: int, highest: int) -> Show | RowError:
    """Return an entry as an overlay, or the reason why it cannot be used; `highest` is the best possible score."""
    media = entry["media"]
    titles = media.get("title") if isinstance(media.get("title"), dict) else {"romaji": media.get("title")}
    names = tuple(dict.fromkeys(filter(None, (cells.text(titles.get(kind)) for kind in _TITLES))))
    given = next(
        (f"{site}:{media[key]}" for site, key in (("mal", "idMal"), ("anilist", "id")) if media.get(key)), None
    )
    reason = None
    if not names:
        reason = "The entry has no title."
    elif media.get("type") not in (None, "ANIME"):
        reason = f"The entry is not an anime but {cells.text(media.get('type'))[:40].lower()}."
    if reason is not None:
        return RowError(file=name, line=number, id=given, stage="validate", reason=reason, given=cells.given(entry))
    numbers = cells.NumberParser()
    status = cells.my_status(entry.get("status"))
    if entry.get("status") and status is None:
        numbers.notes.append(f"The status “{cells.text(entry['status'])[:40]}” is not known and was left out.")
    score = numbers.number(entry.get("score"), "score") or 0.0
    known = isinstance(media.get("idMal") or media.get("id"), int)
    return Show(
        id=given if given and known else cells.derived_id("title", names[0], None),
        title=names[0],
        titles=names,
        episodes=numbers.whole(media.get("episodes"), 1, 100_000, "number of episodes"),
        type=show_types.named(media.get("format")),
        record=entry,
        my_status=status,
        my_score=numbers.score(score * 10 / highest, "score") if score else None,
        episodes_watched=numbers.whole(entry.get("progress"), 0, 100_000, "number of episodes watched"),
        overlay=True,
        origin=Origin(file=name, line=number, notes=tuple(numbers.notes)),
    )


def _entries(value: object, depth: int) -> Iterator[JsonObject]:
    if depth > 8:
        return
    if isinstance(value, list):
        for one in value:
            yield from _entries(one, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("media"), dict) and "status" in value:
            yield value
            return
        for one in value.values():
            if isinstance(one, dict | list):
                yield from _entries(one, depth + 1)


def _scale(document: object, entries: list[JsonObject]) -> int:
    """Return the best possible score: the one in the file, otherwise 100 if a score is above 10, otherwise 10."""
    score_format = _first_value(document, "scoreFormat", 0)
    if score_format in _HIGHEST:
        return _HIGHEST[score_format]
    scores = [score for entry in entries if isinstance(score := entry.get("score"), int | float)]
    return 100 if max(scores, default=0) > 10 else 10


def _first_value(value: object, key: str, depth: int) -> Any:
    if not isinstance(value, dict) or depth > 4:
        return None
    if isinstance(value.get(key), str):
        return value[key]
    return next(filter(None, (_first_value(one, key, depth + 1) for one in value.values())), None)
