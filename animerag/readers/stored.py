"""Records that the library has stored, read again: for fields that were not read when they came in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from animerag.models import Show
from animerag.readers import details, json_records, mal_list, notes, offline_database, shoko

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIBED = (
    *("type", "air_date", "end_date", "season", "airing"),
    *("restricted", "source", "duration", "studios", "tag_weights"),
)


def read_again(shows: Sequence[Show]) -> list[Show]:
    """Return stored shows, in order, with the type, dates and making that their records tell; all else stays as it is.

    Columns that an owner chose by hand are not known here: headings count as they stand.
    """
    plain: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for show in shows:
        plain[tuple(show.record)].append(show.record)
    matched = {keys: json_records.match_keys(records, {}, "record") for keys, records in plain.items() if keys}
    found = []
    for show in shows:
        if not show.record or show.id.startswith(f"{notes.WORLD}:"):
            found.append(show)
            continue
        record = dict(show.record)
        if shoko.is_record(record):
            id_field = shoko.ID_FIELD if shoko.ID_FIELD in record else shoko.TABLE_KEY
            read = shoko.row(record, "", 0, id_field=id_field)
        elif offline_database.is_record(record):
            read = offline_database.row(record, "", 0)
        elif mal_list.TITLE_FIELD in record:
            read = mal_list.row(record, "", 0)
        else:
            read = json_records.row(record, matched[tuple(show.record)], "", 0)
        found.append(_described(show, read if isinstance(read, Show) else None))
    return found


def _described(show: Show, read: Show | None) -> Show:
    """An inferred type follows from the show as it is stored, which knows more titles than one record."""
    fields = {name: getattr(read, name) for name in _DESCRIBED} if read else {}
    if read and read.type_inferred:
        fields["type"] = None
    return details.with_type(replace(show, **fields))
