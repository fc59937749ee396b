"""Reads the tables of `field_tables` in pages, in the calling thread."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import func, select

from animerag.models.shows import RelatedShow, Show
from animerag.storage import field_conditions as sql
from animerag.storage import show_fields
from animerag.storage.bulk_insert import chunks
from animerag.storage.field_tables import FIELDS, FRANCHISES, MARK, best_first
from animerag.storage.schema import my_list, shows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Row

    from animerag.storage.database import Database
    from animerag.storage.field_conditions import Expression, Value
    from animerag.storage.show_fields import Statement

    TableRow: TypeAlias = Row[Any]
    Rows: TypeAlias = list[TableRow]
    SortKey: TypeAlias = Any

_PAGE = 1000  # whole shows
_IDS = 5000  # in one statement
_JSON = ("tags", "studios")


class FieldReader:
    """Reads fields of shows. Every method raises LibraryError."""

    def __init__(self, database: Database) -> None:
        """Read from a database whose tables exist."""
        self._database = database

    def count(self) -> int:
        """Count the shows."""
        return int(self._scalar(select(func.count()).select_from(FIELDS)) or 0)

    def ids(self, *conditions: Expression) -> list[str]:
        """Return the ids of the shows that meet conditions, best rated first."""
        wanted = select(FIELDS.c.id).select_from(sql.SOURCE).where(*conditions).order_by(*best_first())
        return [row.id for row in self._rows(wanted)]

    def verdicts(self, condition: Expression, filters: Sequence[Expression]) -> list[tuple[str, bool | None]]:
        """Return the shows that meet a condition or leave it undecided, best rated first."""
        verdict = condition.label("verdict")
        wanted = select(FIELDS.c.id, verdict).select_from(sql.SOURCE).where(*filters)
        wanted = wanted.where(sql.any_of((condition, condition.is_(None)))).order_by(*best_first())
        return [(row.id, row.verdict) for row in self._rows(wanted)]

    def exists(self, *conditions: Expression) -> bool:
        """Return whether a show meets conditions."""
        return bool(self._rows(select(FIELDS.c.number).select_from(sql.SOURCE).where(*conditions).limit(1)))

    def shows(self, ids: Sequence[str]) -> list[Show]:
        """Return shows without their sources' records, in the order of `ids`; of a description, only its beginning."""
        read: dict[str, Show] = {}
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            rows = self._database.read_here(partial(show_fields.of_ids, ids=page))
            read |= {show.id: show for show in show_fields.shows_of(rows)}
        return [read[one] for one in ids if one in read]

    def projected(self, ids: Sequence[str], fields: Iterable[str]) -> Iterator[Show]:
        """Yield shows that have only these fields, in the order of `ids`."""
        names = list(dict.fromkeys(fields))
        columns = [FIELDS.c.id, *(sql.column(name).label(f"field_{name}") for name in names)]
        for start in range(0, len(ids), _IDS):
            page = ids[start : start + _IDS]
            rows = self._rows(select(*columns).select_from(sql.SOURCE).where(FIELDS.c.id.in_(page)))
            shown = {show.id: show for show in _shows(rows, names)}
            yield from (shown[one] for one in page if one in shown)

    def values(self, ids: Sequence[str], field: str) -> dict[str, SortKey]:
        """Return by id what orders shows by a field, as far as it is known."""
        key = sql.ranked(field).label("key")
        if 3 * len(ids) > self.count():
            wanted = set(ids)
            rows = self._rows(select(FIELDS.c.id, key).select_from(sql.SOURCE).where(sql.ranked(field).is_not(None)))
            return {row.id: row.key for row in rows if row.id in wanted}
        pages = (ids[start : start + _IDS] for start in range(0, len(ids), _IDS))
        one = select(FIELDS.c.id, key).select_from(sql.SOURCE).where(sql.ranked(field).is_not(None))
        return {row.id: row.key for page in pages for row in self._rows(one.where(FIELDS.c.id.in_(page)))}

    def votes(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the votes of shows by id; 0 if they are unknown."""
        return {show.id: show.votes or 0 for show in self.projected(list(ids), ("votes",))}

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that the catalogue has."""
        return {show.id for show in self.projected(list(ids), ())}

    def best_known(self, most: int) -> list[str]:
        """Return the ids of the shows with most votes, of equal ones the best rated first."""
        columns = FIELDS.c
        order = func.coalesce(columns.votes, 0).desc(), func.coalesce(columns.rating, 0).desc(), columns.id
        return [row.id for row in self._rows(select(columns.id).order_by(*order).limit(most))]

    def by_votes(self, *, every: int) -> list[str]:
        """Return the ids of the first and every following `every`-th show in the order of `show_fields.load`."""
        place = func.row_number().over(order_by=_votes_first()).label("place")
        ranked = select(FIELDS.c.id, place).subquery()
        wanted = select(ranked.c.id).where((ranked.c.place - 1) % every == 0).order_by(ranked.c.place)
        return [row.id for row in self._rows(wanted)]

    def listed(self) -> list[str]:
        """Return the ids of the shows in the owner's list, best rated first."""
        own = (my_list.c.status, my_list.c.score, my_list.c.episodes_watched)
        return self.ids(sql.any_of(column.is_not(None) for column in own))

    def completed(self) -> frozenset[str]:
        """Return the ids of the shows that the owner has completed."""
        wanted = select(FIELDS.c.id).join(my_list, my_list.c.show_id == FIELDS.c.id)
        return frozenset(row.id for row in self._rows(wanted.where(my_list.c.status == "completed")))

    def span(self, name: str) -> tuple[object, object] | None:
        """Return the lowest and the highest known value of a number; None if no show has one."""
        least, most = (way(sql.known(name)) for way in (func.min, func.max))
        [row] = self._rows(select(least.label("least"), most.label("most")).select_from(FIELDS))
        return None if row.least is None else (row.least, row.most)

    def titles(self, *conditions: Expression) -> list[tuple[str, str]]:
        """Return (id, folded titles) of shows, best rated first."""
        wanted = select(FIELDS.c.id, FIELDS.c.words).where(*conditions).order_by(*best_first())
        return [(row.id, row.words) for row in self._rows(wanted)]

    def similar_lists(self, show_id: str) -> list[tuple[str, list[str]]]:
        """Return the shows that list one as similar, best rated first, each with its list of ids."""
        wanted = select(FIELDS.c.id, FIELDS.c.similar_ids).where(sql.has_value("similar_ids", show_id))
        return [(row.id, row.similar_ids.strip(MARK).split(MARK)) for row in self._rows(wanted.order_by(*best_first()))]

    def titles_and_relations(self, ids: Iterable[str] | None = None) -> Iterator[Show]:
        """Yield shows, or all of them, with only ids, titles and relations."""
        wanted = select(shows.c.number, shows.c.id, shows.c.title, shows.c.relations)
        wanted = wanted.join(FIELDS, FIELDS.c.number == shows.c.number)
        some = (self._rows(wanted.where(shows.c.id.in_(part))) for part in chunks(ids or ()))
        for page in some if ids is not None else self._pages(wanted, shows.c.number):
            for row in page:
                relations = tuple(RelatedShow(**item) for item in row.relations)
                yield Show(id=row.id, title=row.title, relations=relations)

    def franchise_rows(self, ids: Iterable[str]) -> Rows:
        """Return (id, seasons, franchise, before) of shows, in an arbitrary order."""
        listed, rows = list(ids), []
        wanted = select(FIELDS.c.id, FRANCHISES.c.seasons, FRANCHISES.c.franchise, FRANCHISES.c.before)
        wanted = wanted.join(FRANCHISES, FRANCHISES.c.number == FIELDS.c.number)
        for start in range(0, len(listed), _IDS):
            rows += self._rows(wanted.where(FIELDS.c.id.in_(listed[start : start + _IDS])))
        return rows

    def hashes(self, ids: Sequence[str]) -> Rows:
        """Return (number, id, content_hash) of up to a few thousand shows."""
        return self._rows(select(FIELDS.c.number, FIELDS.c.id, FIELDS.c.content_hash).where(FIELDS.c.id.in_(ids)))

    def franchise_of(self, show_id: str) -> Rows:
        """Return (id, guessed) of the shows of one's franchise, by id."""
        own = select(FRANCHISES.c.root).join(FIELDS, FIELDS.c.number == FRANCHISES.c.number)
        root = own.where(FIELDS.c.id == show_id).scalar_subquery()
        joined = select(FIELDS.c.id, FRANCHISES.c.guessed).join(FRANCHISES, FRANCHISES.c.number == FIELDS.c.number)
        return self._rows(joined.where(FRANCHISES.c.root == root).order_by(FIELDS.c.id))

    def franchise_roots(self) -> list[str]:
        """Return the smallest id of each franchise with several shows or a relation, in order."""
        several = (func.count() > 1, func.max(sql.one_if(FRANCHISES.c.linked)) > 0)
        return [
            row.root
            for row in self._rows(
                select(FRANCHISES.c.root)
                .group_by(FRANCHISES.c.root)
                .having(sql.any_of(several))
                .order_by(FRANCHISES.c.root)
            )
        ]

    def _pages(self, wanted: Statement, number: Value) -> Iterator[Rows]:
        after = -1
        while page := self._rows(wanted.where(number > after).order_by(number).limit(_IDS)):
            yield page
            after = page[-1].number

    def _rows(self, wanted: Statement) -> Rows:
        def read(connection: Connection) -> Rows:
            return list(connection.execute(wanted))

        return self._database.read_here(read)

    def _scalar(self, wanted: Statement) -> Any:
        return self._database.read_here(lambda connection: connection.scalar(wanted))


def _votes_first() -> tuple[Value, ...]:
    return func.coalesce(FIELDS.c.votes, 0).desc(), FIELDS.c.id


def _shows(rows: Sequence[TableRow], names: Sequence[str]) -> Iterator[Show]:
    """Yield shows from rows of (id, and the fields of these names)."""
    for row in rows:
        values = tuple(row)
        fields = {
            name: tuple(json.loads(value)) if name in _JSON else value
            for name, value in zip(names, values[1:], strict=True)
        }
        yield Show(**{"id": values[0], "title": "", **fields})
