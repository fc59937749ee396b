"""The fields of all shows: selects, orders and counts shows, and has the names of tags.

`FieldsInMemory` is for catalogues that fit into each process's memory; `retrieval.stored_fields` reads larger ones from
the database. Both return the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from animerag.models.filters import RESTRICTED_LABELS
from animerag.query.plan import compiled
from animerag.query.whole_titles import MOST_SHOWS, WholeTitles
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from animerag.models.filters import Filters, Sort
    from animerag.models.shows import Show
    from animerag.query.plan import Condition, Predicate, Verdict

SortKey: TypeAlias = Any  # a number or a text; of one field, all are of one type
_TIES = 500  # shows whose ranks are read together
IS_FROM = 0.5  # weight from which a tag counts as a main one: AniDB's three of six stars


@dataclass(frozen=True, slots=True, kw_only=True)
class FranchiseFacts:
    """Facts about franchises by show id.

    `seasons` is the number of seasons of a series, at the id of its first season; `franchise` is the name of the
    franchise of every show that is not the only one in it.
    """

    seasons: Mapping[str, int] = field(default_factory=dict)
    franchise: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledCondition:
    """A condition, and `test`, which returns one of its comparisons as a function of a show."""

    condition: Condition
    test: Callable[[Predicate], Verdict[Show]]

    @cached_property
    def verdict(self) -> Verdict[Show]:
        """Return the whole condition as a function of a show."""
        return compiled(self.condition, self.test)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedShows:
    """The ids of the shows that meet a condition, best rated first, and of those whose unknown values leave it open."""

    met: Sequence[str] = ()
    undecided: Sequence[str] = ()


class FieldIndex(ABC):
    """The fields of every show by id, and the vocabulary that questions may use for them.

    `tags` are in lower case, the most frequent first, `tag_counts` their numbers of shows. `has_statuses` is whether
    the owner's list has a status, `completed` are the shows that the owner has completed. An index of shows in the
    database raises LibraryError from every method, and must not be used on the event loop's thread.
    """

    tags: Sequence[str]
    tag_counts: Mapping[str, int]
    has_statuses: bool

    # Shows

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def show(self, show_id: str) -> Show | None:
        """Return a show without its source's record, or None."""

    def shows_of(self, ids: Iterable[str]) -> list[Show]:
        """Return the shows of these ids that the catalogue has, in the given order."""
        return [show for one in ids if (show := self.show(one)) is not None]

    def title_of(self, show_id: str) -> str:
        """Return the main title of a show, or its id if the catalogue does not have the show."""
        show = self.show(show_id)
        return show.title if show else show_id

    @abstractmethod
    def shows(self) -> Iterable[Show]:
        """Return all shows, best rated first, without their sources' records."""

    @abstractmethod
    def ids(self) -> Sequence[str]:
        """Return the ids of all shows, best rated first."""

    @abstractmethod
    def projected(self, ids: Sequence[str], fields: Collection[str]) -> Iterator[Show]:
        """Yield shows that have at least these fields, in the order of `ids`; other fields may be empty.

        "franchise" stands for what `franchise_of` and `seasons_of` return.
        """

    @abstractmethod
    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that the catalogue has."""

    @abstractmethod
    def votes_of(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the votes of shows by id; 0 if they are unknown."""

    @abstractmethod
    def best_known(self, most: int) -> list[Show]:
        """Return the shows with most votes, of equal ones the best rated first."""

    @abstractmethod
    def listed(self) -> list[Show]:
        """Return the shows with a status, a score or progress in the owner's list, best rated first."""

    @property
    @abstractmethod
    def completed(self) -> frozenset[str]:
        """Return the ids of the shows that the owner has completed."""

    @cached_property
    def whole_titles(self) -> WholeTitles:
        """Return all titles in order; none of a catalogue with more shows than can be prepared at once."""
        return WholeTitles(self.projected(self.ids(), ("titles",)) if len(self) <= MOST_SHOWS else ())

    # Selections

    @abstractmethod
    def select(self, condition: CompiledCondition, filters: Filters) -> SelectedShows:
        """Return the shows that meet a condition and `filters`."""

    @abstractmethod
    def filter_ids(self, ids: Iterable[str], filters: Filters) -> list[str]:
        """Return the ids that meet the filters, in the given order."""

    def allows(self, show_id: str, filters: Filters) -> bool:
        """Return whether the catalogue has a show with this id that meets the filters."""
        show = self.show(show_id)
        return show is not None and (not filters or self.meets(show, filters))

    def meets(self, show: Show, filters: Filters) -> bool:
        """Return whether a show meets every condition; an unknown field meets none."""
        return all(test(show) for test in self._tests(filters))

    @abstractmethod
    def tagged(self, tag: str, *, mainly: bool = False) -> Sequence[str]:
        """Return the ids of shows with a tag in lower case, best rated first; with `mainly`, those with a main one.

        A tag with a low weight is not a main one; without weights, all tags are.
        """

    def tag_test(self, tags: Iterable[str], *, mainly: bool = False) -> Callable[[Show], bool]:
        """Return a test of whether a show has one of these tags, in lower case."""
        wanted = frozenset(tags)
        return lambda show: not wanted.isdisjoint(main_tags(show) if mainly else self._folded_tags(show))

    @abstractmethod
    def called_similar(self, show_id: str) -> Sequence[tuple[str, int]]:
        """Return the shows that list this one as similar, each with the rank in its list."""

    @abstractmethod
    def span(self, name: str) -> tuple[object, object] | None:
        """Return the lowest and the highest known value of a number; None if no show has one."""

    # Titles

    @abstractmethod
    def search_titles(self, letters: str) -> list[str]:
        """Return the ids of shows with these letters in a title, ignoring case and punctuation."""

    @abstractmethod
    def with_title(self, words: str) -> list[str]:
        """Return the ids of shows with these words in a title, best rated first."""

    @abstractmethod
    def with_words(self, words: Sequence[str], *, longer_than: int) -> list[str]:
        """Return the ids of shows with all these words, in order, in one title of more than `longer_than` words."""

    @abstractmethod
    def titled(self, words: str) -> bool:
        """Return whether any title contains these words."""

    def has_title(self, show_id: str, words: str) -> bool:
        """Return whether a title of a show contains these words."""
        show = self.show(show_id)
        return show is not None and f" {folded_words(words)} " in self._folded_titles(show)

    # Values and orders

    @abstractmethod
    def seasons_of(self, show_id: str) -> int | None:
        """Return the number of seasons of a series, at its first season; None for other shows."""

    @abstractmethod
    def franchise_of(self, show_id: str) -> str | None:
        """Return the name of a show's franchise; None if the show is the only one in it."""

    @abstractmethod
    def ordered(self, ids: Sequence[str], sort: Sort) -> list[str]:
        """Return the ids in an order, without those whose field is unknown; years are compared by known dates."""

    def first(self, ids: Sequence[str], limit: int, field: str) -> list[str]:
        """Return the first of the ordered ids, including ties with the last one."""
        if len(ids) <= limit:
            return list(ids)
        chosen, last = list(ids[:limit]), None
        for start in range(limit - 1, len(ids), _TIES):
            for show in self.projected(ids[start : start + _TIES], rank_fields(field)):
                rank = self.rank(show, field)
                if last is None:
                    last = rank
                elif rank != last:
                    return chosen
                else:
                    chosen.append(show.id)
        return chosen

    def value(self, show_id: str, field: str) -> SortKey:
        """Return a field of a show, tags and relations as text; None if it is unknown."""
        show = self.show(show_id)
        return None if show is None else self.value_in(show, field)

    def value_in(self, show: Show, field: str) -> SortKey:
        """Return the same as `value` for a show that is at hand."""
        if field == "seasons":
            return self.seasons_of(show.id)
        return _value(show, field)

    def rank(self, show: Show, field: str) -> SortKey:
        """Return what orders shows by a field; None if it is unknown."""
        if field == "year" and show.year:
            return show.air_date if show.air_date and show.air_date.startswith(str(show.year)) else str(show.year)
        return self.value_in(show, field)

    def _folded_tags(self, show: Show) -> set[str]:
        return {tag.casefold() for tag in show.tags}

    def _folded_titles(self, show: Show) -> str:
        return folded_titles(show)

    def _tests(self, filters: Filters) -> list[Callable[[Show], bool]]:
        """Return a test for each condition that is set; most questions set one, for thousands of shows."""
        tests: list[Callable[[Show], bool]] = []
        for name in ("year", "episodes", "rating", "votes"):
            low, high = getattr(filters, f"{name}_from"), getattr(filters, f"{name}_to")
            if low is not None or high is not None:
                tests.append(partial(_bounded, attrgetter(name), low, high))
        wanted, without = (frozenset(tag.casefold() for tag in some) for some in (filters.tags, filters.without_tags))
        if wanted:
            tests.append(lambda show: wanted <= self._folded_tags(show))
        if without:
            tests.append(lambda show: without.isdisjoint(self._folded_tags(show)))
        if filters.statuses:
            tests.append(lambda show: (show.my_status or "none") in filters.statuses)
        if filters.types:
            tests.append(lambda show: show.type in filters.types)
        if filters.seasons:
            tests.append(lambda show: show.season in filters.seasons)
        if filters.aired_from or filters.aired_to:
            tests.append(partial(_aired, filters.aired_from, filters.aired_to))
        if filters.restricted is not None:
            tests.append(lambda show: show.restricted is filters.restricted)
        if filters.title:
            words = f" {folded_words(filters.title)} "
            tests.append(lambda show: words in self._folded_titles(show))
        return tests


