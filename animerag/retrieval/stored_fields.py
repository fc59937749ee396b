"""The fields of a large catalogue: conditions, orders and counts are SQL, and shows are read in pages.

A question gets the same answer as with `FieldsInMemory`, which takes several kilobytes of memory for each show.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from animerag.query.execution import value_of
from animerag.query.field_index import FieldIndex, SelectedShows, folded_titles, main_tags
from animerag.query.fields_in_memory import words_in_order
from animerag.retrieval.stored_conditions import expression, of_filters
from animerag.storage import field_conditions as sql
from animerag.storage.field_conditions import NotExpressibleError
from animerag.storage.field_tables import marked
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from animerag.models.filters import Filters, Sort
    from animerag.models.shows import Show
    from animerag.query.field_index import CompiledCondition
    from animerag.retrieval.stored_franchises import StoredFranchises
    from animerag.storage.field_reads import FieldReader

_REMEMBERED = 4000  # shows
_PAGE = 1000  # shows
_ANSWERED = 500  # words of titles whose search is remembered


class StoredFields(FieldIndex):
    """The fields of shows in the database; recently used shows stay in memory."""

    def __init__(self, reader: FieldReader, franchises: StoredFranchises, tag_counts: Mapping[str, int]) -> None:
        """Read fields with `reader`; `tag_counts` are the numbers of shows by tag in lower case."""
        self._reader = reader
        self._franchises = franchises
        self._number = reader.count()
        self.tag_counts = tag_counts
        self.tags = sorted(tag_counts, key=lambda tag: (-tag_counts[tag], tag))
        self.has_statuses = reader.exists(sql.negated(sql.is_one_of("my_status", ["none"])))
        self._lately: OrderedDict[str, Show] = OrderedDict()
        self._answered: OrderedDict[str, bool] = OrderedDict()
        self._completed: frozenset[str] | None = None
        self._turn = threading.Lock()

    @property
    def completed(self) -> frozenset[str]:
        """Return the ids of the shows that the owner has completed."""
        if self._completed is None:
            self._completed = self._reader.completed()
        return self._completed

    def __len__(self) -> int:
        return self._number

    def show(self, show_id: str) -> Show | None:
        """Return a show without its source's record, or None."""
        shows = self.shows_of([show_id])
        return shows[0] if shows else None

    def shows_of(self, ids: Iterable[str]) -> list[Show]:
        """Return the shows of these ids that the catalogue has, in the given order."""
        listed = list(ids)
        with self._turn:
            known = {one: self._lately[one] for one in listed if one in self._lately}
            for one in known:
                self._lately.move_to_end(one)
        known |= {show.id: show for show in self._reader.shows([one for one in listed if one not in known])}
        with self._turn:
            self._lately.update(known)
            while len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
        return [known[one] for one in listed if one in known]

    def shows(self) -> Iterator[Show]:
        """Yield all shows, best rated first."""
        yield from self._whole(self.ids())

    def ids(self) -> Sequence[str]:
        """Return the ids of all shows, best rated first."""
        return self._reader.ids()

    def projected(self, ids: Sequence[str], fields: Collection[str]) -> Iterator[Show]:
        """Yield shows that have at least these fields, in the order of `ids`."""
        names = [name for name in fields if name not in ("id", "franchise")]
        of_franchises, narrow = "franchise" in fields, sql.PROJECTED.issuperset(names)
        for start in range(0, len(ids), _PAGE * 5):
            page = ids[start : start + _PAGE * 5]
            if of_franchises:
                self._franchises.expect(page)
            yield from self._reader.projected(page, names) if narrow else self._whole(page)

    def _whole(self, ids: Sequence[str]) -> Iterator[Show]:
        for start in range(0, len(ids), _PAGE):
            yield from self._reader.shows(ids[start : start + _PAGE])

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that the catalogue has."""
        return self._reader.known(ids)

    def votes_of(self, ids: Iterable[str]) -> dict[str, int]:
        """Return the votes of shows by id; 0 if they are unknown."""
        return self._reader.votes(ids)

    def best_known(self, most: int) -> list[Show]:
        """Return the shows with most votes, of equal ones the best rated first."""
        return self._reader.shows(self._reader.best_known(most))

    def listed(self) -> list[Show]:
        """Return the shows with a status, a score or progress in the owner's list, best rated first."""
        return self._reader.shows(self._reader.listed())

    def select(self, condition: CompiledCondition, filters: Filters) -> SelectedShows:
        """Return the shows that meet a condition and `filters`; what SQL cannot express is tested show by show."""
        try:
            stated = expression(condition.condition, self)
            rows = self._reader.verdicts(stated, of_filters(filters))
        except NotExpressibleError:
            return self._tested(condition, filters)
        return SelectedShows(
            met=[show_id for show_id, verdict in rows if verdict],
            undecided=[show_id for show_id, verdict in rows if verdict is None],
        )

    def _tested(self, condition: CompiledCondition, filters: Filters) -> SelectedShows:
        met, undecided = [], []
        ids = self.ids()
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            self._franchises.expect(page)
            for show in self._reader.shows(page):
                verdict = condition.verdict(show) if self.meets(show, filters) else False
                if verdict:
                    met.append(show.id)
                elif verdict is None:
                    undecided.append(show.id)
        return SelectedShows(met=met, undecided=undecided)

    def filter_ids(self, ids: Iterable[str], filters: Filters) -> list[str]:
        """Return the ids that meet the filters, in the given order."""
        try:
            met = set(self._reader.ids(*of_filters(filters)))
        except NotExpressibleError:
            met = {show.id for show in self.shows() if self.meets(show, filters)}
        return [one for one in ids if one in met]

    def tagged(self, tag: str, *, mainly: bool = False) -> Sequence[str]:
        """Return the ids of shows with a tag in lower case, best rated first; with `mainly`, those with a main one."""
        return self._reader.ids(sql.has_value("main_tags" if mainly else "folded_tags", tag))

    def called_similar(self, show_id: str) -> Sequence[tuple[str, int]]:
        """Return the shows that list this one as similar, each with the rank in its list."""
        lists = self._reader.similar_lists(show_id)
        return [(one, rank) for one, ids in lists for rank, other in enumerate(ids) if other == show_id]

    def span(self, name: str) -> tuple[object, object] | None:
        """Return the lowest and the highest known value of a number; None if no show has one."""
        return self._reader.span(name)

    def search_titles(self, letters: str) -> list[str]:
        """Return the ids of shows with these letters in a title, ignoring case and punctuation."""
        wanted = folded_words(letters)
        return self._reader.ids(*([sql.contains("words", wanted)] if wanted else []))

    def with_title(self, words: str) -> list[str]:
        """Return the ids of shows with these words in a title, best rated first."""
        return self._reader.ids(sql.contains("words", f" {folded_words(words)} "))

    def with_words(self, words: Sequence[str], *, longer_than: int) -> list[str]:
        """Return the ids of shows with all these words, in order, in one title of more than `longer_than` words."""
        has_all = words_in_order(words, longer_than=longer_than)
        rows = self._reader.titles(*(sql.contains("words", word) for word in words))
        return [show_id for show_id, titles in rows if has_all(titles)]

    def titled(self, words: str) -> bool:
        """Return whether any title contains these words."""
        wanted = f" {folded_words(words)} "
        if not wanted.strip():
            return False
        with self._turn:
            known = self._answered.get(wanted)
        if known is None:
            known = self._reader.exists(sql.contains("words", wanted))
            with self._turn:
                self._answered[wanted] = known
                while len(self._answered) > _ANSWERED:
                    self._answered.popitem(last=False)
        return known

    def seasons_of(self, show_id: str) -> int | None:
        """Return the number of seasons of a series, at its first season; None for other shows."""
        return self._franchises.facts_of(show_id).seasons

    def franchise_of(self, show_id: str) -> str | None:
        """Return the name of a show's franchise; None if the show is the only one in it."""
        return self._franchises.facts_of(show_id).franchise

    def ordered(self, ids: Sequence[str], sort: Sort) -> list[str]:
        """Return the ids in an order, without those whose field is unknown; years are compared by known dates."""
        values = self._reader.values(ids, sort.field)
        return sorted((one for one in ids if one in values), key=values.__getitem__, reverse=sort.descending)

    def recorded(self) -> tuple[str, ...]:
        """Return the topics that the files and studios of some show record."""
        recorded = {
            "file": sql.negated(sql.is_unknown("owned_episodes")),
            "dub": sql.negated(
                sql.all_of((sql.has_no_value("audio_languages"), sql.has_no_value("subtitle_languages")))
            ),
            "picture quality": sql.negated(sql.is_unknown("resolution")),
            "studio": sql.negated(sql.has_no_value("folded_studios")),
        }
        return tuple(topic for topic, condition in recorded.items() if self._reader.exists(condition))


def row_of(show: Show) -> dict[str, object]:
    """Return the columns of a show that conditions compare."""
    kinds = sorted({item.kind.casefold() for item in show.relations})
    return {
        "height": value_of(show, "resolution"),
        "words": folded_titles(show),
        "beginnings": marked([title.casefold() for title in (show.title, show.english_title or "")]),
        "folded_tags": marked(sorted({tag.casefold() for tag in show.tags})),
        "main_tags": marked(sorted(main_tags(show))),
        "folded_studios": marked(sorted({studio.casefold() for studio in show.studios})),
        "relation_kinds": marked(kinds),
        "similar_ids": marked([item.id for item in show.similar]),
        "audio_languages": marked(show.audio_languages),
        "subtitle_languages": marked(show.subtitle_languages),
    }
