"""Prepares the work of experiments, and the scratch catalogues and collections, which are removed at the end."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.indexing.indexer import collection_for
from animerag.jobs.jobs import Control
from animerag.ports import CollectionSpec
from animerag.query.titles import AliasIndex
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from animerag.comparison.environment import ScratchBench
    from animerag.comparison.plan import ExperimentPlan
    from animerag.comparison.ports import Endpoint, Sandbox
    from animerag.models.shows import Show
    from animerag.ports import VectorIndex
    from animerag.storage.library import Library

_SEARCHED = 200  # shows from which questions are answered: enough to choose from, and embedded in two requests
_ABANDONED_S = 3600.0  # an older scratch directory belongs to a killed process


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentWork:
    """The work of every run: documents to import, or questions and the shows to answer them from."""

    plan: ExperimentPlan
    documents: Sequence[Document]
    questions: Sequence[str]
    shows: Mapping[str, Show]


@dataclass(slots=True, kw_only=True)
class Workspace:
    """An experiment's work, endpoint and directory; `searched` is the collection that questions are answered from."""

    work: ExperimentWork
    endpoint: Endpoint
    directory: Path
    searched: CollectionSpec | None = None
    dimensions: int | None = None
    _aliases: AliasIndex | None = None

    @property
    def items(self) -> int:
        """Return the number of documents or questions in one run."""
        return self.work.plan.items

    def small(self) -> Workspace:
        """Return the workspace with only a few requests, for warming up."""
        plan = self.work.plan.small()
        work = replace(
            self.work,
            plan=plan,
            documents=self.work.documents[: plan.documents] if plan.workload == "ingest" else self.work.documents,
            questions=self.work.questions[: plan.questions],
        )
        return replace(self, work=work)

    def run_directory(self) -> Path:
        """Return a new directory for an import, or the prepared one for questions."""
        return self.directory / (secrets.token_hex(4) if self.work.plan.workload == "ingest" else "searched")

    def aliases(self) -> AliasIndex:
        """Return the title index of all shows."""
        if self._aliases is None:
            self._aliases = AliasIndex(list(self.work.shows.values()))
        return self._aliases


class Workspaces:
    """Prepares and removes scratch catalogues and collections."""

    def __init__(self, library: Library, index: VectorIndex, bench: ScratchBench) -> None:
        self._library = library
        self._index = index
        self._bench = bench

    @asynccontextmanager
    async def open(self, endpoint: Endpoint, plan: ExperimentPlan) -> AsyncIterator[Workspace]:
        """Prepare the work and, for questions, a catalogue; remove everything at the end.

        Raises InvalidInputError if the user's catalogue is empty.
        """
        directory = self._bench.directory / secrets.token_hex(8)
        if plan.workload == "ingest":
            shows = await self._shows(plan.documents)
        else:  # without copies, because a title that two shows share identifies neither
            shows = await self._shows(min(_SEARCHED, (await self._library.counts()).shows))
        documents = await asyncio.to_thread(lambda: [Document.of(show) for show in shows])
        questions = questions_about(shows, plan.questions)
        work = ExperimentWork(
            plan=plan, documents=documents, questions=questions, shows={show.id: show for show in shows}
        )
        workspace = Workspace(work=work, endpoint=endpoint, directory=directory, dimensions=endpoint.dimensions)
        try:
            if plan.workload != "ingest":
                async with self.scratch(workspace, directory / "searched", level=10) as scratch:
                    await scratch.ingestion.import_documents(documents, Control())
                    workspace.searched = await scratch.indexer.spec()
            yield workspace
        finally:
            if workspace.searched:
                await self._index.drop(workspace.searched)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    @asynccontextmanager
    async def scratch(
        self, workspace: Workspace, directory: Path, *, level: int, early: bool = False
    ) -> AsyncIterator[Sandbox]:
        """Open the app's services on a library in `directory`."""
        latency_s = 0.0 if early else workspace.work.plan.alias_latency_s
        async with self._bench.scratch(
            workspace.endpoint, directory, level=level, alias_latency_s=latency_s, early_start=early
        ) as scratch:
            spec = await scratch.indexer.spec()
            await asyncio.to_thread(_note_collection, directory, spec)
            yield scratch

    async def new_collection(self, workspace: Workspace) -> CollectionSpec:
        """Create an empty collection like those of the app's services."""
        if workspace.dimensions is None:
            async with self.scratch(workspace, workspace.run_directory(), level=1) as scratch:
                workspace.dimensions = (await scratch.indexer.spec()).dimensions
        spec = collection_for(secrets.token_hex(6), workspace.endpoint.embedding_model, workspace.dimensions)
        await asyncio.to_thread(_note_collection, workspace.run_directory(), spec)
        await self._index.ensure(spec)
        return spec

    async def remove_abandoned(self) -> None:
        """Remove the directories and collections of killed processes."""

        def old() -> list[Path]:
            now = time.time()
            return [path for path in self._bench.directory.glob("*/") if now - path.stat().st_mtime > _ABANDONED_S]

        for directory in await asyncio.to_thread(old):
            for note in directory.rglob("collection"):
                name = await asyncio.to_thread(note.read_text, "utf-8")
                await self._index.drop(CollectionSpec(name=name, model="", dimensions=1, recipe=""))
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _shows(self, number: int) -> list[Show]:
        """Return `number` shows of the catalogue, repeated under new ids if it has fewer."""
        ids = sorted(await self._library.hashes())[:number]
        shows = list((await self._library.shows(ids)).values())
        if not shows:
            raise InvalidInputError("The catalogue is empty: import a file first, or open the app to load the sample.")
        return [copy_of(shows[n % len(shows)], n // len(shows)) for n in range(number)]


def questions_about(shows: Sequence[Show], number: int) -> list[str]:
    """Return `number` different questions: a batch would ask repeated ones once, the baselines every time."""
    return [f"What is {shows[n % len(shows)].title} about{'?' * (1 + n // len(shows))}" for n in range(number)]


def copy_of(show: Show, copy: int) -> Show:
    """Return the show, or its `copy`th copy with another id and text, so that no cache helps."""
    if not copy:
        return show
    return replace(show, id=f"{show.id}-{copy}", description=f"{show.description} (copy {copy})")


def _note_collection(directory: Path, spec: CollectionSpec) -> None:
    """Record the collection's name, so that a later experiment can remove it if this process is killed."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "collection").write_text(spec.name, encoding="utf-8")
