"""Reads a Shoko/AniDB export: `{"AniDB_Anime": [ ... ]}`, or the bare list. Titles and tags are separated by `|`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

from pydantic_core import from_json, to_json

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Origin, RelatedShow, Show
from animerag.readers import cells, dates, details, json_records, shoko_collection, show_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from animerag.models.shows import ShowType

KEY = "AniDB_Anime"
ID_FIELD = "AnimeID"
TITLE_FIELD = "MainTitle"
TABLE_KEY = "AniDB_AnimeID"
_TYPES: tuple[ShowType, ...] = ("movie", "ova", "tv", "special", "web", "other", "music")


def is_record(record: object) -> TypeGuard[dict[str, object]]:
    """Return whether a JSON value has the fields of a Shoko record."""
    return isinstance(record, dict) and (ID_FIELD in record or TABLE_KEY in record) and TITLE_FIELD in record


def moved_ids(records: Iterable[object], id_field: str) -> dict[str, str]:
    """Map each AnimeID, which relations refer to, to the id under another `id_field`."""
    pairs = ((_id(record.get(ID_FIELD)), _id(record.get(id_field))) for record in records if isinstance(record, dict))
    return {own: other for own, other in pairs if own is not None and other is not None}


def row(
    record: object, name: str, line: int, *, id_field: str = ID_FIELD, ids: Mapping[str, str] | None = None
) -> Show | RowError:
    """Return a record as a show, or the reason why it cannot be used.

    Relations refer to AnimeIDs: with another `id_field`, only those in `ids` are read.
    """
    try:
        show = to_show(record, id_field=id_field, origin=Origin(file=name, line=line))
        if id_field == ID_FIELD:
            return show
        return replace(show, relations=_moved(show.relations, ids or {}), similar=_moved(show.similar, ids or {}))
    except InvalidInputError as error:
        shown_id = str(record[id_field])[:64] if isinstance(record, dict) and id_field in record else None
        excerpt = cells.given(record)
        return RowError(file=name, line=line, id=shown_id, stage="validate", reason=str(error), given=excerpt)


def to_show(record: object, *, id_field: str = ID_FIELD, origin: Origin | None = None) -> Show:
    """Return a record as a show, without the fields whose values cannot be used.

    Raises InvalidInputError without a usable id or title, or for text that cannot be stored.
    """
    if not isinstance(record, dict):
        raise InvalidInputError(f"The record is {json_records.kind(record)}, not an object.")
    show_id = _id(record.get(id_field))
    if show_id is None:
        raise InvalidInputError(f"The record has no usable {id_field}.")
    titles = cells.piped(record.get("AllTitles"))
    notes = []
    title = cells.text(record.get(TITLE_FIELD))
    if not title and titles:
        title = titles[0]
        notes.append(f"{TITLE_FIELD} is blank: the first of AllTitles was used.")
    if not title:
        raise InvalidInputError(f"The record has no {TITLE_FIELD}.")
    try:
        to_json(record)
    except ValueError as error:
        raise InvalidInputError("The record contains invalid Unicode (half of a surrogate pair).") from error
    numbers = cells.NumberParser(notes)
    year = numbers.whole(record.get("BeginYear"), 1900, 2200, "first year")
    end_year = numbers.whole(record.get("EndYear"), 1900, 2200, "last year")
    if year and end_year and end_year < year:
        numbers.notes.append(f"The last year {end_year} is before the first year and was left out.")
        end_year = None
    description = record.get("Description")
    if description is not None and not isinstance(description, str):
        numbers.notes.append(f"The description is {json_records.kind(description)} and was left out.")
        description = None
    hundredths = numbers.whole(record.get("Rating"), 1, 1000, "rating")  # 0 means no votes
    relations = _related(record, "relations", "relation_type", numbers.notes)
    tags = tuple(dict.fromkeys(cells.piped(record.get("AllTags"))))
    air_date = dates.iso(record.get("AirDate"))
    show = Show(
        id=show_id,
        title=title,
        titles=tuple(dict.fromkeys([title, *titles])),
        tags=tags,
        description=cells.text(description, lines=True),
        episodes=numbers.whole(record.get("EpisodeCountNormal"), 1, 100_000, "number of episodes"),
        year=year,
        end_year=end_year,
        rating=None if hundredths is None else hundredths / 100,
        votes=numbers.whole(record.get("VoteCount"), 1, 10**9, "number of votes"),
        relations=relations,
        similar=_related(record, "similar", None, numbers.notes),
        type=_type(record.get("AnimeType")),
        air_date=air_date,
        end_date=dates.ordered(air_date, dates.iso(record.get("EndDate"))),
        season=dates.season_of(air_date),
        restricted=details.restricted(record.get("Restricted")),
        source=details.source_of(tags),
        record=record,
        origin=None if origin is None else replace(origin, notes=tuple(numbers.notes)),
    )
    return shoko_collection.completed(details.with_type(show), record)


def _type(value: object) -> ShowType | None:
    """Return the type: Shoko's table has numbers, its API has names."""
    if isinstance(value, bool):
        return None
    place = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None
    if place is None:
        return show_types.named(value)
    return _TYPES[place] if 0 <= place < len(_TYPES) else None


def _id(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    shown = str(value).strip()
    return shown if re.fullmatch(r"[1-9][0-9]{0,18}", shown) else None


def _moved(items: Sequence[RelatedShow], ids: Mapping[str, str]) -> tuple[RelatedShow, ...]:
    return tuple(replace(item, id=moved) for item in items if (moved := ids.get(item.id)) is not None)


def _related(record: dict[str, object], key: str, kind_field: str | None, notes: list[str]) -> tuple[RelatedShow, ...]:
    """Return the related shows, which are JSON text in the record; if it is broken, only they are left out."""
    value = record.get(key)
    if isinstance(value, str):
        try:
            value = from_json(value or "[]")
        except ValueError:
            notes.append(f"The field {key} is not complete JSON and was left out.")
    if not isinstance(value, list):
        return ()
    result = []
    for item in value:
        shown_id = _id(item.get("anime_id")) if isinstance(item, dict) else None
        if shown_id is not None:
            kind = cells.text(item.get(kind_field)) if kind_field else "similar"
            year = cells.NumberParser().whole(item.get("begin_year"), 1900, 2200, "year")
            result.append(RelatedShow(id=shown_id, title=cells.text(item.get("title_main")), kind=kind, year=year))
    return tuple(result)
