"""The catalogue's fields in memory: selects and orders shows, and has the names of tags.

They are read with one statement, without descriptions; a question over 30,000 shows takes a few milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animerag.models.filters import RESTRICTED_LABELS
from animerag.query.whole_titles import MOST_SHOWS, WholeTitles
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from animerag.models.filters import Filters, Sort
    from animerag.models.shows import Show


IS_FROM = 0.5  # weight from which a tag counts as a main one: AniDB's three of six stars


@dataclass(frozen=True, slots=True, kw_only=True)
class FranchiseFacts:
    """Facts about franchises by show id.

    `seasons` is the number of seasons of a series, at the id of its first season; `franchise` is the name of the
    franchise of every show that is not the only one in it.
    """

    seasons: Mapping[str, int] = field(default_factory=dict)
    franchise: Mapping[str, str] = field(default_factory=dict)


class FieldIndex:
    """The fields of every show by id, and the vocabulary that questions may use for them."""

    def __init__(self, shows: Iterable[Show], franchise_facts: Callable[[], FranchiseFacts] = FranchiseFacts) -> None:
        """`franchise_facts` is called when a question first needs its result."""
        self._franchise_facts = franchise_facts
        best_first = sorted(shows, key=_best_first)
        self._shows = {show.id: show for show in best_first}
        self.votes = {show.id: show.votes or 0 for show in best_first}
        counted = Counter(tag.casefold() for show in self._shows.values() for tag in show.tags)
        self._tags_of = {show.id: {tag.casefold() for tag in show.tags} for show in self._shows.values()}
        self._tagged: dict[str, list[Show]] = {}
        self._mainly: dict[str, list[Show]] = {}
        for show in best_first:
            weights = {tag.casefold(): weight for tag, weight in show.tag_weights.items()}
            for tag in self._tags_of[show.id]:
                self._tagged.setdefault(tag, []).append(show)
                if weights.get(tag, 1.0) >= IS_FROM:
                    self._mainly.setdefault(tag, []).append(show)
        self.tags = [tag for tag, _ in counted.most_common()]
        self.has_statuses = any(show.my_status for show in self._shows.values())
        self.tag_counts: Mapping[str, int] = counted

    @cached_property
    def franchises(self) -> FranchiseFacts:
        """Return the franchises and season counts of the shows."""
        return self._franchise_facts()

    @cached_property
    def _titles_of(self) -> dict[str, str]:
        return {
            show.id: " ".join(f" {folded_words(title)} |" for title in (show.title, *show.titles))
            for show in self._shows.values()
        }

    @cached_property
    def whole_titles(self) -> WholeTitles:
        """Return all titles in order; none of a catalogue with more shows than can be prepared at once."""
        return WholeTitles(self._shows.values() if len(self._shows) <= MOST_SHOWS else ())

    @cached_property
    def _similar_to(self) -> dict[str, list[tuple[str, int]]]:
        similar: dict[str, list[tuple[str, int]]] = {}
        for show in self._shows.values():
            for rank, item in enumerate(show.similar):
                similar.setdefault(item.id, []).append((show.id, rank))
        return similar

    def __len__(self) -> int:
        return len(self._shows)

    def show(self, show_id: str) -> Show | None:
        """Return a show without its source's record, or None."""
        return self._shows.get(show_id)

    def title_of(self, show_id: str) -> str:
        """Return the main title of a show, or its id if the catalogue does not have the show."""
        show = self._shows.get(show_id)
        return show.title if show else show_id

    def shows(self) -> Iterable[Show]:
        """Return all shows, without their sources' records."""
        return self._shows.values()

    def search_titles(self, letters: str) -> list[str]:
        """Return the ids of shows with these letters in a title, ignoring case and punctuation."""
        wanted = folded_words(letters)
        return [show.id for show in self._shows.values() if not wanted or wanted in self._titles_of[show.id]]

    def matching(self, filters: Filters) -> list[str]:
        """Return the ids of all shows that meet the filters, best rated first."""
        tests = self._tests(filters)
        shows: Collection[Show] = self._shows.values()
        for tag in filters.tags:  # the rarest tag leaves the fewest shows to check
            shows = min(shows, self._tagged.get(tag.casefold(), []), key=len)
        return [show.id for show in shows if all(test(show) for test in tests)]

    def filter_ids(self, ids: Iterable[str], filters: Filters) -> list[str]:
        """Return the ids that meet the filters, in the given order."""
        tests = self._tests(filters)
        return [show_id for show_id in ids if all(test(self._shows[show_id]) for test in tests)]

    def allows(self, show_id: str, filters: Filters) -> bool:
        """Return whether the catalogue has a show with this id that meets the filters."""
        show = self._shows.get(show_id)
        return show is not None and (not filters or self.meets(show, filters))

    def meets(self, show: Show, filters: Filters) -> bool:
        """Return whether a show meets every condition; an unknown field meets none."""
        return all(test(show) for test in self._tests(filters))

    def _tests(self, filters: Filters) -> list[Callable[[Show], bool]]:
        """Return a test for each condition that is set; most questions set one, for thousands of shows."""
        tests: list[Callable[[Show], bool]] = []
        for name in ("year", "episodes", "rating", "votes"):
            low, high = getattr(filters, f"{name}_from"), getattr(filters, f"{name}_to")
            if low is not None or high is not None:
                tests.append(partial(_bounded, attrgetter(name), low, high))
        wanted, without = (frozenset(tag.casefold() for tag in some) for some in (filters.tags, filters.without_tags))
        if wanted:
            tests.append(lambda show: wanted <= self._tags_of[show.id])
        if without:
            tests.append(lambda show: without.isdisjoint(self._tags_of[show.id]))
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
            tests.append(lambda show: words in self._titles_of[show.id])
        return tests

    def ordered(self, ids: Iterable[str], sort: Sort) -> list[str]:
        """Return the ids in an order, without those whose field is unknown; years are compared by known dates."""
        known = [(key, show_id) for show_id in ids if (key := self._rank(show_id, sort.field))]
        return [show_id for _, show_id in sorted(known, key=lambda pair: pair[0], reverse=sort.descending)]

    def _rank(self, show_id: str, field: str) -> Any:
        show = self._shows[show_id]
        if field == "year" and show.year:
            return show.air_date if show.air_date and show.air_date.startswith(str(show.year)) else str(show.year)
        return self.value(show_id, field)

    def value(self, show_id: str, field: str) -> Any:
        """Return a field of a show, tags and relations as text; None if it is unknown."""
        show = self._shows[show_id]
        if field == "tags":
            return ", ".join(show.tags) or None
        if field == "relations":
            return ", ".join(f"{item.kind}: {item.title}" for item in show.relations) or None
        if field == "seasons":
            return self.franchises.seasons.get(show_id)
        if field in ("owned_episodes", "missing_episodes"):
            return getattr(show, field)
        if field in ("audio_languages", "subtitle_languages"):
            return ", ".join(getattr(show, field)) or None
        if field == "studios":
            return ", ".join(show.studios) or None
        if field == "difference":
            return abs(show.my_score - show.rating) if show.my_score and show.rating else None
        if field == "titles":
            return " | ".join(title for title in show.titles if title != show.title) or None
        if field == "restricted":
            return None if show.restricted is None else RESTRICTED_LABELS[show.restricted]
        return getattr(show, field) or None

    def tagged(self, tag: str, *, mainly: bool = False) -> Sequence[Show]:
        """Return the shows with a tag in lower case, best rated first; with `mainly`, only those with it as a main tag.

        A tag with a low weight is not a main one; without weights, all tags are.
        """
        return (self._mainly if mainly else self._tagged).get(tag, ())

    def called_similar(self, show_id: str) -> Sequence[tuple[str, int]]:
        """Return the shows that list this one as similar, each with the rank in its list."""
        return self._similar_to.get(show_id, ())

    def has_title(self, show_id: str, words: str) -> bool:
        """Return whether a title of a show contains these words."""
        return f" {folded_words(words)} " in self._titles_of[show_id]

    def first(self, ids: Sequence[str], limit: int, field: str) -> list[str]:
        """Return the first of the ordered ids, including ties with the last one."""
        if len(ids) <= limit:
            return list(ids)
        last = self._rank(ids[limit - 1], field)
        tied = (show_id for show_id in ids[limit:] if self._rank(show_id, field) == last)
        return [*ids[:limit], *tied]

    def with_words(self, words: Sequence[str], *, longer_than: int) -> list[str]:
        """Return the ids of shows with all these words, in order, in one title of more than `longer_than` words."""
        in_order = re.compile(r"\b.*?\b".join(rf"\b{re.escape(word)}" for word in words) + r"\b")
        return [
            show_id
            for show_id, titles in self._titles_of.items()
            if all(word in titles for word in words)
            and any(in_order.search(title) and len(title.split()) > longer_than for title in titles.split("|"))
        ]

    def titled(self, words: str) -> bool:
        """Return whether any title contains these words."""
        wanted = f" {folded_words(words)} "
        return bool(wanted.strip()) and any(wanted in self._titles_of[show.id] for show in self._shows.values())


def _best_first(show: Show) -> tuple[float, int, str, str]:
    return -(show.rating or 0), -(show.votes or 0), show.title, show.id


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
