"""Imports: the outcome of each row and each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from animerag.models.providers import Usage


class ImportKind(StrEnum):
    """The origin of shows; the first import by the owner replaces the sample."""

    SAMPLE = "sample"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A skipped row, with enough to find and correct it; `given` is its content, as JSON if it could be parsed."""

    file: str
    line: int
    id: str | None
    stage: Literal["read", "validate", "embed", "store"]
    reason: str
    given: str = ""

    @property
    def excerpt(self) -> str:
        """Return the beginning of the row's content, on one line."""
        return " ".join(self.given.split())[:200]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNote:
    """A value that was corrected in, or left out of, an imported row."""

    file: str
    line: int
    id: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """How a file was read and what it contains; `ids` describes how its ids were interpreted."""

    name: str
    format: str
    encoding: str | None
    reasons: tuple[str, ...]
    columns: Mapping[str, str | None]  # the field of each heading
    ids: str
    id_prefix: str
    shows: int
    years: tuple[int, int] | None  # the first and the last
    without_year: int
    episodes: tuple[int, float, int] | None  # fewest, median, most
    titles: tuple[str, ...]  # some examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Requests in flight: the configured number, the peak, and the mean over the run."""

    set: int | Literal["auto"] = 1
    peak: int = 0
    mean: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConflict:
    """A value of your list that differs in a file; `stays` if the stored value is an edit, which imports keep."""

    id: str
    title: str
    field: Literal["my_status", "my_score", "episodes_watched"]
    stored: str | float
    given: str | float
    stays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """The outcome of every row: read = ingested + unchanged + duplicate + quarantined + cancelled."""

    read: int = 0
    ingested: int = 0
    changed: int = 0  # number of ingested rows that were already in the catalogue
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    cancelled: int = 0
    rows: tuple[RowError, ...] = ()
    notes: tuple[RowNote, ...] = ()
    files: tuple[FileReport, ...] = ()
    conflicts: tuple[ListConflict, ...] = ()
    batches: int = 0
    embedding_requests: int = 0
    seconds: float = 0.0  # seconds until every valid row was stored
    checked_s: float = 0.0  # seconds for the check afterwards that each vector can be found
    concurrency: Concurrency = Concurrency()
    rate_limited: int = 0
    retries: int = 0
    usage: Usage = Usage()
    catalogue: int = 0
    stopped_by: str | None = None

    @property
    def throughput(self) -> float:
        """Return the shows stored per second."""
        return self.ingested / self.seconds if self.seconds else 0.0
