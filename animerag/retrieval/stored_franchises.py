"""The franchises of a large catalogue: which shows belong together is in the database, and single ones are read."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.discovery.franchise_groups import FranchiseGroups, beginning_of, joined_to, links_of
from animerag.discovery.franchises import Franchises
from animerag.retrieval.affected_franchises import affected, out_of_date

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from animerag.discovery.franchises import Franchise
    from animerag.models.shows import Show
    from animerag.retrieval.affected_franchises import AffectedShows
    from animerag.storage.field_reads import FieldReader
    from animerag.storage.field_tables import FieldTables
    from animerag.storage.franchise_tables import FranchiseTables

_REMEMBERED, _FACTS = 1000, 12_000  # franchises, and facts of shows
_DERIVED = 1000  # shows whose franchises are derived together


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowFacts:
    """What the database stores of a show's franchise."""

    seasons: int | None = None
    franchise: str | None = None
    before: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    """Franchises of shows as rows, and by a show's number the first word of its title and the ids it is joined to."""

    rows: Sequence[Mapping[str, object]]
    links: Mapping[int, tuple[str, Collection[str]]]


class StoredFranchises:
    """The franchises of all shows in the database. Every method raises LibraryError."""

    def __init__(self, reader: FieldReader) -> None:
        """Read what `refresh` stored."""
        self._reader = reader
        self._made: OrderedDict[str, Franchise] = OrderedDict()
        self._facts: OrderedDict[str, ShowFacts] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, show_id: str) -> Franchise:
        """Return a show's franchise; a show without relations is a franchise of one. Raises KeyError."""
        with self._turn:
            if show_id in self._made:
                self._made.move_to_end(show_id)
                return self._made[show_id]
        rows = self._reader.franchise_of(show_id)
        ids = tuple(row.id for row in rows)
        if show_id not in ids:
            raise KeyError(show_id)
        groups = FranchiseGroups(groups=dict.fromkeys(ids, ids), guessed={row.id for row in rows if row.guessed})
        return self._make(self._reader.shows(ids), groups, [show_id])[0]

    def all(self) -> Iterator[Franchise]:
        """Yield all franchises with two or more shows, and those with a gap."""
        for root in self._reader.franchise_roots():
            franchise = self.of(root)
            if len(franchise.entries) > 1 or franchise.gaps:
                yield franchise

    def to_see_before(self, show_id: str) -> tuple[str, ...] | None:
        """Return the shows to finish before a show; None if it is no show to begin with."""
        return self.facts_of(show_id).before

    def facts_of(self, show_id: str) -> ShowFacts:
        """Return the facts of a show's franchise."""
        with self._turn:
            facts = self._facts.get(show_id)
        if facts is None:
            self.expect([show_id])
            with self._turn:
                facts = self._facts.get(show_id)
        return facts or ShowFacts()

    def expect(self, ids: Iterable[str]) -> None:
        """Read the facts of shows together."""
        with self._turn:
            unknown = [one for one in ids if one not in self._facts]
        facts = {
            row.id: ShowFacts(
                seasons=row.seasons,
                franchise=row.franchise,
                before=None if row.before is None else tuple(json.loads(row.before)),
            )
            for row in self._reader.franchise_rows(unknown)
        }
        with self._turn:
            self._facts.update(facts)
            while len(self._facts) > _FACTS:
                self._facts.popitem(last=False)

    def _make(self, shows: Sequence[Show], groups: FranchiseGroups, ids: Iterable[str]) -> list[Franchise]:
        franchises = _of_some(shows, groups, self._reader)
        made = [franchises.of(one) for one in ids]
        with self._turn:
            self._made.update((show_id, one) for one in made for show_id in one.ids)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return made


async def refresh(tables: FieldTables, links: FranchiseTables, reader: FieldReader, revision: int) -> str:
    """Bring fields and franchises up to date; return a token that stays the same while no show changes.

    After a change of few shows, only shows whose franchise it can affect are read. Raises LibraryError.
    """
    token = await tables.refresh()
    while (extent := await tables.out_of_date()) != "no":
        some = await asyncio.to_thread(affected, links, reader) if extent == "some" else None
        derived = _derive(some, reader) if some is not None else _derive_all(tables, links, reader)
        derivation = await derived
        async with tables.database.writing() as connection:
            if await tables.finish(connection, token, revision):
                await links.store(connection, derivation.rows, derivation.links)
                await links.remove_deleted(connection)
                break
        token = await tables.refresh()
    return token


async def _derive(some: AffectedShows, reader: FieldReader) -> Derivation:
    groups = await asyncio.to_thread(lambda: FranchiseGroups.of(reader.titles_and_relations(some.read)))
    return await asyncio.to_thread(lambda: _derived(out_of_date(groups, some.shows, some.roots), groups, reader))


async def _derive_all(tables: FieldTables, links: FranchiseTables, reader: FieldReader) -> Derivation:
    """Store all franchises that are out of date in several transactions, and return the last ones."""
    await tables.derive_all()
    groups = await asyncio.to_thread(lambda: FranchiseGroups.of(reader.titles_and_relations()))
    stale = await asyncio.to_thread(lambda: out_of_date(groups, links.all(), links.removed_roots()))
    last = len(stale) // _DERIVED * _DERIVED
    for start in range(0, last, _DERIVED):
        derivation = await asyncio.to_thread(_derived, stale[start : start + _DERIVED], groups, reader)
        async with tables.database.writing() as connection:
            await links.store(connection, derivation.rows, derivation.links)
    return await asyncio.to_thread(_derived, stale[last:], groups, reader)


def _derived(ids: Sequence[str], groups: FranchiseGroups, reader: FieldReader) -> Derivation:
    whole = list(dict.fromkeys(other for one in ids for other in groups.groups[one]))
    shows = reader.shows(whole)
    franchises = _of_some(shows, groups, reader)
    facts, by_id = franchises.facts(), {show.id: show for show in shows}
    stored = [row for row in reader.hashes(ids) if row.id in by_id]
    rows = [
        {
            "number": row.number,
            "content_hash": row.content_hash,
            "root": groups.groups[row.id][0],
            "guessed": row.id in groups.guessed,
            "linked": row.id in groups.linked,
            "seasons": facts.seasons.get(row.id),
            "franchise": facts.franchise.get(row.id),
            "before": None if (before := franchises.to_see_before(row.id)) is None else json.dumps(before),
        }
        for row in stored
    ]
    links = {row.number: (beginning_of(by_id[row.id].title), joined_to(by_id[row.id])) for row in stored}
    return Derivation(rows, links)


def _of_some(shows: Sequence[Show], groups: FranchiseGroups, reader: FieldReader) -> Franchises:
    """Return the franchises of shows, of each group all."""
    present = {show.id for show in shows}
    missing = {item.id for show in shows for item, _ in links_of(show)} - present
    others = reader.known(missing) if missing else set()
    if lost := [one for show in shows for one in groups.groups[show.id] if one not in present]:
        # Deleted meanwhile: the groups are read again when the change is noticed.
        groups = FranchiseGroups(
            groups={show.id: tuple(one for one in groups.groups[show.id] if one not in lost) for show in shows},
            guessed=groups.guessed,
        )
    return Franchises(shows, groups, others)
