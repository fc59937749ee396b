"""Reads a MyAnimeList user's list (`.xml` or `.xml.gz`): status, score and progress, not descriptions."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Origin, Show
from animerag.readers import cells, file_type, show_types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from animerag.models.shows import ShowType

ROOT = "myanimelist"
TITLE_FIELD = "series_title"
OWN_ID = "animerag_id"  # of an entry that was exported from a catalogue
_LONGEST_ID = 200


# Old lists have numbers for types.
_TYPES: tuple[ShowType | None, ...] = (None, "tv", "ova", "movie", "special", "web", "music")


def read(path: Path, name: str) -> Iterator[Show | RowError]:
    """Yield each entry as an overlay on the catalogue. Raises InvalidInputError if the file is broken."""
    with file_type.open_bytes(path, name) as stream:
        for number, entry in enumerate(_entries(stream, name), 1):
            yield row(entry, name, number)


def _entries(stream: IO[bytes], name: str) -> Iterator[dict[str, str]]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        root = None
        for happened, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            root = element if root is None else root
            if happened == "end" and element.tag == "anime":
                yield {child.tag: (child.text or "").strip() for child in element}
                root.clear()
    except DefusedXmlException as error:
        raise InvalidInputError(
            f"{name} defines XML entities, which a MyAnimeList export never does: export the list again."
        ) from error
    except (ParseError, LookupError, ValueError) as error:
        raise InvalidInputError(f"{name} is not complete XML ({error}): export the list again.") from error


def row(entry: dict[str, str], name: str, number: int) -> Show | RowError:
    """Return an entry as an overlay, or the reason why it cannot be used."""
    title = cells.text(entry.get(TITLE_FIELD))
    given = entry.get("series_animedb_id", "")
    if not title:
        reason = "The entry has no series_title."
        excerpt = cells.given(entry)
        return RowError(file=name, line=number, id=given or None, stage="validate", reason=reason, given=excerpt)
    numbers = cells.NumberParser()
    status: Any = entry.get("my_status", "")
    mine = cells.my_status(status)
    if status and mine is None:
        numbers.notes.append(f"The status “{cells.text(status)[:40]}” is not known and was left out.")
    known = given.isascii() and given.isdigit() and given.strip("0") and len(given) < 19
    own = cells.text(entry.get(OWN_ID))[:_LONGEST_ID]
    return Show(
        id=own or (f"mal:{int(given)}" if known else cells.derived_id("title", title, None)),
        title=title,
        titles=(title,),
        episodes=numbers.whole(entry.get("series_episodes"), 1, 100_000, "number of episodes"),
        type=_type(entry.get("series_type", "")),
        record=entry,
        my_status=mine,
        my_score=numbers.score(entry.get("my_score"), "my score"),
        episodes_watched=numbers.whole(entry.get("my_watched_episodes"), 0, 100_000, "number of episodes watched"),
        overlay=True,
        origin=Origin(file=name, line=number, notes=tuple(numbers.notes)),
    )


def _type(fields: str) -> ShowType | None:
    if fields.isascii() and fields.isdigit():
        return _TYPES[int(fields)] if len(fields) == 1 and int(fields) < len(_TYPES) else None
    return show_types.named(fields)