def rank_fields(field: str) -> tuple[str, ...]:
    """Return the fields that `FieldIndex.rank` needs."""
    return _RANKED_BY.get(field, (field,))


def folded_titles(show: Show) -> str:
    """Return the words of a show's titles, folded: " one title | another |"."""
    return " ".join(f" {folded_words(title)} |" for title in (show.title, *show.titles))


def main_tags(show: Show) -> set[str]:
    """Return the tags in lower case that are main ones."""
    weights = {tag.casefold(): weight for tag, weight in show.tag_weights.items()}
    return {folded for tag in show.tags if weights.get(folded := tag.casefold(), 1.0) >= IS_FROM}


def best_first(show: Show) -> tuple[float, int, str, str]:
    """Return the key that sorts shows from the best rated."""
    return -(show.rating or 0), -(show.votes or 0), show.title, show.id


_RANKED_BY = {"year": ("year", "air_date"), "difference": ("my_score", "rating"), "seasons": ("franchise",)}


def _value(show: Show, field: str) -> SortKey:
    if field == "tags":
        return ", ".join(show.tags) or None
    if field == "relations":
        return ", ".join(f"{item.kind}: {item.title}" for item in show.relations) or None
    if field in ("owned_episodes", "missing_episodes"):
        return getattr(show, field)
    if field in ("audio_languages", "subtitle_languages", "studios"):
        return ", ".join(getattr(show, field)) or None
    if field == "difference":
        return abs(show.my_score - show.rating) if show.my_score and show.rating else None
    if field == "titles":
        return " | ".join(title for title in show.titles if title != show.title) or None
    if field == "restricted":
        return None if show.restricted is None else RESTRICTED_LABELS[show.restricted]
    return getattr(show, field) or None


def _bounded(field: Callable[[Show], float | None], low: float | None, high: float | None, show: Show) -> bool:
    value = field(show)
    # 0 is how exports say "unknown".
    return bool(value) and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]


def _aired(low: str | None, high: str | None, show: Show) -> bool:
    """Return whether a show's air date lies within the bounds, whatever day a partial date means."""
    date = show.air_date
    if not date:
        return False
    # A partial date means its first day at the lower end and its last day at the upper end.
    return (not low or _first_day(date) >= _first_day(low)) and (not high or f"{date}-99" <= f"{high}-99")


def _first_day(date: str) -> str:
    return date if len(date) == 10 else f"{date}-01" if len(date) == 7 else f"{date}-01-01"
