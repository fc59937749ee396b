"""Which franchises of a large catalogue a change of shows can affect.

A franchise changes with the shows in it, with a relation from or to a changed show, and with titles that extend the
title of a changed show: these begin with the same word. So it is enough to read the shows with such a link, and their
franchises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.discovery.franchise_groups import beginning_of, joined_to

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.discovery.franchise_groups import FranchiseGroups
    from animerag.storage.field_reads import FieldReader
    from animerag.storage.franchise_tables import FranchiseTables, GroupedShow

_MOST = 500  # changed shows; after a larger change, reading all shows is faster


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedShows:
    """The shows whose franchise may have changed, the franchises that have lost a show, and the shows to read."""

    shows: Sequence[GroupedShow]
    roots: AbstractSet[str]
    read: Collection[str]


def affected(links: FranchiseTables, reader: FieldReader) -> AffectedShows | None:
    """Return the shows that the latest changes can affect; None after many changes. Raises LibraryError."""
    changed = links.changed(_MOST)
    if len(changed) > _MOST:
        return None
    ids = {one.id for one in changed if one.id is not None}
    beginnings = {one.beginning for one in changed if one.beginning is not None}
    beginnings |= {beginning_of(one.title) for one in changed if one.title is not None}
    near = {*ids, *links.relating_to(ids)}
    near |= {other for show in reader.titles_and_relations(ids) for other in joined_to(show)}
    left = {one.root for one in changed if one.root is not None}
    roots = left | {one.root for one in (*links.by_id(near), *links.by_beginning(beginnings)) if one.root is not None}
    shows = {one.id: one for one in (*links.by_root(roots), *links.by_id(ids))}
    beginnings |= links.beginnings(shows)
    return AffectedShows(
        shows=list(shows.values()),
        roots=left,
        read={*shows, *(one.id for one in links.by_beginning(beginnings))},
    )


def out_of_date(groups: FranchiseGroups, shows: Iterable[GroupedShow], roots: AbstractSet[str]) -> list[str]:
    """Return the shows of all groups that a show has joined or left, or in which one has changed, group by group.

    `roots` are the smallest ids of groups, as stored, from which shows were deleted.
    """
    now = [(one, groups.groups[one.id]) for one in shows if one.id in groups.groups]
    moved = [one for one, ids in now if one.stale or one.root != ids[0]]
    left = {one.root for one in moved} | roots
    stale = {one.id for one in moved}
    affected = dict.fromkeys(ids[0] for one, ids in now if one.id in stale or one.root in left)
    return [show_id for root in affected for show_id in groups.groups[root]]
