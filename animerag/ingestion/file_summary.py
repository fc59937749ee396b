"""Summarises a file while it is read: counts, years, episodes, a few titles, and notes on its rows."""

from __future__ import annotations

import statistics
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.models.imports import FileReport, RowNote
from animerag.readers.columns import FIELDS
from animerag.text.counting import counted

if TYPE_CHECKING:
    from animerag.ingestion.entity_resolution import IdPlan
    from animerag.models.shows import Show
    from animerag.readers import Detection

_TITLES = 5
MOST_NOTES = 500  # maximum per import, because the report is stored with the job


@dataclass(slots=True)
class FileSummary:
    """The summary of one file; `detection` says how it is read."""

    detection: Detection
    shows: int = 0
    without_year: int = 0
    years: tuple[int, int] | None = None
    episodes: array[int] = field(default_factory=lambda: array("l"))
    titles: list[str] = field(default_factory=list)
    notes: list[RowNote] = field(default_factory=list)

    def add(self, show: Show) -> None:
        """Add a show to the summary."""
        self.shows += 1
        if show.year is None:
            self.without_year += 1
        else:
            first, last = self.years or (show.year, show.year)
            self.years = min(first, show.year), max(last, show.year)
        if show.episodes is not None:
            self.episodes.append(show.episodes)
        if len(self.titles) < _TITLES and show.title not in self.titles:
            self.titles.append(show.title)
        if show.origin is not None and len(self.notes) < MOST_NOTES:
            at = show.origin
            self.notes += [RowNote(file=at.file, line=at.line, id=show.id, note=note) for note in at.notes]

    def report(self, plan: IdPlan) -> FileReport:
        """Return the report on the file; `plan` says what its ids mean."""
        detection, eps = self.detection, self.episodes
        return FileReport(
            name=detection.name,
            format=detection.label,
            encoding=detection.encoding,
            reasons=detection.reasons,
            columns=detection.fields,
            ids=plan.explanation,
            id_prefix=plan.prefix,
            shows=self.shows,
            years=self.years,
            without_year=self.without_year,
            episodes=(min(eps), statistics.median(eps), max(eps)) if eps else None,
            titles=tuple(self.titles),
        )


def described(report: FileReport) -> list[str]:
    """Return the report on a file as sentences."""
    known = [f"{heading} → {FIELDS[field]}" for heading, field in report.columns.items() if field]
    sentences = [f"{report.format[:1].upper()}{report.format[1:]}. {' '.join(report.reasons)}"]
    if known:
        left = [heading for heading, field in report.columns.items() if not field]
        sentences.append(f"Columns: {', '.join(known)}.")
        sentences += [f"Not mapped: {', '.join(left[:12])}."] if left else []
    if report.shows:
        sentences.append(f"{counted(report.shows, 'show')}{_years(report)}{_episodes(report)}.")
        sentences.append(f"Examples: {', '.join(report.titles)}.")
    return [*sentences, report.ids] if report.ids else sentences


def _years(report: FileReport) -> str:
    if report.years is None:
        return ", none with a year"
    first, last = report.years
    unknown = f" ({report.without_year:,} without a year)" if report.without_year else ""
    return f", {first} to {last}{unknown}" if first != last else f", {first}{unknown}"


def _episodes(report: FileReport) -> str:
    if report.episodes is None:
        return ""
    fewest, median, most = report.episodes
    if fewest == most:
        return f", {counted(most, 'episode')}"
    return f", {fewest:,} to {most:,} episodes (median {median:g})"
