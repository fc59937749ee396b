"""Decides which show a row describes, so that ids of different sites never overwrite each other.

A file's ids are taken as the catalogue's if the titles of shared ids match; otherwise they get a prefix. A row keeps
the stored values of fields that its file leaves out.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from animerag.errors import InvalidInputError
from animerag.ingestion.fingerprints import FileIds, ShowFingerprint, fingerprint
from animerag.models.imports import ListConflict, RowError
from animerag.readers import cells
from animerag.storage import provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import RelatedShow, Show, StoredShow
    from animerag.storage.library import Library

LIST_FIELDS: tuple[Literal["my_status", "my_score", "episodes_watched"], ...] = (
    *("my_status", "my_score", "episodes_watched"),
)
SAME_SITE = 0.8  # the share of common ids whose titles must match
_FEW = 5  # with fewer common ids, the share means little, and a file of the same name is trusted
DERIVED_PREFIXES = frozenset(("title", "note"))  # prefixes of ids that are derived from a row's text
_AT_ONCE = 50  # stored shows that are decoded on the event loop in a few milliseconds
_COMPARED = 5_000  # ids that are compared with the catalogue at a time
_FILE = 40  # bits for a row's position, below those for the number of its file
# Fields that are taken from an older record where a row leaves them out, and what such a row has instead.
_COMPLETED = (
    *("tags", "description", "episodes", "year", "end_year", "rating", "votes", "relations", "similar", "air_date"),
    *("end_date", "season", "airing", "restricted", "source", "duration", "studios", "tag_weights", "owned_episodes"),
    *("missing_episodes", "audio_languages", "subtitle_languages", "resolution", "file_size", "spoiler_tags"),
)
_MISSING: tuple[object, ...] = (None, "", (), {})
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPlan:
    """How a file's ids map to the catalogue's; `explanation` is for people, `prefix` is that of ids without one."""

    prefix: str
    explanation: str
    prefixes: Mapping[str, str]  # by the prefix that the file gives
    renamed: Mapping[str, str]  # single ids, by the id that the file gives
    refused: Mapping[str, str]  # the reason, by the id that the file gives
    unmatched: frozenset[str] = frozenset()  # ids of a reference file that match no show of the catalogue

    def name(self, show: Show) -> Show | RowError:
        """Return the show with its id in the catalogue, or the reason why its row is skipped."""
        if show.id in self.refused:
            file, line = (show.origin.file, show.origin.line) if show.origin else ("", 0)
            reason, given = self.refused[show.id], cells.given(dict(show.record))
            return RowError(file=file, line=line, id=show.id, stage="validate", reason=reason, given=given)
        named = self.id_of(show.id)
        origin = replace(show.origin, source_id=self._prefixed(show.id)) if show.origin else None
        if named == show.id and not any(self.prefixes.values()):
            return replace(show, origin=origin)
        relations, similar = self._related(show.relations), self._related(show.similar)
        return replace(show, id=named, relations=relations, similar=similar, origin=origin)

    def id_of(self, given: str) -> str:
        """Return the catalogue's id for an id of the file."""
        return self.renamed.get(given) or self._prefixed(given)

    def _prefixed(self, given: str) -> str:
        own, bare = split_id(given)
        return join_id(self.prefixes.get(own, own), bare)

    def _related(self, items: Sequence[RelatedShow]) -> tuple[RelatedShow, ...]:
        return tuple(replace(item, id=self.id_of(item.id)) for item in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """The ids that a file shares with the catalogue: those whose titles match, corrections, and refused ones.

    A correction is a mismatch in a file that described the show before: it may rename its own shows.
    """

    known: int
    matching: int
    corrected: int
    refused: Mapping[str, str]

    def __add__(self, other: _Shared) -> _Shared:
        return _Shared(
            known=self.known + other.known,
            matching=self.matching + other.matching,
            corrected=self.corrected + other.corrected,
            refused={**self.refused, **other.refused},
        )

    @property
    def same_site(self) -> bool:
        """Return whether the ids mean the same shows: enough titles match, or the few mismatches are corrections."""
        matching = self.matching + (self.corrected if self.known < _FEW else 0)
        return self.known > 0 and matching >= SAME_SITE * self.known


class Identity:
    """Decides what the ids of an import's files mean, one file after another."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._files: list[FileIds] = []
        self._earlier: dict[str, int] = {}  # positions of rows in earlier files of this import, by the catalogue's id
        self._merged: dict[str, str] = {}
        self.conflicts: list[ListConflict] = []  # values of the list in rows that differ from the stored ones

    async def plan(self, seen: FileIds, *, prefix: str | None = None) -> IdPlan:
        """Decide what a file's ids mean; `prefix` is the user's choice, "" for none.

        Raises InvalidInputError for an invalid prefix, LibraryError.
        """
        if prefix and (not _PREFIX.fullmatch(prefix) or prefix in DERIVED_PREFIXES):
            raise InvalidInputError(
                f"{prefix[:40]!r} is not a valid prefix: use a lower-case letter, then letters, digits, - and _."
            )
        self._merged = await provenance.merged_ids(self._library)
        groups: dict[str, list[str]] = defaultdict(list)
        for given in seen.last:
            groups[split_id(given)[0]].append(given)
        prefixes: dict[str, str] = {}
        explanations = (
            ["The file has no IDs, so they are derived from the titles."] if groups.keys() <= DERIVED_PREFIXES else []
        )
        refused: dict[str, str] = {}
        for own, ids in groups.items():
            if own in DERIVED_PREFIXES:
                continue
            prefixes[own], sentence, clashes = await self._prefix(seen, own, ids, prefix)
            explanations.append(sentence)
            refused |= clashes
        renamed = await self._renamed(seen, prefixes)
        plan = IdPlan(
            prefix=prefixes.get("", ""),
            explanation=" ".join(explanations),
            prefixes=prefixes,
            renamed=renamed,
            refused=refused,
        )
        for given, position in seen.last.items():
            if given not in refused:
                self._earlier[plan.id_of(given)] = len(self._files) << _FILE | position
        self._files.append(seen)
        return plan

    async def complete(self, shows: Sequence[Show]) -> list[Show]:
        """Fill the fields that rows leave out with the stored values of their shows. Raises LibraryError."""
        known = await provenance.stored(self._library, [show.id for show in shows])
        files = await provenance.files_of(self._library, known)
        rows: list[Show] = []
        for start in range(0, len(shows), _AT_ONCE):
            part = shows[start : start + _AT_ONCE]
            stored = await self._library.shows([show.id for show in part if show.id in known])
            rows += [completed(show, stored.get(show.id), files.get(show.id, set())) for show in part]
            self.conflicts += [one for show in part if show.id in stored for one in conflicts(show, stored[show.id])]
        return rows

    async def _prefix(
        self, seen: FileIds, own: str, ids: list[str], wanted: str | None
    ) -> tuple[str, str, Mapping[str, str]]:
        """Return the prefix for the ids of one site in the file, an explanation, and the refused ids."""
        if wanted is not None:
            shared = await self._compare(seen, ids, wanted)
            sentence = f"get the prefix {wanted}, as you chose." if wanted else "stay as they are, as you chose."
            return wanted, f"The file's IDs {sentence}", shared.refused
        known = sorted(
            {"", own, *await provenance.prefixes(self._library), *_prefixes(self._earlier)} - DERIVED_PREFIXES
        )
        compared = {candidate: await self._compare(seen, ids, candidate) for candidate in known}
        chosen = max(known, key=lambda candidate: (compared[candidate].same_site, compared[candidate].matching))
        shared = compared[chosen]
        if shared.same_site:
            return chosen, _matching(shared, chosen), shared.refused
        shared = compared[own]
        if not shared.known:
            return own, f"The file's IDs are new to your catalogue{f' and have the prefix {own}' if own else ''}.", {}
        prefix = seen.site if seen.site and seen.site != own else _slug(seen.file)
        while prefix in known:
            prefix += "-2"
        agree = f"{shared.matching:,} of {shared.known:,} match by title"
        return (
            prefix,
            f"The file's IDs mean other shows than those in your catalogue ({agree}), so they get the prefix {prefix}.",
            {},
        )

    async def _compare(self, seen: FileIds, ids: list[str], prefix: str) -> _Shared:
        """Compare a file's ids, under a prefix, with the catalogue's."""
        shared = _Shared(known=0, matching=0, corrected=0, refused={})
        for start in range(0, len(ids), _COMPARED):
            under = {join_id(prefix, split_id(given)[1]): given for given in ids[start : start + _COMPARED]}
            stored = await self._stored(under)
            files = await provenance.files_of(self._library, {show.id for show in stored.values()})
            own = {show_id for show_id, show in stored.items() if seen.file in files.get(show.id, ())}
            earlier = {show_id: self._before(show_id) for show_id in under if show_id in self._earlier}
            shared += await asyncio.to_thread(_shared, seen, under, earlier | _fingerprints_of(stored), own)
        return shared

    def _before(self, show_id: str) -> ShowFingerprint:
        place = self._earlier[show_id]
        return self._files[place >> _FILE].at(place & ~(-1 << _FILE))

    async def _stored(self, ids: Iterable[str]) -> dict[str, StoredShow]:
        """Return the stored shows of some ids, or of the ids that they were merged into."""
        standing = {show_id: self._merged.get(show_id, show_id) for show_id in ids}
        stored = await provenance.stored(self._library, standing.values())
        return {show_id: stored[other] for show_id, other in standing.items() if other in stored}

    async def _renamed(self, seen: FileIds, prefixes: Mapping[str, str]) -> dict[str, str]:
        """Return the ids that mean another show: merged by the user, or matched by the title of a list's entry."""
        renamed = {}
        for given in seen.last:
            own, bare = split_id(given)
            named = join_id(prefixes.get(own, own), bare)
            if named in self._merged:
                renamed[given] = self._merged[named]
        if seen.overlays:
            unknown = await self._unknown(seen, prefixes, renamed)
            by_title = await self._by_title() if unknown else {}
            for given in unknown:
                keys = seen.of(given).keys
                matches = {show_id for key in keys for show_id in by_title.get(key, ())}
                if len(matches) == 1:
                    renamed[given] = matches.pop()
        return renamed

    async def _unknown(self, seen: FileIds, prefixes: Mapping[str, str], renamed: Mapping[str, str]) -> list[str]:
        named = {}
        for given in seen.overlays:
            own, bare = split_id(given)
            named[given] = renamed.get(given) or join_id(prefixes.get(own, own), bare)
        known = await provenance.stored(self._library, named.values())
        return [given for given, show_id in named.items() if show_id not in known and show_id not in self._earlier]

    async def _by_title(self) -> dict[int, list[str]]:
        stored = await asyncio.to_thread(_fingerprints_of, await provenance.stored(self._library))
        by_title: dict[int, list[str]] = defaultdict(list)
        for show_id in dict.fromkeys([*stored, *self._earlier]):
            known = self._before(show_id) if show_id in self._earlier else stored[show_id]
            for key in known.keys:
                by_title[key].append(show_id)
        return by_title


def conflicts(show: Show, stored: Show) -> Iterator[ListConflict]:
    """Yield each value of the list that a row and the catalogue both have, and that differs."""
    for field in LIST_FIELDS:
        given, own = getattr(show, field), getattr(stored, field)
        if given is not None and own is not None and given != own:
            yield ListConflict(id=stored.id, title=stored.title, field=field, stored=own, given=given)


def completed(show: Show, stored: Show | None, files: set[str]) -> Show:
    """Return a row with the stored values of fields that it leaves out, and with the titles of both.

    A row of the only file that has described the show replaces it, so that corrections can also remove values.
    """
    if stored is None:
        return show
    if show.overlay:
        return replace(with_mine(stored, show, stored), overlay=True, origin=show.origin)
    only_source = not files - {show.origin.file if show.origin else ""}
    return with_mine(show if only_source else united(show, stored), show, stored)


def joined(show: Show, earlier: Show) -> Show:
    """Merge two rows of one import: the later one wins, as a whole within a file, field by field across files."""
    if show.overlay:
        return with_mine(earlier, show, earlier)
    across = show.origin and earlier.origin and show.origin.file != earlier.origin.file
    return with_mine(united(show, earlier) if across else show, show, earlier)


def united(show: Show, older: Show) -> Show:
    """Return a show with the fields that only an older record has, and the titles of both."""
    return replace(
        show,
        **{name: getattr(older if getattr(show, name) in _MISSING else show, name) for name in _COMPLETED},
        titles=tuple(dict.fromkeys([*(show.titles or (show.title,)), *(older.titles or (older.title,))])),
        **_type_of(show, older),
    )


def _type_of(show: Show, older: Show) -> JsonObject:
    """Prefer a recorded type to an inferred one."""
    ranked = sorted((show, older), key=lambda one: (one.type is None, one.type_inferred))
    return {"type": ranked[0].type, "type_inferred": ranked[0].type_inferred}


def with_mine(show: Show, newer: Show, older: Show) -> Show:
    """Return a show with the user's status, score and progress: the newer values where they exist."""
    score, watched = newer.my_score, newer.episodes_watched
    return replace(
        show,
        my_status=newer.my_status or older.my_status,
        my_score=older.my_score if score is None else score,
        episodes_watched=older.episodes_watched if watched is None else watched,
        **(_type_of(older, newer) if newer.overlay else {}),
    )


def _fingerprints_of(stored: Mapping[str, StoredShow]) -> dict[str, ShowFingerprint]:
    return {show_id: fingerprint(show.title, show.titles, show.beginning) for show_id, show in stored.items()}


def _shared(
    seen: FileIds, under: Mapping[str, str], fingerprints: Mapping[str, ShowFingerprint], own: set[str]
) -> _Shared:
    clashes = {}
    for show_id, there in fingerprints.items():
        here = seen.of(under[show_id])
        if not there.is_like(here):
            clashes[show_id] = f"The ID {show_id} is already “{there.title}”, and this row is “{here.title}”."
    refused = {under[show_id]: sentence for show_id, sentence in clashes.items() if show_id not in own}
    return _Shared(
        known=len(fingerprints),
        matching=len(fingerprints) - len(clashes),
        corrected=len(clashes) - len(refused),
        refused=refused,
    )


def split_id(show_id: str) -> tuple[str, str]:
    """Split an id into its prefix ("" for none) and the rest."""
    prefix, colon, bare = show_id.partition(":")
    return (prefix, bare) if colon else ("", show_id)


def join_id(prefix: str, bare: str) -> str:
    """Return an id with its prefix, if there is one."""
    return f"{prefix}:{bare}" if prefix else bare


def _prefixes(ids: Iterable[str]) -> set[str]:
    return {split_id(show_id)[0] for show_id in ids}


def _slug(file: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(file.replace("\\", "/")).stem.lower()).strip("-")[:24].strip("-")
    return plain if _PREFIX.fullmatch(plain) and plain not in DERIVED_PREFIXES else f"file-{plain}".rstrip("-")


def _matching(shared: _Shared, prefix: str) -> str:
    under = f" with the prefix {prefix}" if prefix else ""
    if shared.known == shared.matching == 1:
        return f"The one ID already in your catalogue{under} matches by title."
    number = (
        f"All {shared.known:,}" if shared.matching == shared.known else f"{shared.matching:,} of the {shared.known:,}"
    )
    return f"{number} IDs already in your catalogue{under} match by title."
