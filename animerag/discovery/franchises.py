"""Groups shows into franchises: their order, and the parts that are missing from the catalogue.

Relations are followed transitively. Sequels, prequels, side stories, recaps and alternative versions form a franchise;
shows that only share a setting or a character are neighbours. If a show has no relations, its titles decide: "X Season
2" and "X: The Movie" belong to X.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from animerag.discovery.franchise_groups import FranchiseGroups, continues, links_of
from animerag.discovery.story_graph import both_ways, in_order, reachable
from animerag.discovery.title_numbers import numbers_in
from animerag.query.field_index import FranchiseFacts

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping

    from animerag.models.shows import Show

Role: TypeAlias = Literal["main", "side story", "recap", "alternative version"]


_UNDATED = "9999"
_SERIES = ("tv", "web", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One show of a franchise. `of` is the show that a side story belongs to or a recap summarizes.

    `season` and `part` count the series of one line; None for films, specials and side stories.
    """

    show: Show
    role: Role = "main"
    of: str | None = None
    season: int | None = None
    part: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A related show that the catalogue lacks, or a season that is missing between the numbers of others."""

    title: str
    kind: str
    after: str  # id of the show whose relation names it
    year: int | None = None
    season: int | None = None


@dataclass(frozen=True, kw_only=True)
class Franchise:
    """Shows that belong together, in order of release; `inferred` if this follows from titles, not relations.

    `edges` are pairs of ids, the earlier part of the story first. `neighbours` are ids of shows that share a setting or
    a character.
    """

    entries: tuple[Entry, ...]
    edges: frozenset[tuple[str, str]] = frozenset()
    gaps: tuple[Gap, ...] = ()
    neighbours: tuple[str, ...] = ()
    inferred: bool = False

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of all shows in order of release."""
        return tuple(entry.show.id for entry in self.entries)

    def entry(self, show_id: str) -> Entry:
        """Return a show's entry. Raises KeyError."""
        return next(entry for entry in self.entries if entry.show.id == show_id)

    def by_story(self) -> tuple[Entry, ...]:
        """Return the entries in story order: every part after the one that it continues."""
        places = {show_id: place for place, show_id in enumerate(self.ids)}
        beside = {(entry.of, entry.show.id) for entry in self.entries if entry.of and entry.role != "main"}
        return tuple(self.entries[places[show_id]] for show_id in in_order(self.ids, {*self.edges, *beside}, places))

    def line(self, show_id: str) -> tuple[Entry, ...]:
        """Return the shows linked by sequels and prequels to a show, in order of release."""
        tied = reachable(show_id, both_ways(self.edges))
        return tuple(entry for entry in self.entries if entry.show.id in tied and entry.role == "main")

    def seasons(self, show_id: str) -> tuple[Entry, ...]:
        """Return the series of a show's line, or of the longest line if the show is not part of one."""
        for line in (self.line(show_id), *self._lines()):
            series = tuple(entry for entry in line if entry.season is not None)
            if series:
                return _part_of(series, self.entry(show_id).show.title)
        return ()

    def after(self, show_id: str) -> tuple[Entry, ...]:
        """Return the direct sequels of a show in order of release, without recaps."""
        following = {later for earlier, later in self.edges if earlier == show_id}
        return tuple(entry for entry in self.entries if entry.show.id in following and entry.role != "recap")

    def before(self, show_id: str) -> tuple[Entry, ...]:
        """Return the direct prequels of a show."""
        preceding = {earlier for earlier, later in self.edges if later == show_id}
        return tuple(entry for entry in self.entries if entry.show.id in preceding)

    def _lines(self) -> Iterator[tuple[Entry, ...]]:
        yield from sorted(map(self.line, self.ids), key=lambda line: (-len(line), [entry.show.id for entry in line]))


