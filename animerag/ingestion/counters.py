"""Counts what an import has done; every row of every file is in exactly one of the counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.ingestion.file_summary import MOST_NOTES
from animerag.models.imports import IngestReport
from animerag.models.jobs import Progress
from animerag.models.providers import Usage

if TYPE_CHECKING:
    from animerag.jobs.jobs import Control
    from animerag.models.imports import FileReport, ListConflict, RowError, RowNote


@dataclass(slots=True)
class ImportCounters:
    """The counts of a running import, from which its report is made."""

    control: Control
    started_s: float = field(default_factory=time.perf_counter)
    read: int = 0
    duplicate: int = 0
    unchanged: int = 0
    ingested: int = 0
    changed: int = 0
    batches: int = 0
    requests: int = 0
    replaced: int = 0
    errors: list[RowError] = field(default_factory=list)
    notes: list[RowNote] = field(default_factory=list)
    files: list[FileReport] = field(default_factory=list)
    conflicts: list[ListConflict] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    total: int = 0
    stopped_by: str | None = None

    def report(self) -> IngestReport:
        """Return the report; rows without another outcome count as remaining."""
        lost = self.read - self.ingested - self.unchanged - self.duplicate - len(self.errors)
        return IngestReport(
            read=self.read,
            ingested=self.ingested,
            changed=min(self.changed, self.ingested),
            unchanged=self.unchanged,
            duplicate=self.duplicate,
            quarantined=len(self.errors),
            cancelled=lost,
            rows=tuple(self.errors),
            notes=tuple(self.notes[:MOST_NOTES]),
            files=tuple(self.files),
            conflicts=tuple(self.conflicts[:MOST_NOTES]),
            batches=self.batches,
            embedding_requests=self.requests,
            seconds=time.perf_counter() - self.started_s,
            usage=self.usage,
            stopped_by=self.stopped_by,
        )

    def show_progress(self, stage: str) -> None:
        """Publish the progress of the import."""
        self.control.progress = Progress(
            done=self.unchanged + self.ingested + len(self.errors),
            total=self.total,
            stage=stage,
            elapsed_s=time.perf_counter() - self.started_s,
        )
