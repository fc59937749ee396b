"""Parses the relations of a show as sites and their dumps write them.

Four forms are known, each also as text in a cell of a table: Jikan's `[{"relation", "entry": [{"mal_id", "name"}]}]`,
MyAnimeList's `[{"node", "relation_type"}]`, AniList's `{"edges": [{"relationType", "node"}]}`, and that of older dumps,
`{"Sequel": [{"mal_id", "title"}]}`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pydantic_core import from_json

from animerag.models.shows import RelatedShow
from animerag.readers import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from animerag.models.json_types import JsonObject

_LONGEST_CELL = 200_000  # characters; a Python literal is parsed as a whole
_MOST = 500
_OTHER_MEDIA = frozenset(("adaptation", "source"))  # kinds that lead to a book, never to another show
_ANIME = frozenset(("", "anime"))
_KINDS = ("relation_type_formatted", "relation_type", "relationType", "relation", "kind")
_IDS = {"mal": ("mal_id", "idMal", "malId", "id"), "": ("id", "mal_id", "idMal", "anime_id")}


def related(value: object, site: str = "") -> tuple[RelatedShow, ...]:
    """Return the related shows in a cell or a JSON value; none if it has another form.

    `site` is the site of the file's ids: an AniList node has an id of AniList and one of MyAnimeList.
    """
    result: dict[str, RelatedShow] = {}
    for kind, node in _pairs(_loaded(value)):
        show = _show(kind, node, _IDS.get(site, _IDS[""]))
        if show is not None and len(result) < _MOST:
            result.setdefault(show.id, show)
    return tuple(result.values())


def _loaded(value: object) -> object:
    """Return the list or object that a cell contains, as JSON or as Python writes it."""
    if not isinstance(value, str):
        return value
    source = value.strip()
    if not source.startswith(("[", "{")) or len(source) > _LONGEST_CELL:
        return None
    try:
        return from_json(source)
    except ValueError:
        pass
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _pairs(value: object) -> Iterator[tuple[str, JsonObject]]:
    """Yield the kind of each relation with the object that names the show."""
    if isinstance(value, dict):
        edges = value.get("edges")
        if isinstance(edges, list):
            yield from _pairs(edges)
            return
        for kind, items in value.items():
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict):
                    yield str(kind), item
        return
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        kind = next((item[name] for name in _KINDS if isinstance(item.get(name), str)), "")
        entries = item.get("entry")
        for node in entries if isinstance(entries, list) else (item.get("node"),):
            if isinstance(node, dict):
                yield kind, node


def _show(kind: str, node: JsonObject, ids: tuple[str, ...]) -> RelatedShow | None:
    named = " ".join(kind.replace("_", " ").split())
    media = node.get("type")
    if not named or named.casefold() in _OTHER_MEDIA:
        return None
    if isinstance(media, str) and media.casefold() not in _ANIME:
        return None
    number = next((node[name] for name in ids if _is_id(node.get(name))), None)
    title = node.get("title") or node.get("name")
    if isinstance(title, dict):
        title = next(filter(None, (title.get(key) for key in ("romaji", "userPreferred", "english", "native"))), "")
    text = cells.text(title) if isinstance(title, str) else ""
    if number is None or not text:
        return None
    start = node.get("startDate") or node.get("start_date")
    given = start.get("year") if isinstance(start, dict) else start or node.get("year")
    year = cells.NumberParser().year(given, "year")
    return RelatedShow(id=str(number), title=text, kind=named.title(), year=None if year is None else int(year))


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit()
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
