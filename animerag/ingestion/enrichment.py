"""Enriches stored shows from a reference file, such as a database of all anime; adds no shows.

A row matches a show that alone has the same id or title. Only missing fields are filled: nothing is overwritten, and
embedded texts do not change.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.ingestion.entity_resolution import IdPlan, split_id
from animerag.ingestion.fingerprints import fingerprint
from animerag.query.title_spellings import base
from animerag.storage import provenance
from animerag.text.subtitles import SUBTITLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from animerag.ingestion.fingerprints import FileIds
    from animerag.models.json_types import JsonObject
    from animerag.models.shows import RelatedShow, Show, StoredShow
    from animerag.storage.library import Library

_APART = 1  # years between two records of one show, at most
_FIELDS = (
    *("year", "end_year", "episodes", "air_date", "end_date", "season", "airing", "restricted", "source", "duration"),
    "studios",
)
_FOLLOWS = {"sequel": "Sequel", "prequel": "Prequel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEntry:
    """A row of a reference file, for naming relations."""

    title: str
    year: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePlan(IdPlan):
    """The show that each row of a reference file matches; `entries` are all rows, for naming relations."""

    entries: Mapping[str, NamedEntry]

    def name(self, show: Show) -> Show:
        """Return a row with its show's id in the catalogue and named relations."""
        relations = tuple(replace(item, id=self.id_of(item.id)) for item in _named(show, self.entries))
        origin = show.origin and replace(show.origin, source_id=show.id, reference=True)
        return replace(show, id=self.id_of(show.id), relations=relations, similar=(), origin=origin)


async def plan(library: Library, seen: FileIds, entries: Mapping[str, NamedEntry]) -> ReferencePlan:
    """Decide which show each row of a reference file matches. Raises LibraryError."""
    stored = await provenance.stored(library)
    by_key: dict[int, list[str]] = defaultdict(list)
    mains: dict[str, int] = {}
    for show_id, show in stored.items():
        known = fingerprint(show.title, show.titles, "")
        mains[show_id] = hash_of(show.title)
        for key in known.keys:
            by_key[key].append(show_id)
    matches: dict[str, str] = {}
    for given in seen.last:
        match = _match(seen, given, entries, stored, by_key)
        if match is not None:
            matches[given] = match
    renamed = _one_each(matches, entries, mains)
    unmatched = frozenset(seen.last.keys() - renamed.keys())
    return ReferencePlan(
        prefix="",
        explanation=f"A reference file: it describes {len(renamed):,} of your {len(stored):,} shows, and adds none.",
        prefixes={},
        renamed=renamed,
        refused={},
        unmatched=unmatched,
        entries=entries,
    )


def enriched(stored: Show, reference: Show) -> Show:
    """Return a stored show with its missing fields filled from a reference."""
    fields: JsonObject = {name: getattr(reference, name) for name in _FIELDS if getattr(stored, name) in (None, (), 0)}
    if reference.type is not None and (stored.type is None or (stored.type_inferred and not reference.type_inferred)):
        fields |= {"type": reference.type, "type_inferred": reference.type_inferred}
    relations = _relations(stored, reference.relations)
    return replace(stored, relations=relations, origin=reference.origin, **fields)


def hash_of(title: str) -> int:
    """Return the hash by which a main title is recognised."""
    return fingerprint(title, (), "").keys[0]


def _match(
    seen: FileIds,
    given: str,
    entries: Mapping[str, NamedEntry],
    stored: Mapping[str, StoredShow],
    by_key: Mapping[int, list[str]],
) -> str | None:
    """Return the only show that a row may match: it shares a title, and its year does not differ."""
    known = seen.of(given)
    candidates = {show_id for key in known.keys for show_id in by_key.get(key, ())}
    if given in stored and fingerprint(stored[given].title, stored[given].titles, "").is_like(known):
        candidates = {given}
    year = entries[given].year
    near = [one for one in candidates if not year or not (own := stored[one].year) or abs(own - year) <= _APART]
    return near[0] if len(near) == 1 else None


def _one_each(
    matches: Mapping[str, str], entries: Mapping[str, NamedEntry], mains: Mapping[str, int]
) -> dict[str, str]:
    """Return one row per show: of several, the only one with its main title, otherwise none."""
    rows: dict[str, list[str]] = defaultdict(list)
    for given, show_id in matches.items():
        rows[show_id].append(given)
    chosen = {}
    for show_id, given_ids in rows.items():
        same = [given for given in given_ids if hash_of(entries[given].title) == mains[show_id]]
        best = same if len(given_ids) > 1 else given_ids
        if len(best) == 1:
            chosen[best[0]] = show_id
    return chosen


def _named(reference: Show, entries: Mapping[str, NamedEntry]) -> Iterator[RelatedShow]:
    """Yield the relations of a row with titles, and with their kind if titles and years determine it."""
    own = _words(reference.title)
    for item in reference.relations:
        entry = entries.get(item.id)
        if entry is None:
            if item.title and item.title != item.id:
                yield item
            continue
        kind = _FOLLOWS.get(item.kind.casefold(), item.kind)
        if kind == "related" and own and _words(entry.title) == own and entry.year and reference.year:
            kind = "Sequel" if entry.year > reference.year else "Prequel" if entry.year < reference.year else kind
        yield replace(item, title=entry.title, year=entry.year, kind=kind)


def _words(title: str) -> tuple[str, ...]:
    """Return the words of a title without seasons and numbers; subtitles count, so that a spin-off is not a sequel."""
    return base(SUBTITLE.sub(" ", title))


def _relations(stored: Show, added: Iterable[RelatedShow]) -> tuple[RelatedShow, ...]:
    """Return a show's own relations, with missing titles added, and then the relations that it lacks."""
    own = list(stored.relations)
    known = {item.id for item in own} | {stored.id}
    titles = {item.title.casefold() for item in own if item.title}
    for item in added:
        if item.id in known or item.title.casefold() in titles:
            continue
        nameless = [place for place, one in enumerate(own) if not one.title and one.kind == item.kind]
        if len(nameless) == 1 and split_id(own[nameless[0]].id)[0] != split_id(item.id)[0]:
            place = nameless[0]
            own[place] = replace(own[place], title=item.title, year=own[place].year or item.year)
        else:
            own.append(item)
        known.add(item.id)
        titles.add(item.title.casefold())
    return tuple(own)
