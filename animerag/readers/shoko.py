"""Shoko/AniDB export: `{"AniDB_Anime": [ ... ]}`, or the bare list. Titles and tags are joined with `|`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from animerag.errors import InvalidInputError
from animerag.models import RelatedShow, RowError, Show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY = "AniDB_Anime"
ID_FIELD = "AnimeID"
TITLE_FIELD = "MainTitle"
_EXPECTED = f'a Shoko export: a JSON object with the list of shows under "{KEY}"'

# The first bytes of what people upload by mistake, so that the answer can name it.
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "text in UTF-16, not UTF-8",
    b"\xfe\xff": "text in UTF-16, not UTF-8",
}


def read(data: bytes, *, name: str, id_field: str = ID_FIELD) -> Iterator[Show | RowError]:
    """Yield a show, or the reason why not, for each record.

    Raises InvalidInputError, before the first record, when `data` is no complete export.
    """
    records = _records(data, name)
    return _rows(records, data, name, id_field)


def _rows(records: Sequence[Any], data: bytes, name: str, id_field: str) -> Iterator[Show | RowError]:
    lines: list[int] | None = None
    for position, record in enumerate(records):
        try:
            yield to_show(record, id_field=id_field)
        except InvalidInputError as error:
            # Lines are found only when one is needed: the walk parses the file a second time.
            lines = lines if lines is not None else _record_lines(data, len(records))
            shown_id = str(record[id_field]) if isinstance(record, dict) and id_field in record else None
            yield RowError(file=name, line=lines[position], id=shown_id, stage="validate", reason=str(error))


def _records(data: bytes, name: str) -> list[Any]:
    if not data.strip():
        raise InvalidInputError(f"{name} is empty: expected {_EXPECTED}.")
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise InvalidInputError(f"{name} is {kind}: expected {_EXPECTED}.")
    try:
        document = from_json(data.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInputError(f"{name} is not complete JSON ({error}): expected {_EXPECTED}.") from error
    if isinstance(document, dict):
        if KEY not in document:
            found = ", ".join(f'"{key[:40]}"' for key in list(document)[:5]) or "nothing"
            raise InvalidInputError(f"{name} has {found} where {_EXPECTED} was expected.")
        document = document[KEY]
    if not isinstance(document, list):
        raise InvalidInputError(f"{name} holds {_kind(document)} where {_EXPECTED} was expected.")
    return document


def to_show(record: Any, *, id_field: str = ID_FIELD) -> Show:
    """Turn one record into a show; a field with an unusable value is left out, the rest is kept.

    Raises InvalidInputError when there is no usable id or title, or text that no store could keep.
    """
    if not isinstance(record, dict):
        raise InvalidInputError(f"The record is {_kind(record)}, not an object.")
    show_id = _id(record.get(id_field))
    if show_id is None:
        raise InvalidInputError(f"The record has no usable {id_field}.")
    title = _text(record.get(TITLE_FIELD))
    if not title:
        raise InvalidInputError(f"The record has no {TITLE_FIELD}.")
    try:
        to_json(record)
    except ValueError as error:
        raise InvalidInputError("The record has broken Unicode (half of a surrogate pair).") from error
    return Show(
        id=show_id,
        title=title,
        titles=tuple(dict.fromkeys([title, *_split(record.get("AllTitles"))])),
        tags=tuple(dict.fromkeys(_split(record.get("AllTags")))),
        description=_text(record.get("Description"), keep_lines=True),
        episodes=_whole(record.get("EpisodeCountNormal"), 1, 100_000),
        year=_whole(record.get("BeginYear"), 1900, 2200),
        end_year=_whole(record.get("EndYear"), 1900, 2200),
        rating=_rating(record.get("Rating")),
        votes=_whole(record.get("VoteCount"), 1, 10**9),
        relations=_related(record.get("relations"), kind_field="relation_type"),
        similar=_related(record.get("similar"), kind_field=None),
        record=record,
    )


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    shown = str(value).strip()
    return shown if re.fullmatch(r"[1-9][0-9]{0,18}", shown) else None


def _text(value: Any, *, keep_lines: bool = False) -> str:
    if not isinstance(value, str):
        return ""
    kept = "".join(c for c in value if c.isprintable() or (keep_lines and c in "\n\t"))
    return kept.strip()


def _split(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(value).split("|") if isinstance(value, str) else []
    return [part for part in (_text(item) for item in parts) if part]


def _whole(value: Any, low: int, high: int) -> int | None:
    """0 is the export's word for unknown, and out of range here."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def _rating(value: Any) -> float | None:
    """Exports give hundredths of a point; 0 means nobody has voted."""
    hundredths = _whole(value, 1, 1000)
    return None if hundredths is None else hundredths / 100


def _related(value: Any, *, kind_field: str | None) -> tuple[RelatedShow, ...]:
    """Relations are JSON inside the JSON; a broken one costs the links, not the show."""
    if isinstance(value, str):
        try:
            value = from_json(value or "[]")
        except ValueError:
            return ()
    if not isinstance(value, list):
        return ()
    found = []
    for item in value:
        show_id = _id(item.get("anime_id")) if isinstance(item, dict) else None
        if show_id is not None:
            kind = _text(item.get(kind_field)) if kind_field else "similar"
            year = _whole(item.get("begin_year"), 1900, 2200)
            found.append(RelatedShow(id=show_id, title=_text(item.get("title_main")), kind=kind, year=year))
    return tuple(found)


def _record_lines(data: bytes, count: int) -> list[int]:
    """Return the line each record of the list begins on."""
    source = data.decode("utf-8-sig")
    at = source.index("[", source.find(f'"{KEY}"') if source.lstrip().startswith("{") else 0)
    decoder = json.JSONDecoder()
    separator = re.compile(r"[\s,]*")
    lines: list[int] = []
    line, counted, at = 1, 0, at + 1
    for _ in range(count):
        skipped = separator.match(source, at)
        at = skipped.end() if skipped else at
        line, counted = line + source.count("\n", counted, at), at
        lines.append(line)
        _, at = decoder.raw_decode(source, at)
    return lines


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
