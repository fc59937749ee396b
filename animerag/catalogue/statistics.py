"""Computes the figures and open problems of the collection, the same for Home and `animerag stats`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from animerag.models.jobs import INGEST_JOB
from animerag.storage import statistics as sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.catalogue.duplicates import SameShows
    from animerag.catalogue.status import Catalogue, Status
    from animerag.storage.library import Library

MOST_TAGS = 20
MOST_PAIRS = 200  # pairs that may be one show; more of them are not counted
NO_STATUS = "none"
_BEGUN = ("watching", "on_hold", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFigure:
    """A tag, its number of shows, and its total weight; a missing weight counts as 1."""

    tag: str
    shows: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFigure:
    """Shows with one whole score, 8 for 8 to 8.99: the mean of the owner's scores and of the ratings."""

    score: int
    shows: int
    mine: float
    crowd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionStatistics:
    """Figures of the whole catalogue.

    `hours` adds up the `timed` shows, whose length is known. `ratings` counts shows by whole rating. `seen` shows were
    completed, `begun` ones are being watched, on hold or dropped, `unseen` are all others. `years` counts shows by year
    and type ("" where no type is recorded), `decades` by decade and status ("none" without one).
    """

    shows: int
    films: int
    episodes: int
    hours: float
    timed: int
    median_rating: float | None
    ratings: Mapping[int, int]
    seen: int
    begun: int
    unseen: int
    listed: int
    missing_sequels: int
    without_description: int
    years: Mapping[int, Mapping[str, int]]
    tags: Sequence[TagFigure]
    scores: Sequence[ScoreFigure]
    decades: Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Counts of what needs the owner's attention; `not_indexed` is None while it is unknown.

    `duplicates` stops at `MOST_PAIRS`; `skipped_rows` are those of the last import.
    """

    duplicates: int
    without_description: int
    missing_sequels: int
    not_indexed: int | None
    skipped_rows: int


class Statistics:
    """Computes statistics in SQL, once for each revision of the catalogue."""

    def __init__(self, library: Library, catalogue: Catalogue, same_shows: SameShows) -> None:
        self._library = library
        self._catalogue = catalogue
        self._same_shows = same_shows
        self._figures: tuple[int, CollectionStatistics] | None = None
        self._pairs: tuple[int, int] | None = None

    async def collection(self) -> CollectionStatistics:
        """Return the statistics of the current catalogue. Raises LibraryError."""
        revision = await self._library.revision()
        if self._figures is None or self._figures[0] != revision:
            self._figures = (revision, await self._computed())
        return self._figures[1]

    async def attention(self) -> Attention:
        """Count what needs attention. Raises LibraryError."""
        figures, status, duplicates, skipped = await asyncio.gather(
            self.collection(), self._catalogue.status(), self.duplicates(), self.skipped_rows()
        )
        return attention_of(figures, status, duplicates=duplicates, skipped_rows=skipped)

    async def duplicates(self) -> int:
        """Count the pairs that are probably the same show, `MOST_PAIRS` at most. Raises LibraryError."""
        revision = await self._library.revision()
        if self._pairs is None or self._pairs[0] != revision:
            self._pairs = (revision, len(await self._same_shows.pairs(limit=MOST_PAIRS)))
        return self._pairs[1]

    async def skipped_rows(self) -> int:
        """Count the rows that the last import has skipped. Raises LibraryError."""
        return await self._library.read(partial(sql.skipped_rows, kind=INGEST_JOB))

    async def _computed(self) -> CollectionStatistics:
        read = self._library.read
        totals, (ratings, median), tags, (statuses, scores), missing, stubs = await asyncio.gather(
            read(sql.totals),
            read(sql.ratings),
            read(partial(sql.tags, most=MOST_TAGS)),
            read(sql.my_list),
            read(sql.missing_sequels),
            read(sql.without_description),
        )
        shows = sum(row.shows for row in totals)
        by_status: dict[str, int] = defaultdict(int)
        for _, status, number in statuses:
            by_status[status] += number
        begun = sum(by_status[status] for status in _BEGUN)
        return CollectionStatistics(
            shows=shows,
            films=sum(row.shows for row in totals if row.type == "movie"),
            episodes=sum(row.episodes for row in totals),
            hours=round(sum(row.minutes for row in totals) / 60, 1),
            timed=sum(row.timed for row in totals),
            median_rating=None if median is None else round(median, 2),
            ratings=ratings,
            seen=by_status["completed"],
            begun=begun,
            unseen=shows - by_status["completed"] - begun,
            listed=sum(by_status.values()),
            missing_sequels=missing,
            without_description=stubs,
            years=_years(totals),
            tags=[TagFigure(tag=tag, shows=count, weight=round(weight, 2)) for tag, count, weight in tags],
            scores=[
                ScoreFigure(score=score, shows=count, mine=round(mine, 2), crowd=round(crowd, 2))
                for score, count, mine, crowd in scores
            ],
            decades=_decades(totals, statuses),
        )


def attention_of(figures: CollectionStatistics, status: Status, *, duplicates: int, skipped_rows: int) -> Attention:
    """Return what needs attention according to counts that are at hand."""
    return Attention(
        duplicates=duplicates,
        without_description=figures.without_description,
        missing_sequels=figures.missing_sequels,
        not_indexed=None if status.indexed is None else status.not_indexed,
        skipped_rows=skipped_rows,
    )


def as_json(figures: CollectionStatistics, attention: Attention) -> dict[str, object]:
    """Return what `animerag stats --json` prints."""
    return {**asdict(figures), "attention": asdict(attention)}


def _years(totals: Sequence[sql.YearTotals]) -> dict[int, dict[str, int]]:
    years: dict[int, dict[str, int]] = defaultdict(dict)
    for row in totals:
        if row.year:
            years[row.year][row.type or ""] = row.shows
    return dict(sorted(years.items()))


def _decades(
    totals: Sequence[sql.YearTotals], statuses: Sequence[tuple[int | None, str, int]]
) -> dict[int, dict[str, int]]:
    decades: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in totals:
        if row.year:
            decades[row.year // 10 * 10][NO_STATUS] += row.shows
    for decade, status, number in statuses:
        if decade:
            decades[decade][status] += number
            decades[decade][NO_STATUS] -= number
    return {decade: {name: count for name, count in row.items() if count} for decade, row in sorted(decades.items())}
