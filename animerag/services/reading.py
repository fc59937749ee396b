"""The first reading of a file: its shows with their accounts, its faults, and the ids that identity decides on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag import readers
from animerag.models import RowError, RowNote, Show
from animerag.services.identity import Plan, Seen
from animerag.services.survey import Survey

if TYPE_CHECKING:
    from animerag.services.ingestion import SourceFile


@dataclass(slots=True)
class Reading:
    """What one file gave; `name` puts its shows under the catalogue's ids."""

    survey: Survey
    seen: Seen
    read: int = 0
    shows: list[Show] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    refused: list[RowError] = field(default_factory=list)

    @classmethod
    def of(cls, file: SourceFile) -> Reading:
        """Read a file whole. Raises InvalidInputError."""
        found, rows = readers.begin(file.path, file.name, file.options)
        reading = cls(Survey(found), Seen(file=file.name, world=found.world))
        for row in rows:
            reading.read += 1
            if isinstance(row, RowError):
                reading.errors.append(row)
            else:
                reading.seen.add(row)
                reading.survey.add(row)
                reading.shows.append(row)
        return reading

    def name(self, plan: Plan) -> None:
        """Put every show under its id in the catalogue; those whose id means another show there are set aside."""
        named = [plan.name(show) for show in self.shows]
        self.shows = [row for row in named if isinstance(row, Show)]
        self.refused = [row for row in named if isinstance(row, RowError)]


def overridden(earlier: Show, later: Show) -> list[RowNote]:
    """Tell that a later row took the place of an earlier one; a list's word about a show takes nobody's."""
    if earlier.origin is None or later.origin is None or later.overlay:
        return []
    where = f"line {later.origin.line}"
    if later.origin.file != earlier.origin.file:
        where += f" of {later.origin.file}"
    who = "the same id" if later.title == earlier.title else f"the same id, “{later.title}”"
    note = f"A later row with {who}, in {where}, took the place of this one."
    return [RowNote(file=earlier.origin.file, line=earlier.origin.line, id=later.id, note=note)]
