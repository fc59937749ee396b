"""Jobs: their progress, and their records in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from animerag.models.json_types import JsonObject

INGEST_JOB = "ingest"  # kinds of jobs
REINDEX_JOB = "reindex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a job: `done` of `total` items, and a `stage` to show to users."""

    done: int = 0
    total: int = 0
    stage: str = ""
    elapsed_s: float = 0.0

    @property
    def fraction(self) -> float:
        """Return 0 to 1; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as recorded in the journal; `host` names the machine and the process that run it."""

    id: str
    owner: str
    kind: str
    title: str
    state: str
    lease: str
    report: JsonObject | None
    error: str | None
    created_at: str
    finished_at: str | None
    key: str | None = None
    host: str | None = None
    progress: Progress | None = None
    question: str | None = None
    answer: bool | None = None
    stop_requested: bool | None = None

    @property
    def status(self) -> str:
        """Return the state, or `stopping` for a running job that was asked to stop."""
        return "stopping" if self.state == "running" and self.stop_requested else self.state
