"""Exports your list as MyAnimeList's XML or as CSV; importing the file restores the list."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree as ET

from animerag.batch.export import formula_safe
from animerag.readers.columns import unquoted
from animerag.readers.mal_list import OWN_ID, ROOT, TITLE_FIELD
from animerag.storage import provenance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from animerag.models.shows import MyStatus, Show, ShowType
    from animerag.query.field_index import FieldIndex
    from animerag.storage.library import Library

ListFormat: TypeAlias = Literal["mal", "csv"]
_SITE = "mal"
_STATUSES: Mapping[MyStatus, str] = {
    "watching": "Watching",
    "completed": "Completed",
    "on_hold": "On-Hold",
    "dropped": "Dropped",
    "plan_to_watch": "Plan to Watch",
}
_TYPES: Mapping[ShowType, str] = {
    "tv": "TV",
    "ova": "OVA",
    "movie": "Movie",
    "special": "Special",
    "web": "ONA",
    "music": "Music",
}
_HEADINGS = ("id", "title", "episodes", "my_status", "my_score", "watched_episodes")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ListExport:
    """Writes the list of a catalogue's owner."""

    def __init__(self, library: Library, table: Callable[[], Awaitable[FieldIndex]]) -> None:
        """`table` returns the current fields of all shows."""
        self._library = library
        self._table = table

    async def written(self, kind: ListFormat) -> bytes:
        """Return all shows with a status, a score or progress as a file. Raises LibraryError."""
        shows = await asyncio.to_thread((await self._table()).listed)
        shows.sort(key=lambda show: (show.title.casefold(), show.id))
        if kind == "csv":
            return as_csv(shows)
        return as_xml(shows, await provenance.ids_on(self._library, _SITE))


def is_listed(show: Show) -> bool:
    """Return whether a show is on its owner's list."""
    return (show.my_status, show.my_score, show.episodes_watched) != (None, None, None)


def as_xml(shows: Iterable[Show], numbers: Mapping[str, str]) -> bytes:
    """Return shows in MyAnimeList's format; `numbers` are the site's ids by show id, 0 if unknown.

    A score keeps its decimals. The element `animerag_id`, which the site ignores, brings each entry back to its show.
    """
    root = ET.Element(ROOT)
    ET.SubElement(ET.SubElement(root, "myinfo"), "user_export_type").text = "1"
    for show in shows:
        own = show.id.removeprefix(f"{_SITE}:") if show.id.startswith(f"{_SITE}:") else numbers.get(show.id, "0")
        fields = {
            "series_animedb_id": own,
            TITLE_FIELD: show.title,
            "series_type": _TYPES.get(show.type, "Unknown") if show.type and not show.type_inferred else "Unknown",
            "series_episodes": str(show.episodes or 0),
            "my_watched_episodes": "" if show.episodes_watched is None else str(show.episodes_watched),
            "my_score": f"{show.my_score:g}" if show.my_score else "0",
            "my_status": _STATUSES[show.my_status] if show.my_status else "",
            OWN_ID: show.id,
            "update_on_import": "1",
        }
        entry = ET.SubElement(root, "anime")
        for name, value in fields.items():
            ET.SubElement(entry, name).text = _NO_XML.sub("", value)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def as_csv(shows: Iterable[Show]) -> bytes:
    """Return shows as CSV in which no cell is a formula."""
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(_HEADINGS)
    for show in shows:
        mine = (show.my_status, show.my_score, show.episodes_watched)
        table.writerow([formula_safe(show.id), _quoted(show.title), show.episodes, *mine])
    return out.getvalue().encode("utf-8-sig")


def _quoted(title: str) -> str:
    """Return a title that no spreadsheet treats as a formula; an existing apostrophe is doubled."""
    return f"'{title}" if unquoted(title) != title else formula_safe(title)
