"""Chroma as the vector index: a local server that is started on demand, or one at a URL.

All errors of chromadb and httpx are translated here; no other module knows that Chroma uses HTTP.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from animerag.concurrency import outwait
from animerag.errors import IndexBrokenError, VectorStoreError, reason_of
from animerag.ports import CollectionSpec, MetadataValue, Neighbour, VectorIndex, VectorRecord, Vectors
from animerag.vector_store.chroma_collections import (
    PackableRow,
    check_widths,
    chunks,
    close_pool,
    open_collection,
    spec_of,
    storable,
)
from animerag.vector_store.chroma_server import ServerAddress, ServerLease
from animerag.vector_store.reachability import is_unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection

T = TypeVar("T")

_READ_S, _WRITE_S = 15.0, 60.0
_LISTED = 100  # collections per page
_ROWS = 5000  # the server rejects more than 5461 rows per call
_WRITE_BYTES = 3 * 2**20  # 500 rows of 1536: less costs the server time, more blocks the loop; 40 MB are rejected
_QUERY_ROWS = 50
_QUERY_IDS = 30_000  # SQLite rejects more than 32,766 values in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connection:
    client: AsyncClientAPI
    url: str
    tenant: str | None
    collections: dict[str, AsyncCollection] = field(default_factory=dict)


class ChromaIndex:
    """A `VectorIndex` over one Chroma server. Use and close it on one event loop; it connects at the first call.

    Pass either `directory`, whose server is reused or started, and restarted if it dies, or the `url` of another
    server, with `api_key`, `tenant` and `database` if it needs them. `until_started` answers queries until a call has
    reached the server or failed: importing the client and starting the server take a second.
    """

    # chromadb's clients share one connection pool per loop, so only the last index of a loop may close it.
    _by_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[ChromaIndex]]] = WeakKeyDictionary()

    def __init__(
        self,
        directory: Path | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        tenant: str | None = None,
        database: str | None = None,
        until_started: VectorIndex | None = None,
    ) -> None:
        if (directory is None) == (url is None):
            raise ValueError("give either a directory or a URL")
        self._lease = ServerLease(directory) if directory is not None else None
        self._remote_url = url.rstrip("/") if url else None
        self._api_key, self._tenant, self._database = api_key, tenant, database
        self._until_started = until_started
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._closed = self._imported = self._has_answered = False

    @property
    def mode(self) -> Literal["local", "remote"]:
        """Return whether the server is local or remote."""
        return "local" if self._lease else "remote"

    @property
    def url(self) -> str | None:
        """Return the server's address; None before a local server is connected."""
        return self._connection.url if self._connection else self._remote_url

    @property
    def tenant(self) -> str | None:
        """Return the tenant of the index; None for the default one, or before a local server is connected."""
        return self._connection.tenant if self._connection else self._tenant

    @property
    def starting(self) -> bool:
        """Return whether `until_started` answers queries."""
        return self._until_started is not None

    async def launch(self) -> None:
        """Start a local server without importing its client. Raises VectorStoreError."""
        await self._address()

    async def start(self) -> None:
        """Connect now. Raises VectorStoreError."""
        await self._call(_READ_S, _done)

    async def close(self) -> None:
        """Close connections and release the local server, which exits when no other process uses it."""
        self._closed = True
        if self._lease:
            await self._lease.release()  # also cancels a start in progress
        async with self._connecting:
            self._connection = None
            sharing = self._by_loop.get(asyncio.get_running_loop())
            if sharing is not None:
                sharing.discard(self)
                if not sharing:
                    await close_pool()

    async def discard_broken(self, reason: str) -> bool:
        """Let a local server move its data aside and start with none; see `VectorIndex.discard_broken`."""
        if self._lease is None:
            return False
        await self._lease.report_broken(reason)
        async with self._connecting:
            self._connection = None
        return True

    async def ensure(self, spec: CollectionSpec) -> None:
        """Create the collection; see `VectorIndex.ensure`. Raises VectorStoreError."""

        async def nothing(_collection: AsyncCollection) -> None:
            """Do nothing: opening the collection creates it."""

        await self._use(spec, _READ_S, nothing, create=True)

    async def upsert(self, spec: CollectionSpec, records: Sequence[VectorRecord]) -> None:
        """Write records; see `VectorIndex.upsert`. Raises VectorStoreError."""
        check_widths(spec, [record.vector.shape for record in records])
        rows = min(_ROWS, max(1, _WRITE_BYTES // (4 * spec.dimensions)))
        for chunk in chunks(records, rows):
            await self._write(spec, chunk)

    async def query(
        self, spec: CollectionSpec, vectors: Vectors, *, k: int, ids: Sequence[str] | None = None
    ) -> list[list[Neighbour]]:
        """Find neighbours; see `VectorIndex.query`. Raises VectorStoreError."""
        check_widths(spec, [row.shape for row in vectors])
        if self._until_started is not None:
            return await self._until_started.query(spec, vectors, k=k, ids=ids)
        # The nearest neighbours overall are among the nearest of each group of ids, so the groups can be merged.
        # Filtering a larger result here could miss every permitted show.
        groups = [None] if ids is None else list(chunks(list(dict.fromkeys(ids)), _QUERY_IDS))
        results: list[list[Neighbour]] = []
        for rows in chunks(vectors, _QUERY_ROWS):
            answers = [await self._use(spec, _READ_S, partial(_nearest, rows, k, group)) for group in groups]
            results += [_merge([answer[row] for answer in answers if answer], k) for row in range(len(rows))]
        return results

    async def delete(self, spec: CollectionSpec, ids: Sequence[str]) -> None:
        """Remove records; see `VectorIndex.delete`. Raises VectorStoreError."""

        async def remove(collection: AsyncCollection) -> None:
            for chunk in chunks(list(dict.fromkeys(ids)), _ROWS):
                await collection.delete(ids=chunk)

        if ids:
            await self._use(spec, _WRITE_S, remove)

    async def metadata(self, spec: CollectionSpec, keys: Sequence[str]) -> dict[str, dict[str, MetadataValue]]:
        """Read metadata; see `VectorIndex.metadata`. Raises VectorStoreError."""

        async def read(collection: AsyncCollection) -> dict[str, dict[str, MetadataValue]]:
            results: dict[str, dict[str, MetadataValue]] = {}
            offset = 0
            while (page := await collection.get(limit=_ROWS, offset=offset, include=["metadatas"]))["ids"]:
                rows: Sequence[Any] = page["metadatas"] or []
                for show_id, stored in zip(page["ids"], rows, strict=True):
                    results[show_id] = {key: stored[key] for key in keys if stored and key in stored}
                offset += len(page["ids"])
            return results

        return await self._use(spec, _WRITE_S, read) or {}

    async def vectors(self, spec: CollectionSpec, ids: Sequence[str]) -> dict[str, tuple[str, Vectors]]:
        """Read vectors; see `VectorIndex.vectors`. Raises VectorStoreError."""
        if self._until_started is not None:
            return await self._until_started.vectors(spec, ids)

        async def read(collection: AsyncCollection) -> dict[str, tuple[str, Vectors]]:
            results: dict[str, tuple[str, Vectors]] = {}
            for chunk in chunks(ids, _QUERY_ROWS * 10):
                page = await collection.get(ids=list(chunk), include=["embeddings", "metadatas"])
                rows: Any = page["embeddings"]
                for show_id, row, stored in zip(page["ids"], rows, page["metadatas"] or [], strict=True):
                    results[show_id] = str((stored or {}).get("text_hash")), np.asarray(row, np.float32)
            return results

        return await self._use(spec, _WRITE_S, read) or {}

    async def count(self, spec: CollectionSpec) -> int:
        """Count records; see `VectorIndex.count`. Raises VectorStoreError."""
        return await self._use(spec, _READ_S, lambda collection: collection.count()) or 0

    async def collections(self, prefix: str) -> list[tuple[CollectionSpec, int]]:
        """Return collections; see `VectorIndex.collections`. Raises VectorStoreError."""

        async def look(connection: _Connection) -> list[tuple[CollectionSpec, int]]:
            results: list[tuple[CollectionSpec, int]] = []
            offset = 0
            while page := await connection.client.list_collections(limit=_LISTED, offset=offset):
                own = [one for one in page if one.name.startswith(prefix)]
                results += [(spec_of(one), await one.count()) for one in own]
                offset += len(page)
            return results

        return await self._call(_WRITE_S, look)

    async def drop(self, spec: CollectionSpec) -> None:
        """Delete the collection; see `VectorIndex.drop`. Raises VectorStoreError."""

        async def delete(connection: _Connection) -> None:
            from chromadb.errors import NotFoundError

            connection.collections.pop(spec.name, None)
            try:
                await connection.client.delete_collection(spec.name)
            except NotFoundError:
                return

        await self._call(_WRITE_S, delete)

    async def _write(self, spec: CollectionSpec, records: Sequence[VectorRecord]) -> None:
        ids = [record.id for record in records]
        vectors: Any = [np.asarray(record.vector, np.float32).view(PackableRow) for record in records]
        metadata: Any = [storable(record.metadata) for record in records]
        await self._use(
            spec,
            _WRITE_S,
            lambda collection: collection.upsert(ids=ids, embeddings=vectors, metadatas=metadata),
            create=True,
        )

    async def _use(
        self,
        spec: CollectionSpec,
        limit_s: float,
        work: Callable[[AsyncCollection], Awaitable[T]],
        *,
        create: bool = False,
    ) -> T | None:
        """Do `work` on the collection; None if it does not exist and `create` is not set."""

        async def attempt(connection: _Connection) -> T | None:
            from chromadb.errors import NotFoundError

            if known := connection.collections.get(spec.name):
                try:
                    return await work(known)
                except NotFoundError:  # dropped, and perhaps recreated, by another process
                    connection.collections.pop(spec.name, None)
            collection = await open_collection(connection.client, spec, create=create)
            if collection is None:
                return None
            connection.collections[spec.name] = collection
            return await work(collection)

        return await self._call(limit_s, attempt)

    async def _call(self, limit_s: float, work: Callable[[_Connection], Awaitable[T]]) -> T:
        """Do `work`; bulk work waits for another's server that restarts."""
        try:
            return await outwait(partial(self._once, limit_s, work), away=self._is_away)
        finally:
            self._until_started = None

    def _is_away(self, error: Exception) -> bool:
        """Return whether another's server that has answered before cannot be reached; ours has been started again.

        A server that never answered may have the wrong address, which the user should learn at once.
        """
        away = self._has_answered and self._lease is None
        return away and isinstance(error, VectorStoreError) and is_unreachable(error)

    async def _once(self, limit_s: float, work: Callable[[_Connection], Awaitable[T]]) -> T:
        """Do `work`, retry it once on a new server if ours has died, and translate errors."""
        import httpx  # before the thread does: another vendor must not see it half imported

        if not self._imported:  # on the loop, everything else would wait for half a second
            await asyncio.gather(asyncio.to_thread(import_module, "chromadb"), self._address())
            self._imported = True
        from chromadb.errors import InternalError

        tries = 2 if self._lease else 1
        while True:
            tries -= 1
            connection = None
            try:
                connection = await self._connected()
                async with asyncio.timeout(limit_s):
                    result = await work(connection)
            except VectorStoreError:
                raise
            except httpx.TransportError as error:
                if not tries:
                    raise IndexBrokenError(
                        f"Chroma cannot be reached at {self.url}: {reason_of(error)}. Check that it runs."
                    ) from error
                if connection is self._connection:
                    self._connection = None
            except TimeoutError as error:
                raise VectorStoreError(
                    f"Chroma at {self.url} did not answer within {limit_s:g} s: try again."
                ) from error
            except InternalError as error:
                if "is full" in str(error):  # SQLite's message for a full disk; the data is sound
                    if self._lease:  # after that, Chroma may hang in later writes; a new server does not
                        await self._lease.end_server()
                        self._connection = None
                    raise VectorStoreError(f"Chroma rejected a request: {reason_of(error)}.") from error
                raise IndexBrokenError(
                    f"Chroma's data is damaged: {reason_of(error)}. Run `animerag doctor --repair`."
                ) from error
            except Exception as error:  # chromadb raises a plain Exception for replies it cannot read
                raise VectorStoreError(f"Chroma rejected a request: {reason_of(error)}.") from error
            else:
                self._has_answered = True
                return result

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._closed:
                raise VectorStoreError("The vector index is closed: open it again.")
            if self._connection is None:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> _Connection:
        self._by_loop.setdefault(asyncio.get_running_loop(), WeakSet()).add(self)
        address = await self._address()
        import chromadb
        from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings

        settings = Settings.model_construct(  # without chromadb's own variables of the environment and `.env`
            anonymized_telemetry=False,
            # Otherwise chromadb verifies no certificate. A server without TLS has none, and reading those of all
            # authorities takes 0.05 s.
            chroma_server_ssl_verify=not address.url.startswith("http://"),
            # With a key, the server determines tenant and database.
            chroma_overwrite_singleton_tenant_database_access_from_auth=self._api_key is not None,
        )
        async with asyncio.timeout(_READ_S):
            client = await chromadb.AsyncHttpClient(
                host=address.url,
                headers={"x-chroma-token": self._api_key} if self._api_key else None,
                settings=settings,
                tenant=address.tenant or DEFAULT_TENANT,
                database=self._database or DEFAULT_DATABASE,
            )
        return _Connection(client=client, url=address.url, tenant=address.tenant)

    async def _address(self) -> ServerAddress:
        return await self._lease.address() if self._lease else ServerAddress(str(self._remote_url), self._tenant)


async def _nearest(
    rows: Vectors, k: int, ids: list[str] | None, collection: AsyncCollection
) -> list[list[Neighbour]] | None:
    from chromadb.errors import InternalError

    try:
        result = await collection.query(query_embeddings=rows, n_results=k, ids=ids, include=["distances"])
    except InternalError:
        # Chroma answers this if one of the ids is not in the collection: repeat for those that are.
        stored = (await collection.get(ids=ids, include=[]))["ids"] if ids else []
        if ids is None or len(stored) == len(ids):
            raise
        return await _nearest(rows, k, stored, collection) if stored else None
    return [
        [Neighbour(id=show_id, distance=distance) for show_id, distance in zip(row, distances, strict=True)]
        for row, distances in zip(result["ids"], result["distances"] or [], strict=True)
    ]


async def _done(_connection: _Connection) -> None:
    """Do nothing: the connection is enough."""


def _merge(rankings: Sequence[Sequence[Neighbour]], k: int) -> list[Neighbour]:
    return sorted((neighbour for ranking in rankings for neighbour in ranking), key=lambda one: one.distance)[:k]
