"""Reads files twice: first to validate and count rows and to find the last row of each id, then to import those.

The first reading runs in a separate process with limits (`readers.confinement`). Between the readings only the id and
the position of each row stay in memory.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from animerag import readers
from animerag.concurrency import Pacing, unpaced
from animerag.errors import InvalidInputError
from animerag.ingestion.enrichment import NamedEntry
from animerag.ingestion.entity_resolution import IdPlan, joined
from animerag.ingestion.file_summary import MOST_NOTES, FileSummary
from animerag.ingestion.fingerprints import FileIds
from animerag.models.imports import RowError, RowNote
from animerag.models.shows import Show
from animerag.readers import ReadOptions, confinement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from animerag.ingestion.counters import ImportCounters
    from animerag.models.json_types import JsonMapping, JsonObject

_FILE = 40  # bits for a row's position, below those for the number of its file


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to read; `name` is the user's name for it, which may differ from the stored one."""

    path: Path
    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    id_prefix: str | None = None  # None decides by the titles, "" means no prefix
    enrich: bool = False  # the file is a reference: it completes existing shows and adds none

    def as_json(self) -> JsonObject:
        """Return the form in which a request to import the file is stored; `from_json` reads it."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_json(cls, stored: JsonMapping, path: Path) -> Self:
        """Return the file of a stored request, whose content is now at `path`."""
        return cls(**{**stored, "path": path, "options": ReadOptions(**stored["options"])})


@dataclass(slots=True)
class TwoPassReader:
    """The result of the first reading of one file."""

    file: SourceFile
    summary: FileSummary
    seen: FileIds
    read: int = 0
    errors: list[RowError] = field(default_factory=list)
    entries: dict[str, NamedEntry] = field(default_factory=dict)  # entries of a reference file, by id

    @classmethod
    def of(cls, file: SourceFile, paced: Pacing = unpaced) -> TwoPassReader:
        """Read a whole file.

        Raises InvalidInputError, also for exceeded limits of memory or time: a DetectedFileError once the format of
        the file is known.
        """
        detection, parts = confinement.inspect(file.path, file.name, file.options)
        if detection.problem:
            raise readers.DetectedFileError(detection)
        reading = cls(file, FileSummary(detection), FileIds(file=file.name, site=detection.site))
        try:
            for row in paced(itertools.chain.from_iterable(parts)):
                reading._add(row)
        except InvalidInputError as error:
            raise readers.DetectedFileError(detection, str(error)) from error
        return reading

    def _add(self, row: Show | RowError) -> None:
        self.read += 1
        if isinstance(row, RowError):
            self.errors.append(row)
            return
        self.seen.add(row)
        if self.file.enrich:
            self.entries[row.id] = NamedEntry(title=row.title, year=row.year)
        self.summary.add(row)

    def again(self) -> Iterator[Show]:
        """Read the shows again. Raises InvalidInputError."""
        rows = readers.read_detected(self.file.path, self.summary.detection, self.file.options)
        return (row for row in rows if isinstance(row, Show))


@dataclass(slots=True)
class LastRowWins:
    """The last row of each id in all files of an import; each file is completed by the earlier ones."""

    readings: list[tuple[TwoPassReader, IdPlan | None]] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)  # position of the last row, by the catalogue's id

    def add(self, reading: TwoPassReader, plan: IdPlan | None) -> None:
        """Add the next file; without a plan its ids are the catalogue's."""
        number = len(self.readings)
        self.readings.append((reading, plan))
        for given, position in reading.seen.last.items():
            if plan is None or (given not in plan.refused and given not in plan.unmatched):
                show_id = plan.id_of(given) if plan else given
                self._places[show_id] = max(self._places.get(show_id, 0), number << _FILE | position)
        reading.seen = FileIds(file=reading.file.name)  # not needed any longer: the plan is made

    @property
    def refused(self) -> int:
        """Return the number of ids that mean another show in the catalogue."""
        return sum(len(plan.refused) for _, plan in self.readings if plan)

    @property
    def unmatched(self) -> int:
        """Return how many ids of reference files are about no show of the catalogue."""
        return sum(len(plan.unmatched) for _, plan in self.readings if plan)

    def __len__(self) -> int:
        return len(self._places)

    def shows(self, counters: ImportCounters) -> Iterator[Show]:
        """Yield the last row of each id, in the order of the files; count the other rows. Raises InvalidInputError."""
        earlier: dict[str, Show] = {}
        for number in range(len(self.readings)):
            yield from self.shows_of(number, counters, earlier)

    def shows_of(self, number: int, counters: ImportCounters, earlier: dict[str, Show]) -> Iterator[Show]:
        """Yield the last rows in the `number`th file; count its other rows. Raises InvalidInputError.

        `earlier` collects rows that a later one overrides; pass the same dict for each file, in order.
        """
        reading, plan = self.readings[number]
        for position, given in enumerate(reading.again()):
            if plan and given.id in plan.unmatched:
                counters.unchanged += 1
                continue
            row = plan.name(given) if plan else given
            if isinstance(row, RowError):
                counters.errors.append(row)
                continue
            place = number << _FILE | position
            wins = self._places.get(row.id)
            if wins is None or wins < place:
                raise InvalidInputError(f"{reading.file.name} changed while it was being read: start the import again.")
            if row.id in earlier:
                before = earlier.pop(row.id)
                counters.notes += overridden(before, row) if len(counters.notes) < MOST_NOTES else []
                row = joined(row, before)
            if place == wins:
                yield row
            else:
                counters.duplicate += 1
                earlier[row.id] = row


def overridden(earlier: Show, later: Show) -> list[RowNote]:
    """Return a note that a later row replaced an earlier one; entries of a user's list replace nothing."""
    if earlier.origin is None or later.origin is None or later.overlay:
        return []
    where = f"line {later.origin.line}"
    if later.origin.file != earlier.origin.file:
        where += f" of {later.origin.file}"
    who = "the same id" if later.title == earlier.title else f"the same id, “{later.title}”"
    note = f"A later row with {who}, in {where}, replaced this one."
    return [RowNote(file=earlier.origin.file, line=earlier.origin.line, id=later.id, note=note)]