class Franchises:
    """The franchises of shows in memory."""

    def __init__(
        self, shows: Iterable[Show], groups: FranchiseGroups | None = None, others: Container[str] = frozenset()
    ) -> None:
        """`groups` are those of the whole catalogue if the shows are only some of it, all of each group.

        `others` contains the ids of the catalogue's other shows, at least of those that are related to these.
        """
        self._shows = {show.id: show for show in shows}
        self._links = {show.id: links_of(show) for show in self._shows.values()}
        if groups is None:
            groups = FranchiseGroups.of(self._shows.values())
        self._groups, self._guessed, self._others = groups.groups, groups.guessed, others
        self._franchises: dict[str, Franchise] = {}

    def of(self, show_id: str) -> Franchise:
        """Return a show's franchise; a show without relations is a franchise of one. Raises KeyError."""
        root = self._groups[show_id][0]
        if root not in self._franchises:
            self._franchises[root] = self._make(self._groups[show_id])
        return self._franchises[root]

    def all(self) -> Iterable[Franchise]:
        """Return all franchises with two or more shows, and those with a gap."""
        roots = sorted({self._groups[one][0] for one in self._shows if len(self._groups[one]) > 1 or self._links[one]})
        return [one for root in roots if len((one := self.of(root)).entries) > 1 or one.gaps]

    def to_see_before(self, show_id: str) -> tuple[str, ...] | None:
        """Return the shows to finish before a show; None if it is no show to begin with. Raises KeyError.

        A recap is none, and neither is a show that continues one which the catalogue lacks.
        """
        franchise = self.of(show_id)
        entry = franchise.entry(show_id)
        if entry.role == "recap":
            return None
        if entry.role != "main":
            return None if entry.of is None else (entry.of,)
        if any(gap.kind == "prequel" and gap.after == show_id for gap in franchise.gaps):
            return None
        before = franchise.before(show_id)
        if not before and (numbers_in(entry.show)[0] or 1) > 1:
            return None  # a "3rd Season" continues shows that the catalogue does not have
        return tuple(one.show.id for one in before if one.role != "recap")

    def facts(self) -> FranchiseFacts:
        """Return the facts that questions about all shows need: names of franchises, and the number of seasons."""
        seasons: dict[str, int] = {}
        names: dict[str, str] = {}
        for group in {(ids := self._groups[one])[0]: ids for one in self._shows}.values():
            if len(group) == 1:
                if _is_series(self._shows[group[0]]):
                    seasons[group[0]] = 1
                continue
            franchise = self.of(group[0])
            names |= dict.fromkeys(franchise.ids, franchise.entries[0].show.title)
            counted: set[str] = set()
            for entry in franchise.entries:
                if entry.season is None or entry.show.id in counted:
                    continue
                line = [other for other in franchise.line(entry.show.id) if other.season is not None]
                seasons[entry.show.id] = len({other.season for other in line}) or 1
                counted |= {other.show.id for other in line} | {entry.show.id}
        return FranchiseFacts(seasons=seasons, franchise=names)

    def _has(self, show_id: str) -> bool:
        """Return whether the catalogue has a show."""
        return show_id in self._shows or show_id in self._others

    def _make(self, group: Collection[str]) -> Franchise:
        ordered = sorted(group, key=lambda one: _date(self._shows[one]))
        edges = self._edges(ordered)
        places = {show_id: place for place, show_id in enumerate(ordered)}
        # A relation that contradicts the dates comes from a part that was made later, such as a film about the
        # beginning. Only story order puts that part first.
        dated = {edge for edge in edges if places[edge[0]] < places[edge[1]] or _undated(self._shows, edge)}
        ordered = in_order(ordered, dated, places)
        roles = {show_id: self._role(show_id, ordered) for show_id in ordered}
        numbers = self._numbers(ordered, edges, roles)
        entries = tuple(
            Entry(
                show=self._shows[show_id],
                role=roles[show_id][0],
                of=roles[show_id][1],
                season=numbers.get(show_id, (None, None))[0],
                part=numbers.get(show_id, (None, None))[1],
            )
            for show_id in ordered
        )
        neighbours = (
            item.id
            for one in ordered
            for item, kind in self._links[one]
            if kind == "neighbour" and item.id not in group
        )
        return Franchise(
            entries=entries,
            edges=frozenset(edges),
            gaps=tuple(self._gaps(entries)),
            neighbours=tuple(dict.fromkeys(one for one in neighbours if self._has(one))),
            inferred=any(show_id in self._guessed for show_id in ordered),
        )

    def _edges(self, ordered: list[str]) -> set[tuple[str, str]]:
        edges = set()
        for show_id in ordered:
            for item, kind in self._links[show_id]:
                if item.id in self._shows and item.id != show_id and kind in ("sequel", "prequel"):
                    edges.add((show_id, item.id) if kind == "sequel" else (item.id, show_id))
        guessed = [one for one in ordered if one in self._guessed and not self._story_links(one)]
        for show_id in guessed:
            earlier = [one for one in ordered[: ordered.index(show_id)] if self._shows[one].type in _SERIES]
            if earlier and self._shows[show_id].type in _SERIES:
                edges.add((earlier[-1], show_id))
        return edges

    def _story_links(self, show_id: str) -> bool:
        return any(kind != "neighbour" and self._has(item.id) for item, kind in self._links[show_id])

    def _role(self, show_id: str, ordered: list[str]) -> tuple[Role, str | None]:
        """Return a show's role in its franchise, and the show to which the role refers."""
        before = set(ordered[: ordered.index(show_id)])
        kinds: dict[str, str] = {}
        for item, kind in self._links[show_id]:
            if item.id in self._shows:
                kinds.setdefault(kind, item.id)
        for other in ordered:
            for item, kind in self._links[other]:
                if item.id == show_id and kind in ("side", "recap"):
                    kinds.setdefault({"side": "parent", "recap": "full"}[kind], other)
        if "full" in kinds:
            return "recap", kinds["full"]
        if "parent" in kinds and not kinds.keys() & {"sequel", "prequel"}:
            return "side story", kinds["parent"]
        version = kinds.get("version")
        if version in before and not kinds.keys() & {"sequel", "prequel"}:
            return "alternative version", version
        return "main", version if version in before else None

    def _numbers(
        self, ordered: list[str], edges: set[tuple[str, str]], roles: Mapping[str, tuple[Role, str | None]]
    ) -> dict[str, tuple[int, int | None]]:
        """Number the series of each line; "Part 2" continues the season before it."""
        numbers: dict[str, tuple[int, int | None]] = {}
        ways = both_ways(edges)
        for start in ordered:
            if start in numbers:
                continue
            tied = reachable(start, ways)
            line = [one for one in ordered if one in tied and roles[one][0] == "main" and _is_series(self._shows[one])]
            current, last_part, by_part = 0, 1, False
            for show_id in line:
                if show_id in numbers:
                    continue
                season, part = numbers_in(self._shows[show_id])
                # "Part 2" continues a season; if the first numbered part is the third, parts count the series.
                goes_on = part is not None and current > 0 and season in (None, current)
                goes_on = goes_on and (part == current if by_part else part == last_part + 1)
                base = None if goes_on else self._numbered_by_itself(show_id, season, current, line)
                if base is not None:
                    numbers[base] = 1, None
                    current = season or 2
                elif not goes_on:
                    number = season or part
                    by_part = season is None and part is not None and part > current
                    current = number if number and number > current else current + 1
                last_part = part or 1
                numbers[show_id] = current, part if goes_on and (season is not None or part != current) else None
        return numbers

    def _numbered_by_itself(self, show_id: str, season: int | None, current: int, line: list[str]) -> str | None:
        """Return the show that a "2nd Season" late in a line continues: a story within the story."""
        if season != 2 or current < season:
            return None
        title = self._shows[show_id].title
        bases = [one for one in line[1 : line.index(show_id)] if continues(title, self._shows[one].title)]
        return bases[-1] if bases else None

    def _gaps(self, entries: tuple[Entry, ...]) -> Iterator[Gap]:
        named: set[str] = set()
        for entry in entries:
            for item, kind in self._links[entry.show.id]:
                if kind in ("sequel", "prequel") and not self._has(item.id) and item.id not in named:
                    named.add(item.id)
                    yield Gap(title=item.title, kind=kind, after=entry.show.id, year=item.year)
        seasons: dict[int, str] = {}
        for entry in entries:
            if entry.season and numbers_in(entry.show)[0]:
                seasons.setdefault(entry.season, entry.show.id)
        known = {entry.season for entry in entries if entry.season}
        for number in range(2, max(seasons, default=0)):
            if number not in known and not named:
                last = max((one for one in seasons if one < number), default=min(seasons))
                yield Gap(title="", kind="season", after=seasons[last], season=number)


def _part_of(series: tuple[Entry, ...], title: str) -> tuple[Entry, ...]:
    """Return the series from a title on if others come before it in a longer story; otherwise all."""
    own = tuple(entry for entry in series if entry.show.title == title or continues(entry.show.title, title))
    begins = bool(own) and own[0].season == 1 and own[0] is not series[0]
    return own if begins and len(own) > 1 else series


def _is_series(show: Show) -> bool:
    return show.type in _SERIES and (show.episodes or 2) > 1


def _date(show: Show) -> tuple[str, str]:
    return show.air_date or (f"{show.year}-99" if show.year else _UNDATED), show.id


def _undated(shows: Mapping[str, Show], edge: tuple[str, str]) -> bool:
    return any(not (shows[one].air_date or shows[one].year) for one in edge)
