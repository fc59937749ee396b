"""The SQL library: shows, imports, vectors and jobs in one SQLite file. The record of truth; Chroma is rebuilt from it.

Reads run side by side, each whole in a thread; writes go one at a time through `BEGIN IMMEDIATE`, so two processes may
share the file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sqlalchemy import create_engine, delete, event, func, or_, select, text, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from animerag.errors import LibraryError
from animerag.models import ImportKind, JobRecord, RelatedShow, Show
from animerag.storage import backup, migrations, provenance, show_details
from animerag.storage import full_text as words
from animerag.storage.bulk_insert import chunks, insert_many, upsert
from animerag.storage.schema import (
    VERSION,
    experiments,
    facts,
    imports,
    indexed,
    job_requests,
    jobs,
    metadata,
    my_list,
    shows,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Row, Select

    from animerag.ports import Vectors
    from animerag.text.documents import Document

log = logging.getLogger(__name__)
T = TypeVar("T")

_MOMENT_S = 0.2  # how late another process's change may be noticed
_READERS = 4  # reads at once; one takes a millisecond, and Python runs one thread at a time


_PUT_SHOW = upsert(shows, "id")
_NOTE_INDEXED = upsert(indexed, "collection", "show_id")
_KEEP_VECTOR = insert(vectors).on_conflict_do_nothing()


_MINE = (my_list.c.status.label("my_status"), my_list.c.score.label("my_score"), my_list.c.episodes_watched)
_WITH_MINE = shows.outerjoin(my_list, my_list.c.show_id == shows.c.id)
_WHOLE = select(shows, *_MINE).select_from(_WITH_MINE)
_TOLD = select(*(column for column in shows.c if column.name != "record"), *_MINE).select_from(_WITH_MINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What decides whether a stored show is out of date, and who brought it."""

    content_hash: str
    text_hash: str
    sample: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRows:
    """Rows ready to be written: one a show, what the full-text index is told by show id, and where shows come from."""

    shows: Sequence[dict[str, Any]]
    words: Mapping[str, dict[str, str]]
    mine: Sequence[dict[str, Any]] = ()
    told: Sequence[dict[str, Any]] = ()

    def __add__(self, other: ShowRows) -> ShowRows:
        return ShowRows(
            shows=[*self.shows, *other.shows],
            words={**self.words, **other.words},
            mine=[*self.mine, *other.mine],
            told=[*self.told, *other.told],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Shows in the catalogue, and how many of them came with the sample."""

    shows: int
    sample: int


class Library:
    """One catalogue in one SQLite file; confined to the loop that opened it."""

    def __init__(self, engine: AsyncEngine, reader: Engine, library_id: str) -> None:
        """`engine` begins transactions that take the write lock first, `reader` none at all."""
        self._engine = engine
        self._reader = reader
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="animerag-library")
        self._revision: int | None = None
        self._bumped = self._closed = False
        self._looked_s = 0.0
        self._writing = asyncio.Lock()
        self._unsaved: list[tuple[list[dict[str, Any]], asyncio.Future[None]]] = []
        self.library_id = library_id

    @classmethod
    async def open(cls, path: Path) -> Library:
        """Open or create the library at `path`.

        Raises LibraryError when the file is no library, is newer than this version, or cannot be written.
        """
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            engine = create_async_engine(f"sqlite+aiosqlite:///{path}", json_serializer=_json, hide_parameters=True)
            event.listen(engine.sync_engine, "begin", _begin_immediate)
            # Switching a connection to AUTOCOMMIT and back, and rolling back nothing, is most of a short read's time.
            options = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
            reader = create_engine(f"sqlite:///{path}", pool_reset_on_return=None, hide_parameters=True, **options)
            for each in (engine.sync_engine, reader):
                event.listen(each, "connect", _configure)
        except OSError as error:
            raise LibraryError(f"The data directory {path.parent} cannot be written: {error.strerror}.") from error
        try:
            library_id = await _prepare(engine, path)
        except SQLAlchemyError as error:
            await engine.dispose()
            raise LibraryError(
                f"The library {path} cannot be opened ({_reason(error)}). Move the file aside to start a new one."
            ) from error
        except LibraryError:
            await engine.dispose()
            raise
        return cls(engine, reader, library_id)

    async def close(self) -> None:
        """Close every connection, after the reads that are under way."""
        self._closed = True
        await self._engine.dispose()
        await asyncio.to_thread(self._readers.shutdown)
        self._reader.dispose()

    # Shows

    async def store(
        self,
        rows: ShowRows,
        *,
        collection: str | None,
        once: Awaitable[None] | None = None,
        also: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """Write shows with their words, and note that `collection` holds them, in one transaction.

        `also` writes more in the same transaction. Nothing is kept unless `once`, awaited before the end, succeeds.
        Raises LibraryError and what `once` raises.
        """
        if not rows.shows:
            return
        async with self.writing() as connection:
            await insert_many(connection, _PUT_SHOW, rows.shows)
            found = await connection.execute(
                select(shows.c.id, shows.c.number).where(shows.c.id.in_([row["id"] for row in rows.shows]))
            )
            numbers = {row.id: row.number for row in found}
            await provenance.put(connection, rows.mine, rows.told)
            await words.put(connection, [{**row, "rowid": numbers[show_id]} for show_id, row in rows.words.items()])
            if collection is not None:
                held = {row["id"]: (row["content_hash"], row["text_hash"]) for row in rows.shows}
                await _note_indexed(connection, collection, held)
            if also is not None:
                await also(connection)
            await self._bump_revision(connection)
            if once is not None:
                await once

    async def fingerprints(self, ids: Iterable[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of those ids that are in the catalogue."""
        wanted = (
            select(shows.c.id, shows.c.content_hash, shows.c.text_hash, imports.c.kind)
            .select_from(shows)
            .join(imports, shows.c.import_id == imports.c.id)
        )
        rows = await self.rows(*(wanted.where(shows.c.id.in_(chunk)) for chunk in chunks(ids)))
        return {
            row.id: Fingerprint(
                content_hash=row.content_hash, text_hash=row.text_hash, sample=row.kind == ImportKind.SAMPLE
            )
            for row in rows
        }

    async def hashes(self) -> dict[str, tuple[str, str]]:
        """Return (content hash, text hash) of every show by id."""
        wanted = select(shows.c.id, shows.c.content_hash, shows.c.text_hash)
        return await self.read(
            lambda connection: {row.id: (row.content_hash, row.text_hash) for row in connection.execute(wanted)}
        )

    async def show(self, show_id: str) -> Show | None:
        """Return one show whole, or None."""
        return (await self.shows([show_id])).get(show_id)

    async def shows(self, ids: Iterable[str], *, records: bool = True) -> dict[str, Show]:
        """Return those ids that are in the catalogue; without their `records` in half the time."""
        wanted = _WHOLE if records else _TOLD
        statements = [wanted.where(shows.c.id.in_(chunk)) for chunk in chunks(ids)]

        def read(connection: Connection) -> dict[str, Show]:
            return {row.id: _show(row) for statement in statements for row in connection.execute(statement)}

        return await self.read(read)

    async def best(self, limit: int) -> list[Show]:
        """Return so many shows, best rated first."""
        wanted: Select[Any] = _TOLD.order_by(
            shows.c.rating.desc().nulls_last(), shows.c.votes.desc().nulls_last(), shows.c.title, shows.c.id
        ).limit(limit)
        return await self.read(lambda connection: [_show(row) for row in connection.execute(wanted)])

    async def search_words(
        self, question: str, *, k: int, names: bool = True, ids: Sequence[str] | None = None
    ) -> list[words.WordHit]:
        """Return up to `k` shows, of `ids` where given, that share words with the question; see `words.search`."""
        return await self.read(partial(words.search, question=question, k=k, names=names, ids=ids))

    async def mentions(self, phrase: str) -> bool:
        """Tell whether any title or description has these words in a row."""
        return await self.read(partial(words.occurs, phrase=phrase))

    async def counts(self) -> Counts:
        """Count the shows."""
        wanted = (
            select(imports.c.kind, func.count().label("number"))
            .select_from(shows)
            .join(imports, shows.c.import_id == imports.c.id)
            .group_by(imports.c.kind)
        )
        by_kind = {row.kind: row.number for row in await self.rows(wanted)}
        return Counts(shows=sum(by_kind.values()), sample=by_kind.get(ImportKind.SAMPLE, 0))

    async def revision(self) -> int:
        """Return a number that grows with every change of the shows; another process's is seen a moment later."""
        now_s = time.monotonic()
        if self._revision is None or now_s > self._looked_s + _MOMENT_S:
            self._revision, self._looked_s = int(await self.get_meta("revision") or 0), now_s
        return self._revision

    async def get_meta(self, key: str) -> str | None:
        """Return a single fact about this library."""
        value: str | None = await self.scalar(select(facts.c.value).where(facts.c.key == key))
        return value

    async def facts(self, prefix: str) -> dict[str, str]:
        """Return the facts whose key begins so, without that beginning; an empty value counts as none."""
        rows = await self.rows(select(facts).where(facts.c.key.startswith(prefix, autoescape=True)))
        return {row.key.removeprefix(prefix): row.value for row in rows if row.value}

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a single fact about this library."""
        await self.set_meta_all({key: value})

    async def set_meta_all(self, values: Mapping[str, str]) -> None:
        """Keep several facts at once."""
        async with self.writing() as connection:
            for key, value in values.items():
                await _set_fact(connection, key, value)

    # Imports

    async def begin_import(self, kind: ImportKind, name: str, sha256: str) -> int:
        """Record where the shows that follow come from; returns the import's number."""
        async with self.writing() as connection:
            values = {"kind": kind, "name": name, "sha256": sha256, "created_at": _now()}
            result = await connection.execute(insert(imports).values(**values))
            return int(result.inserted_primary_key[0])  # type: ignore[index] # an insert of one row has one

    async def has_own_shows(self) -> bool:
        """Tell whether anything but the sample is in the catalogue."""
        counts = await self.counts()
        return counts.shows > counts.sample

    async def remove_sample(self) -> int:
        """Remove the shows that only the sample brought; their vectors become strays to be removed."""
        sample = select(imports.c.id).where(imports.c.kind == ImportKind.SAMPLE)
        async with self.writing() as connection:
            rows = await connection.execute(select(shows.c.number).where(shows.c.import_id.in_(sample)))
            numbers = [row.number for row in rows]
            if numbers:
                await words.remove(connection, numbers)
                await connection.execute(delete(shows).where(shows.c.import_id.in_(sample)))
                await self._bump_revision(connection)
            return len(numbers)

    # Vectors

    async def save_vectors(self, model: str, rows: Mapping[str, Vectors]) -> None:
        """Keep vectors by the hash of their text, so that none is ever paid for twice."""
        if not rows:
            return
        values = [
            {"model": model, "dimensions": vector.shape[0], "text_hash": key, "vector": vector.astype("<f4").tobytes()}
            for key, vector in rows.items()
        ]
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        saved.add_done_callback(lambda done: done.cancelled() or done.exception())  # its caller may have gone
        self._unsaved.append((values, saved))
        async with self._writing:
            pending, self._unsaved = self._unsaved, []
            if pending:  # else the batch before this one has taken it along
                await self._save_together(pending)
        await saved

    async def _save_together(self, pending: Sequence[tuple[list[dict[str, Any]], asyncio.Future[None]]]) -> None:
        """Keep what several callers brought in one transaction: a commit waits for the disk."""
        try:
            async with self._transaction() as connection:
                for values, _ in pending:
                    await insert_many(connection, _KEEP_VECTOR, values)
        except LibraryError as error:
            for _, saved in pending:
                if not saved.done():
                    saved.set_exception(error)
            return
        except BaseException:  # cancelled: the others wait for their turn still, and take their own along then
            self._unsaved = [*pending, *self._unsaved]
            raise
        for _, saved in pending:
            if not saved.done():  # its caller may have been cancelled
                saved.set_result(None)

    async def kept_vectors(self, model: str, dimensions: int, text_hashes: Iterable[str]) -> set[str]:
        """Return the hashes of those texts that have a vector."""
        wanted = select(vectors.c.text_hash).where(vectors.c.model == model, vectors.c.dimensions == dimensions)
        rows = await self.rows(*(wanted.where(vectors.c.text_hash.in_(chunk)) for chunk in chunks(text_hashes)))
        return {row.text_hash for row in rows}

    async def vectors(self, model: str, dimensions: int, text_hashes: Iterable[str]) -> dict[str, Vectors]:
        """Return the vectors that are already known, each of shape (dimensions,)."""
        wanted = select(vectors.c.text_hash, vectors.c.vector).where(
            vectors.c.model == model, vectors.c.dimensions == dimensions
        )
        rows = await self.rows(*(wanted.where(vectors.c.text_hash.in_(chunk)) for chunk in chunks(text_hashes)))
        return {row.text_hash: np.frombuffer(row.vector, "<f4") for row in rows}

    # What Chroma holds

    async def indexed(self, collection: str, ids: Iterable[str] | None = None) -> dict[str, tuple[str, str]]:
        """Return (content hash, text hash) by id of what `collection` is known to hold."""
        wanted = select(indexed.c.show_id, indexed.c.content_hash, indexed.c.text_hash).where(
            indexed.c.collection == collection
        )
        statements = [wanted] if ids is None else [wanted.where(indexed.c.show_id.in_(part)) for part in chunks(ids)]
        return {row.show_id: (row.content_hash, row.text_hash) for row in await self.rows(*statements)}

    async def count_indexed(self, collection: str) -> int:
        """Count the shows whose current text `collection` holds."""
        count = await self.scalar(
            select(func.count())
            .select_from(indexed.join(shows, indexed.c.show_id == shows.c.id))
            .where(indexed.c.collection == collection, indexed.c.text_hash == shows.c.text_hash)
        )
        return count or 0

    async def not_indexed(self, collection: str) -> list[str]:
        """Return the ids of shows that `collection` lacks or holds in an older form."""
        held = indexed.c
        rows = await self.rows(
            select(shows.c.id)
            .outerjoin(indexed, (held.show_id == shows.c.id) & (held.collection == collection))
            .where(
                or_(
                    held.show_id.is_(None),
                    held.text_hash != shows.c.text_hash,
                    held.content_hash != shows.c.content_hash,
                )
            )
            .order_by(shows.c.number)
        )
        return [row.id for row in rows]

    async def characters_not_indexed(self, collection: str) -> int:
        """Count the characters of descriptions and tags whose current text `collection` lacks."""
        held = indexed.c
        length = func.length(shows.c.description) + func.length(shows.c.tags)
        total = await self.scalar(
            select(func.sum(length))
            .select_from(shows.outerjoin(indexed, (held.show_id == shows.c.id) & (held.collection == collection)))
            .where(or_(held.show_id.is_(None), held.text_hash != shows.c.text_hash))
        )
        return int(total or 0)

    async def note_indexed(self, collection: str, held: Mapping[str, tuple[str, str]]) -> None:
        """Note that `collection` holds these shows, as (content hash, text hash) by id."""
        async with self.writing() as connection:
            await _note_indexed(connection, collection, held)

    async def forget_indexed(self, collection: str, ids: Iterable[str]) -> None:
        """Note that `collection` no longer holds these ids."""
        async with self.writing() as connection:
            for chunk in chunks(ids):
                await connection.execute(
                    delete(indexed).where(indexed.c.collection == collection, indexed.c.show_id.in_(chunk))
                )

    async def forget_collection(self, collection: str) -> None:
        """Note that `collection` is gone."""
        async with self.writing() as connection:
            await connection.execute(delete(indexed).where(indexed.c.collection == collection))

    async def forget_vectors(self, model: str, dimensions: int) -> None:
        """Delete the kept vectors of a model; whoever uses it again pays for them again."""
        async with self.writing() as connection:
            await connection.execute(
                delete(vectors).where(vectors.c.model == model, vectors.c.dimensions == dimensions)
            )

    async def strays(self, collection: str) -> list[str]:
        """Return ids that `collection` holds and the catalogue no longer has."""
        rows = await self.rows(
            select(indexed.c.show_id)
            .outerjoin(shows, indexed.c.show_id == shows.c.id)
            .where(indexed.c.collection == collection, shows.c.id.is_(None))
        )
        return [row.show_id for row in rows]

    # Jobs

    async def begin_job(
        self, job_id: str, *, owner: str, kind: str, title: str, lease: str, request: Mapping[str, Any] | None = None
    ) -> None:
        """Journal a job before it starts; `request` is what another process needs to bring it to its end."""
        values = {"id": job_id, "owner": owner, "kind": kind, "title": title, "lease": lease}
        async with self.writing() as connection:
            await connection.execute(insert(jobs).values(**values, state="running", created_at=_now()))
            if request is not None:
                await connection.execute(insert(job_requests).values(job_id=job_id, request=dict(request)))

    async def job_request(self, job_id: str) -> dict[str, Any] | None:
        """Return what a job was asked to do, or None where that was not journalled."""
        found: dict[str, Any] | None = await self.scalar(
            select(job_requests.c.request).where(job_requests.c.job_id == job_id)
        )
        return found

    async def end_job(
        self, job_id: str, *, state: str, report: Mapping[str, Any] | None = None, error: str | None = None
    ) -> None:
        """Journal how a job ended."""
        values = {"state": state, "report": report, "error": error, "finished_at": _now()}
        async with self.writing() as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))

    async def jobs(self, *, state: str | None = None, limit: int = 20) -> list[JobRecord]:
        """Return the newest jobs, newest first."""
        wanted = select(jobs).order_by(jobs.c.created_at.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(jobs.c.state == state)
        return [JobRecord(**row._asdict()) for row in await self.rows(wanted)]

    # Experiments

    async def keep_experiment(self, experiment_id: str, summary: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
        """Keep what Compare measured."""
        values = {"id": experiment_id, "created_at": _now(), "summary": dict(summary), "whole": dict(whole)}
        async with self.writing() as connection:
            await connection.execute(insert(experiments).values(**values))

    async def experiments(self) -> list[dict[str, Any]]:
        """Return the summaries of all experiments, newest first."""
        wanted = select(experiments.c.summary).order_by(experiments.c.created_at.desc()).limit(200)
        return [row.summary for row in await self.rows(wanted)]

    async def experiment(self, experiment_id: str) -> dict[str, Any] | None:
        """Return one experiment whole, or None."""
        kept: dict[str, Any] | None = await self.scalar(
            select(experiments.c.whole).where(experiments.c.id == experiment_id)
        )
        return kept

    async def delete_experiment(self, experiment_id: str) -> None:
        """Forget an experiment; an unknown one is no error."""
        async with self.writing() as connection:
            await connection.execute(delete(experiments).where(experiments.c.id == experiment_id))

    # Connections

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads, in a thread that waits and makes objects beside the loop. Raises LibraryError.

        Going to the thread once takes half of what an asynchronous driver takes, which goes there for every call, and
        a fifth of its time on the loop.
        """
        if self._closed:
            raise LibraryError("The library is closed: open it again.")

        def reading() -> T:
            with self._reader.connect() as connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, reading)
        except SQLAlchemyError as error:
            raise LibraryError(f"The library could not be read ({_reason(error)}).") from error

    async def rows(self, *statements: Select[Any]) -> list[Row[Any]]:
        """Return the rows of queries, one query after another. Raises LibraryError."""
        return await self.read(lambda connection: [row for one in statements for row in connection.execute(one)])

    async def scalar(self, statement: Select[Any]) -> Any:
        """Return the first column of the first row of a query, or None. Raises LibraryError."""
        return await self.read(lambda connection: connection.scalar(statement))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection inside one transaction, kept whole or not at all. Raises LibraryError."""
        async with self._writing, self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection as `writing` does, for what changes shows: others notice by the revision."""
        async with self.writing() as connection:
            yield connection
            await self._bump_revision(connection)

    async def _bump_revision(self, connection: AsyncConnection) -> None:
        now = await connection.scalar(select(facts.c.value).where(facts.c.key == "revision"))
        await _set_fact(connection, "revision", str(int(now or 0) + 1))
        self._bumped = True

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
            if self._bumped:  # whoever read it while the transaction lasted has the old one
                self._revision, self._bumped = None, False
        except SQLAlchemyError as error:
            raise LibraryError(
                f"The library could not be written ({_reason(error)}). Nothing of this step was kept."
            ) from error


async def _prepare(engine: AsyncEngine, path: Path) -> str:
    async with engine.begin() as connection:
        version = await _version(connection)
    if 0 < version < VERSION:
        kept = await asyncio.to_thread(backup.keep_copy, path, version=version)
        log.warning("the library is brought to today's version; as it was it is kept as %s", kept.name)
    async with engine.begin() as connection:
        version = await _version(connection)  # another process may have been quicker
        if 0 < version < VERSION:
            await connection.run_sync(partial(migrations.upgrade, version=version))
        await connection.run_sync(metadata.create_all)
        await connection.execute(text(words.CREATE))
        await connection.execute(text(f"PRAGMA user_version = {VERSION}"))
        known: str | None = await connection.scalar(select(facts.c.value).where(facts.c.key == "library_id"))
        if known is None:
            known = secrets.token_hex(6)
            await _set_fact(connection, "library_id", known)
        return known


async def _version(connection: AsyncConnection) -> int:
    version = int(await connection.scalar(text("PRAGMA user_version")) or 0)
    if version > VERSION:
        raise LibraryError(
            f"The library was written by a newer animerag (schema {version}, this one knows {VERSION}): upgrade it."
        )
    return version


def _json(value: Any) -> str:
    """Keep every script readable in the file, so that titles can be searched where they stand."""
    return json.dumps(value, ensure_ascii=False)


def _configure(connection: Any, _record: object) -> None:
    """Take transactions into our own hands: the driver would begin them late and commit behind our back."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    """A write that takes its lock first waits for others instead of failing half way."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _set_fact(connection: AsyncConnection, key: str, value: str) -> None:
    statement = insert(facts).values(key=key, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


async def _note_indexed(connection: AsyncConnection, collection: str, held: Mapping[str, tuple[str, str]]) -> None:
    rows = [
        {"collection": collection, "show_id": show_id, "content_hash": content, "text_hash": of_text}
        for show_id, (content, of_text) in held.items()
    ]
    await insert_many(connection, _NOTE_INDEXED, rows)


def show_rows(batch: Sequence[Document], import_id: int) -> ShowRows:
    """Return what `store` writes of documents; half a second for 1,500 of them, so do it in a thread."""
    mine, told = provenance.rows(batch, import_id)
    return ShowRows(
        shows=[_show_row(document, import_id) for document in batch],
        words={document.show.id: words.row(document) for document in batch},
        mine=mine,
        told=told,
    )


def _show_row(document: Document, import_id: int) -> dict[str, Any]:
    show = document.show
    return {
        "id": show.id,
        "title": show.title,
        "titles": _json(show.titles),
        "tags": _json(show.tags),
        "description": show.description,
        "episodes": show.episodes,
        "year": show.year,
        "end_year": show.end_year,
        "rating": show.rating,
        "votes": show.votes,
        "relations": _json([_related(item) for item in show.relations]),
        "similar": _json([_related(item) for item in show.similar]),
        **show_details.to_columns(show),
        "record": _json(dict(show.record)),
        "content_hash": document.content_hash,
        "text_hash": document.text_hash,
        "import_id": import_id,
    }


def _related(item: RelatedShow) -> dict[str, Any]:
    # dataclasses.asdict copies deeply, which is half the time of a row.
    return {"id": item.id, "title": item.title, "kind": item.kind, "year": item.year}


def _show(row: Row[Any]) -> Show:
    return Show(
        id=row.id,
        title=row.title,
        titles=tuple(row.titles),
        tags=tuple(row.tags),
        description=row.description,
        episodes=row.episodes,
        year=row.year,
        end_year=row.end_year,
        rating=row.rating,
        votes=row.votes,
        relations=tuple(RelatedShow(**item) for item in row.relations),
        similar=tuple(RelatedShow(**item) for item in row.similar),
        **show_details.from_columns(row._asdict()),
        record=getattr(row, "record", {}),
        my_status=row.my_status,
        my_score=row.my_score,
        episodes_watched=row.episodes_watched,
    )


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).rstrip(".")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
