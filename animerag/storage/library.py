"""The SQL library: shows, imports, vectors and jobs in one database; Chroma is rebuilt from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from animerag.models.imports import ImportKind
from animerag.models.shows import RelatedShow, Show
from animerag.storage import full_text as words
from animerag.storage import library_metadata, provenance, show_details
from animerag.storage.bulk_insert import chunks, insert_many, upsert
from animerag.storage.database import Database
from animerag.storage.experiments import ExperimentStore
from animerag.storage.job_journal import JobJournal
from animerag.storage.schema import (
    imports,
    my_list,
    shows,
)
from animerag.storage.serialization import now, to_json
from animerag.storage.vectors import EmbeddingStore, record_indexed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonObject
    from animerag.storage.engines import DatabaseEngine
    from animerag.storage.word_hits import WordHit
    from animerag.text.documents import Document


_PUT_SHOW = upsert(shows, "id")


_MINE = (my_list.c.status.label("my_status"), my_list.c.score.label("my_score"), my_list.c.episodes_watched)
_WITH_MINE = shows.outerjoin(my_list, my_list.c.show_id == shows.c.id)
_WHOLE = select(shows, *_MINE).select_from(_WITH_MINE)
_WITHOUT_RECORDS = select(*(column for column in shows.c if column.name != "record"), *_MINE).select_from(_WITH_MINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The hashes that show whether a stored show is out of date, and whether it belongs to the sample."""

    content_hash: str
    text_hash: str
    sample: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRows:
    """Rows ready to be written: one per show, the full text by show id, and the provenance."""

    shows: Sequence[JsonObject]
    words: Mapping[str, dict[str, str]]
    mine: Sequence[dict[str, object]] = ()
    origins: Sequence[dict[str, object]] = ()

    def __add__(self, other: ShowRows) -> ShowRows:
        return ShowRows(
            shows=[*self.shows, *other.shows],
            words={**self.words, **other.words},
            mine=[*self.mine, *other.mine],
            origins=[*self.origins, *other.origins],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of shows in the catalogue, and how many of them belong to the sample."""

    shows: int
    sample: int


class Library(Database):
    """One catalogue in one database; confined to the loop that opened it."""

    def __init__(self, backend: DatabaseEngine, library_id: str) -> None:
        """Open the parts of the library on the same database: embeddings, the job journal, experiments."""
        super().__init__(backend, library_id)
        self.embeddings = EmbeddingStore(self)
        self.journal = JobJournal(self)
        self.experiments = ExperimentStore(self)

    # Shows

    async def store(
        self,
        rows: ShowRows,
        *,
        collection: str | None,
        once: Awaitable[None] | None = None,
        also: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    ) -> None:
        """Write shows with their full text, and record them as indexed in `collection`, in one transaction.

        `also` writes more in the same transaction. `once` is awaited before the commit; if it fails, nothing is stored.
        Raises LibraryError and what `once` raises.
        """
        if not rows.shows:
            return
        async with self.writing() as connection:
            await insert_many(connection, _PUT_SHOW, rows.shows)
            stored = await connection.execute(
                select(shows.c.id, shows.c.number).where(shows.c.id.in_([row["id"] for row in rows.shows]))
            )
            numbers = {row.id: row.number for row in stored}
            await provenance.put(connection, rows.mine, rows.origins)
            await words.put(connection, [{**row, "rowid": numbers[show_id]} for show_id, row in rows.words.items()])
            if collection is not None:
                held = {row["id"]: (row["content_hash"], row["text_hash"]) for row in rows.shows}
                await record_indexed(connection, collection, held)
            if also is not None:
                await also(connection)
            await self._bump_revision(connection)
            if once is not None:
                await once

    async def fingerprints(self, ids: Iterable[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of the ids that are in the catalogue."""
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

    async def put_text_hashes(self, hashes: Mapping[str, str]) -> None:
        """Store the text hashes of shows by id; shows without a vector for theirs count as not indexed."""
        if hashes:
            async with self.writing() as connection:
                for show_id, text_hash in hashes.items():
                    await connection.execute(update(shows).where(shows.c.id == show_id).values(text_hash=text_hash))
                await library_metadata.increase(connection, library_metadata.INDEXED)

    async def show(self, show_id: str) -> Show | None:
        """Return one complete show, or None."""
        return (await self.shows([show_id])).get(show_id)

    async def shows(self, ids: Iterable[str], *, records: bool = True) -> dict[str, Show]:
        """Return the shows that are in the catalogue; leaving out their `records` halves the time."""
        wanted = _WHOLE if records else _WITHOUT_RECORDS
        statements = [wanted.where(shows.c.id.in_(chunk)) for chunk in chunks(ids)]

        def read(connection: Connection) -> dict[str, Show]:
            return {row.id: _show(row) for statement in statements for row in connection.execute(statement)}

        return await self.read(read)

    async def best(self, limit: int) -> list[Show]:
        """Return the `k` best-rated shows, best first."""
        wanted: Select[Any] = _WITHOUT_RECORDS.order_by(
            shows.c.rating.desc().nulls_last(), shows.c.votes.desc().nulls_last(), shows.c.title, shows.c.id
        ).limit(limit)
        return await self.read(lambda connection: [_show(row) for row in connection.execute(wanted)])

    async def search_words(
        self, question: str, *, k: int, names: bool = True, ids: Sequence[str] | None = None
    ) -> list[WordHit]:
        """Return up to `k` shows, of `ids` if given, that share words with the question; see `full_text.search`."""
        return await self.read(partial(words.search, question=question, k=k, names=names, ids=ids))

    async def mentions(self, phrase: str) -> bool:
        """Return whether any title or description contains these words in sequence."""
        return await self.read(partial(words.occurs, phrase=phrase))

    async def counts(self) -> Counts:
        """Count the shows."""
        each = select(shows.c.import_id, func.count().label("number")).group_by(shows.c.import_id).subquery()
        wanted = (
            select(imports.c.kind, func.sum(each.c.number).label("number"))
            .select_from(each)
            .join(imports, each.c.import_id == imports.c.id)
            .group_by(imports.c.kind)
        )
        by_kind = {row.kind: int(row.number) for row in await self.rows(wanted)}
        return Counts(shows=sum(by_kind.values()), sample=by_kind.get(ImportKind.SAMPLE, 0))

    # Imports

    async def begin_import(self, kind: ImportKind, name: str, sha256: str) -> int:
        """Record the source of the shows that follow, and return the import's number."""
        async with self.writing() as connection:
            values = {"kind": kind, "name": name, "sha256": sha256, "created_at": now()}
            result = await connection.execute(insert(imports).values(**values))
            return int(result.inserted_primary_key[0])  # type: ignore[index] # set after an insert of one row

    async def has_own_shows(self) -> bool:
        """Return whether the catalogue contains shows besides the sample."""
        counts = await self.counts()
        return counts.shows > counts.sample

    async def remove_sample(self) -> int:
        """Remove the shows of the sample; their vectors become strays."""
        sample = select(imports.c.id).where(imports.c.kind == ImportKind.SAMPLE)
        async with self.writing() as connection:
            rows = await connection.execute(select(shows.c.number).where(shows.c.import_id.in_(sample)))
            numbers = [row.number for row in rows]
            if numbers:
                await words.remove(connection, numbers)
                await connection.execute(delete(shows).where(shows.c.import_id.in_(sample)))
                await self._bump_revision(connection)
            return len(numbers)


def show_rows(batch: Sequence[Document], import_id: int) -> ShowRows:
    """Return the rows that `store` writes for documents; 1,500 take half a second, so call it in a thread."""
    mine, origins = provenance.rows(batch, import_id)
    return ShowRows(
        shows=[_show_row(document, import_id) for document in batch],
        words={document.show.id: words.row(document) for document in batch},
        mine=mine,
        origins=origins,
    )


async def shows_in(connection: AsyncConnection, ids: Sequence[str]) -> dict[int, Show]:
    """Return stored shows by row number, as seen in the transaction."""
    rows = await connection.execute(_WHOLE.where(shows.c.id.in_(ids)))
    return {row.number: _show(row) for row in rows}


def _show_row(document: Document, import_id: int) -> dict[str, object]:
    show = document.show
    return {
        "id": show.id,
        "title": show.title,
        "titles": to_json(show.titles),
        "tags": to_json(show.tags),
        "description": show.description,
        "episodes": show.episodes,
        "year": show.year,
        "end_year": show.end_year,
        "rating": show.rating,
        "votes": show.votes,
        "relations": to_json([_related(item) for item in show.relations]),
        "similar": to_json([_related(item) for item in show.similar]),
        **show_details.to_columns(show),
        "record": to_json(dict(show.record)),
        "content_hash": document.content_hash,
        "text_hash": document.text_hash,
        "import_id": import_id,
    }


def _related(item: RelatedShow) -> dict[str, object]:
    # dataclasses.asdict makes deep copies, which take half the time of a row.
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
