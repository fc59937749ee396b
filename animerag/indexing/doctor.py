"""Checks the index against the library by id and hash, and repairs it at no cost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.errors import AnimeRAGError, IndexBrokenError, InvalidInputError, LibraryError
from animerag.indexing.collections import prefix_of
from animerag.indexing.text_hashes import refresh_text_hashes
from animerag.storage.integrity import is_sound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from animerag.indexing.indexer import Indexer
    from animerag.jobs.import_lock import ImportLock
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.ports import CollectionSpec, Vectors
    from animerag.storage.integrity import VectorKey

log = logging.getLogger(__name__)

DOCTOR_JOB = "doctor"
UNCLEAN_STOP = "unclean_stop"  # a key of the library's metadata, set until the index has been checked
_CHUNK = 500
# Chroma stores a vector in its log and in its graph. Several times that size is a leak, known from other projects.
_MUCH, _MUCH_A_NUMBER = 200 * 2**20, 5 * 2 * 4  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """The differences: ids that Chroma lacks, that it should not have, that are outdated, or that it cannot find.

    It also lists damage in the library: messages about pages and rows, and the text hashes of damaged vectors.
    """

    shows: int
    indexed: int
    missing: tuple[str, ...] = ()
    stray: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    unsearchable: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    unsound_vectors: tuple[str, ...] = ()
    repaired: int = 0
    index_bytes: int = 0  # size on disk; 0 for a remote server
    oversized: bool = False

    @property
    def healthy(self) -> bool:
        """Return whether the library is sound, the index matches it and every vector can be found."""
        differs = self.missing or self.stray or self.stale or self.unsearchable
        return not (differs or self.damage or self.unsound_vectors)


class Maintenance:
    """Checks and repairs the index of the current model; `directory` is its location, None for a remote server."""

    def __init__(self, indexer: Indexer, import_lock: ImportLock, directory: Path | None = None) -> None:
        self._indexer = indexer
        self._import_lock = import_lock
        self._library = indexer.library
        self._directory = directory

    async def refresh_texts(self) -> None:
        """Find out, once per version, whether it makes different texts for stored shows. Raises LibraryError."""
        if not self._import_lock.at_work:
            await refresh_text_hashes(self._indexer)

    async def check(self) -> DoctorReport:
        """Check the library, compare the index with it and search for every vector.

        A library with damaged pages or rows is not compared. Raises LibraryError, VectorStoreError.
        """
        integrity = await self._library.integrity()
        if integrity.damage:
            with contextlib.suppress(LibraryError):
                return DoctorReport(shows=(await self._library.counts()).shows, indexed=0, damage=integrity.damage)
            return DoctorReport(shows=0, indexed=0, damage=integrity.damage)
        await self.refresh_texts()
        report = await self._compare()
        return replace(report, unsound_vectors=tuple(key.text_hash for key in integrity.unsound_vectors))

    async def _compare(self) -> DoctorReport:
        spec = await self._indexer.spec()
        held = await self._indexer.index.metadata(spec, ["content_hash", "text_hash"])
        counts = await self._library.counts()
        wanted = await self._library.hashes()
        indexed = {
            show_id: (str(keys.get("content_hash")), str(keys.get("text_hash"))) for show_id, keys in held.items()
        }
        both = [show_id for show_id in wanted if show_id in indexed]
        stale = [show_id for show_id in both if wanted[show_id] != indexed[show_id]]
        current = {show_id: wanted[show_id][1] for show_id in both if wanted[show_id] == indexed[show_id]}
        size = await self.index_bytes()
        return DoctorReport(
            shows=counts.shows,
            indexed=len(both),
            missing=tuple(show_id for show_id in wanted if show_id not in indexed),
            stray=tuple(show_id for show_id in indexed if show_id not in wanted),
            stale=tuple(stale),
            index_bytes=size,
            oversized=size > _MUCH + _MUCH_A_NUMBER * len(indexed) * spec.dimensions,
            unsearchable=tuple(await self._indexer.unsearchable(spec, current)),
        )

    async def index_bytes(self) -> int:
        """Return the disk space of the index; 0 for a remote server."""
        return await asyncio.to_thread(_size, self._directory) if self._directory else 0

    async def repair(self) -> DoctorReport:
        """Repair the index from stored vectors; shows whose text was never embedded stay missing.

        A damaged index is moved aside and rebuilt from the library. A library with damaged pages or rows is not
        changed. No import may run at the same time: rows that it has written but not yet recorded look stray or stale.
        Raises LibraryError, VectorStoreError.
        """
        try:
            return await self._repair()
        except IndexBrokenError as error:
            if not await self._indexer.index.discard_broken(str(error)):
                raise
            log.warning("the index is moved aside and rebuilt: %s", error)
            return await self._repair()

    async def _repair(self) -> DoctorReport:
        integrity = await self._library.integrity()
        if not integrity.damage and integrity.unsound_vectors:
            await self._replace_unsound(integrity.unsound_vectors)
        before = await self.check()
        if before.damage or before.healthy:
            return before
        try:
            repaired = await self._remove_differences(before)
        finally:
            await self._library.bump_revision()  # answers from before or during the repair are not reused
        return replace(await self.check(), repaired=repaired)

    async def _remove_differences(self, before: DoctorReport) -> int:
        spec = await self._indexer.spec()
        if before.stray:
            await self._indexer.index.delete(spec, before.stray)
            await self._library.embeddings.forget_indexed(spec.name, before.stray)
        if before.unsearchable:
            # An entry that its own vector cannot find is repaired by removing it from the graph and adding it again.
            await self._indexer.index.delete(spec, before.unsearchable)
        broken = [*before.missing, *before.stale, *before.unsearchable]
        repaired_ids: set[str] = set(before.stray)
        for start in range(0, len(broken), _CHUNK):
            repaired_ids |= await self._indexer.rewrite(spec, broken[start : start + _CHUNK])
        await self._library.embeddings.forget_indexed(spec.name, set(broken) - repaired_ids)
        return len(repaired_ids)

    async def _replace_unsound(self, unsound: Sequence[VectorKey]) -> None:
        """Replace damaged vectors of the current model with those in the index; delete the others."""
        spec = await self._indexer.spec()
        current = (spec.model, spec.dimensions)
        damaged = {key.text_hash: key for key in unsound if key[:2] == current}
        of_text = {text: show_id for show_id, (_, text) in (await self._library.hashes()).items() if text in damaged}
        sound: dict[VectorKey, Vectors] = {}
        for text_hash, vector in (await self._indexer.index.vectors(spec, list(of_text.values()))).values():
            if text_hash in damaged and is_sound(vector.astype("<f4").tobytes(), spec.dimensions):
                sound[damaged[text_hash]] = vector
        await self._library.embeddings.replace(unsound, sound)

    async def start_after_unclean_stop(self, jobs: Jobs) -> Job | None:
        """Start a repair as a job, if a process was killed while it used the catalogue.

        Return None if there is nothing to check. Raises like `start_repair`.
        """
        if not await self._library.get_meta(UNCLEAN_STOP) or not (await self._library.counts()).shows:
            return None
        return await self.start_repair(jobs, "Checking the index after an unclean stop")

    async def start_repair(self, jobs: Jobs, title: str = "Repairing the index") -> Job:
        """Start a repair as an exclusive job: imports wait until it ends.

        Raises InvalidInputError while other jobs run, LibraryError.
        """
        return await jobs.start(self.repair_exclusively, kind=DOCTOR_JOB, title=title, key=DOCTOR_JOB, exclusive=True)

    async def repair_as_job(self, jobs: Jobs) -> DoctorReport:
        """Repair as an exclusive job and wait for it. Raises AnimeRAGError."""
        job = await jobs.wait(await self.start_repair(jobs))
        if not isinstance(job.report, DoctorReport):
            raise AnimeRAGError(job.error or "The repair was interrupted. Start it again.")
        return job.report

    async def other_indexes(self) -> list[tuple[CollectionSpec, int]]:
        """Return this library's collections for other models, each with its number of vectors.

        Raises LibraryError, VectorStoreError.
        """
        spec, prefix = await self._indexer.spec(), prefix_of(self._library.library_id)
        return [other for other in await self._indexer.index.collections(prefix) if other[0].name != spec.name]

    async def delete_index(self, spec: CollectionSpec) -> None:
        """Delete the collection of another model, and the vectors that were stored for it.

        Raises InvalidInputError if `other_indexes` does not list it, LibraryError, VectorStoreError.
        """
        current = await self._indexer.spec()
        if spec.name not in {other.name for other, _ in await self.other_indexes()}:
            raise InvalidInputError("This index is in use or has already been deleted: reload the list.")
        await self._indexer.index.drop(spec)
        await self._library.embeddings.forget_collection(spec.name)
        if (spec.model, spec.dimensions) != (current.model, current.dimensions):  # not just another text recipe
            await self._library.embeddings.forget_model(spec.model, spec.dimensions)

    async def repair_exclusively(self, control: Control) -> DoctorReport:
        """Repair while no other process imports or repairs, and record it. Raises like `repair`."""
        async with self._import_lock.held(control):
            report = await self.repair()
        await self._library.set_meta(UNCLEAN_STOP, "")
        return report


def _size(directory: Path) -> int:
    """Return the total size of a directory's files in bytes; files deleted during the count are ignored."""
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
