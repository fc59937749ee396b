"""The catalogue's fields in memory. A question over 30,000 shows takes a few milliseconds."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from animerag.query.condition_sets import ConditionSets, HasTag
from animerag.query.field_index import (
    FieldIndex,
    FranchiseFacts,
    SelectedShows,
    best_first,
    folded_titles,
    main_tags,
)
from animerag.query.title_text import TitleText
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.filters import Filters, Sort
    from animerag.models.shows import Show
    from animerag.query.field_index import CompiledCondition


class FieldsInMemory(FieldIndex):
    """The fields of shows that are in memory, as read with one statement, without descriptions."""

    def __init__(self, shows: Iterable[Show], franchise_facts: Callable[[], FranchiseFacts] = FranchiseFacts) -> None:
        """`franchise_facts` is called when a question first needs its result."""
        self._franchise_facts = franchise_facts
        ranked = sorted(shows, key=best_first)
        self._shows = {show.id: show for show in ranked}
        self._tags_of = {show.id: {tag.casefold() for tag in show.tags} for show in ranked}
        self._tagged: dict[str, list[str]] = {}
        self._mainly: dict[str, list[str]] = {}
        for show in ranked:
            for tag in self._tags_of[show.id]:
                self._tagged.setdefault(tag, []).append(show.id)
            for tag in main_tags(show):
                self._mainly.setdefault(tag, []).append(show.id)
        self.tag_counts = Counter({tag: len(ids) for tag, ids in self._tagged.items()})
        self.tags = sorted(self.tag_counts, key=lambda tag: (-self.tag_counts[tag], tag))
        self.has_statuses = any(show.my_status for show in ranked)

    @cached_property
    def _franchises(self) -> FranchiseFacts:
        return self._franchise_facts()

    @cached_property
    def _titles_of(self) -> dict[str, str]:
        return {show.id: folded_titles(show) for show in self._shows.values()}

    @cached_property
    def _title_text(self) -> TitleText:
        return TitleText(self._titles_of)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self._shows)

    @cached_property
    def _similar_to(self) -> dict[str, list[tuple[str, int]]]:
        similar: dict[str, list[tuple[str, int]]] = {}
        for show in self._shows.values():
            for rank, item in enumerate(show.similar):
                similar.setdefault(item.id, []).append((show.id, rank))
        return similar

    @cached_property
    def completed(self) -> frozenset[str]:
        """Return the ids of the shows that the owner has completed."""
        return frozenset(show.id for show in self._shows.values() if show.my_status == "completed")

    def __len__(self) -> int:
        return len(self._shows)

    def show(self, show_id: str) -> Show | None:
        """Return a show without its source's record, or None."""
        return self._shows.get(show_id)

    def shows(self) -> Collection[Show]:
        """Return all shows, best rated first."""
        return self._shows.values()

    def ids(self) -> Sequence[str]:
        """Return the ids of all shows, best rated first."""
        return list(self._shows)

    def projected(self, ids: Sequence[str], fields: Collection[str]) -> Iterator[Show]:  # noqa: ARG002 - whole shows
        """Yield the shows, in the order of `ids`."""
        return (self._shows[one] for one in ids if one in self._shows)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that the catalogue has."""
        return {one for one in ids if one in self._shows}

    def votes_of(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the votes of shows by id; 0 if they are unknown."""
        return {show.id: show.votes or 0 for show in self.shows_of(ids)}

    def best_known(self, most: int) -> list[Show]:
        """Return the shows with most votes, of equal ones the best rated first."""
        return sorted(self._shows.values(), key=lambda show: (-(show.votes or 0), -(show.rating or 0), show.id))[:most]

    def listed(self) -> list[Show]:
        """Return the shows with a status, a score or progress in the owner's list, best rated first."""
        none = (None, None, None)
        return [s for s in self._shows.values() if (s.my_status, s.my_score, s.episodes_watched) != none]

    def select(self, condition: CompiledCondition, filters: Filters) -> SelectedShows:
        """Return the shows that meet a condition and `filters`."""
        candidates = frozenset(show.id for show in self._rarest_of(filters)) if filters else self._all
        met, undecided = ConditionSets(self._shows, condition.test).decided(condition.condition, candidates)
        return SelectedShows(met=self._best_first(met), undecided=self._best_first(undecided))

    def _best_first(self, ids: AbstractSet[str]) -> list[str]:
        return [one for one in self._shows if one in ids] if ids else []

    def _rarest_of(self, filters: Filters) -> Iterable[Show]:
        """Return the shows that meet the filters."""
        ids: Collection[str] = self._shows
        for tag in filters.tags:  # the rarest tag leaves the fewest shows to check
            ids = min(ids, self._tagged.get(tag.casefold(), []), key=len)
        tests = self._tests(filters)
        return (show for one in ids if all(test(show := self._shows[one]) for test in tests))

    def filter_ids(self, ids: Iterable[str], filters: Filters) -> list[str]:
        """Return the ids that meet the filters, in the given order."""
        tests = self._tests(filters)
        return [show_id for show_id in ids if all(test(self._shows[show_id]) for test in tests)]

    def tagged(self, tag: str, *, mainly: bool = False) -> Sequence[str]:
        """Return the ids of shows with a tag in lower case, best rated first; with `mainly`, those with a main one."""
        return (self._mainly if mainly else self._tagged).get(tag, ())

    def tag_test(self, tags: Iterable[str], *, mainly: bool = False) -> Callable[[Show], bool]:
        """Return a test of whether a show has one of these tags, in lower case."""
        return HasTag([self.tagged(tag, mainly=mainly) for tag in tags])

    def called_similar(self, show_id: str) -> Sequence[tuple[str, int]]:
        """Return the shows that list this one as similar, each with the rank in its list."""
        return self._similar_to.get(show_id, ())

    def span(self, name: str) -> tuple[object, object] | None:
        """Return the lowest and the highest known value of a number; None if no show has one."""
        values = [value for show in self._shows.values() if (value := getattr(show, name))]
        return (min(values), max(values)) if values else None

    def search_titles(self, letters: str) -> list[str]:
        """Return the ids of shows with these letters in a title, ignoring case and punctuation."""
        wanted = folded_words(letters)
        return list(self._title_text.ids_with(wanted)) if wanted else list(self._shows)

    def with_title(self, words: str) -> list[str]:
        """Return the ids of shows with these words in a title, best rated first."""
        return list(self._title_text.ids_with(f" {folded_words(words)} "))

    def with_words(self, words: Sequence[str], *, longer_than: int) -> list[str]:
        """Return the ids of shows with all these words, in order, in one title of more than `longer_than` words."""
        has_all = words_in_order(words, longer_than=longer_than)
        longest = max(words, key=len)  # it is in the fewest titles
        return [show_id for show_id in self._title_text.ids_with(longest) if has_all(self._titles_of[show_id])]

    def titled(self, words: str) -> bool:
        """Return whether any title contains these words."""
        wanted = f" {folded_words(words)} "
        return bool(wanted.strip()) and wanted in self._title_text

    def seasons_of(self, show_id: str) -> int | None:
        """Return the number of seasons of a series, at its first season; None for other shows."""
        return self._franchises.seasons.get(show_id)

    def franchise_of(self, show_id: str) -> str | None:
        """Return the name of a show's franchise; None if the show is the only one in it."""
        return self._franchises.franchise.get(show_id)

    def ordered(self, ids: Sequence[str], sort: Sort) -> list[str]:
        """Return the ids in an order, without those whose field is unknown; years are compared by known dates."""
        known = [(key, show.id) for show in self.shows_of(ids) if (key := self.rank(show, sort.field))]
        return [show_id for _, show_id in sorted(known, key=lambda pair: pair[0], reverse=sort.descending)]

    def _folded_tags(self, show: Show) -> set[str]:
        return self._tags_of[show.id]

    def _folded_titles(self, show: Show) -> str:
        return self._titles_of[show.id]


def words_in_order(words: Sequence[str], *, longer_than: int) -> Callable[[str], bool]:
    """Return a test of folded titles: whether one of more than `longer_than` words has all these words in order."""
    in_order = re.compile(r"\b.*?\b".join(rf"\b{re.escape(word)}" for word in words) + r"\b")

    def has_all(titles: str) -> bool:
        return all(word in titles for word in words) and any(
            in_order.search(title) and len(title.split()) > longer_than for title in titles.split("|")
        )

    return has_all
