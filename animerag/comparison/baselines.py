"""The baselines of Compare: the same work one request after another, or in a thread pool.

They use the vendors' synchronous clients, including their retries. Besides the adapters, only this module imports
openai and chromadb. Batches, vectors, metadata, prompts and servers are those of the app's own pipeline.
"""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.answering.prompting import build_prompt
from animerag.indexing.indexer import record_of
from animerag.models.retrieval import Source
from animerag.rate_limits import Meter
from animerag.telemetry.tracing import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import httpx2
    from chromadb.api.models.Collection import Collection

    from animerag.comparison.ports import Endpoint
    from animerag.models.shows import Show
    from animerag.ports import CollectionSpec, Vectors
    from animerag.query.titles import AliasIndex
    from animerag.text.documents import Document

_TIMEOUT_S = 120.0
_TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class BaselineStats:
    """The figures of a baseline's run; every method may be called from any of its threads."""

    spans: list[Span] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)
    failed: int = 0
    rate_limited: int = 0
    error: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def request(self, name: str, lane: int) -> Iterator[None]:
        """Time one call to the provider, including the retries of the vendor's client."""
        started_s = time.perf_counter()
        with self._lock:
            self.meter.start(started_s)
        try:
            yield
        finally:
            ended_s = time.perf_counter()
            with self._lock:
                self.meter.end(ended_s)
                self.latencies_s.append(ended_s - started_s)
                self.spans.append(Span(name, started_s, ended_s, lane))

    @contextmanager
    def span(self, name: str, lane: int = 0) -> Iterator[None]:
        """Time any other step."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.spans.append(Span(name, started_s, time.perf_counter(), lane))

    def fail(self, items: int, error: Exception) -> None:
        """Count items that failed."""
        with self._lock:
            self.failed += items
            self.error = self.error or f"{type(error).__name__}: {error}"

    def note_status(self, response: httpx2.Response) -> None:
        """Count responses with status 429, including those that the vendor's client retried."""
        with self._lock:
            self.rate_limited += response.status_code == _TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFixture:
    """The shows in the prepared collection, from which questions are answered, and a title match with a latency."""

    shows: Mapping[str, Show]
    aliases: AliasIndex
    alias_latency_s: float
    k: int


class Baseline:
    """The synchronous clients of one run. Use them from threads, never from the event loop."""

    def __init__(
        self, endpoint: Endpoint, spec: CollectionSpec, stats: BaselineStats, stopping: Callable[[], bool]
    ) -> None:
        """Open the clients, outside the measured time."""
        import openai

        self._stats = stats
        self._stopping = stopping
        self._endpoint = endpoint
        self._client = openai.OpenAI(
            api_key=endpoint.api_key,
            base_url=endpoint.base_url,
            timeout=_TIMEOUT_S,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [stats.note_status]}),
        )
        self._client.get("/models", cast_to=object)
        self._collection = _collection(endpoint, spec)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ingest(self, batches: Sequence[list[Document]], level: int) -> None:
        """Embed and write batches in `level` threads, one write at a time: parallel writes to Chroma are slower."""
        lock = threading.Lock()

        def import_batch(numbered: tuple[int, list[Document]]) -> None:
            lane, documents = numbered
            if self._stopping():
                return
            try:
                vectors = self._embed([document.text for document in documents], lane)
                with lock, self._stats.span("writing"):
                    self._write(documents, vectors)
            except Exception as error:  # noqa: BLE001 - a failed batch is counted, whatever the error
                self._stats.fail(len(documents), error)

        _each(import_batch, list(enumerate(batches)), level)

    def answer(self, questions: Sequence[str], fixture: SearchFixture, level: int) -> None:
        """Answer each question in sequence: title match, embedding, vector search, answer."""

        def ask(numbered: tuple[int, str]) -> None:
            lane, question = numbered
            if self._stopping():
                return
            try:
                by_title = self._match(question, fixture, lane)
                self._write_answer(question, [*by_title, *self._near(question, fixture, lane)], fixture, lane)
            except Exception as error:  # noqa: BLE001 - as above
                self._stats.fail(1, error)

        _each(ask, list(enumerate(questions)), level)

    def answer_overlapped(self, question: str, fixture: SearchFixture) -> None:
        """Answer one question, with the title match in a thread beside embedding and vector search."""
        try:
            with ThreadPoolExecutor(2) as pool:
                by_title = pool.submit(self._match, question, fixture, 0)
                by_vector = pool.submit(self._near, question, fixture, 0)
                ids = [*by_title.result(), *by_vector.result()]
            self._write_answer(question, ids, fixture, 0)
        except Exception as error:  # noqa: BLE001 - as above
            self._stats.fail(1, error)

    def _embed(self, texts: list[str], lane: int) -> Vectors:
        with self._stats.request("embedding", lane):
            answer = self._client.embeddings.create(
                model=self._endpoint.embedding_model, input=texts, encoding_format="base64"
            )
        # The client types them as floats, but the request was for base64.
        encoded: list[Any] = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        return np.stack([np.frombuffer(base64.b64decode(item), "<f4") for item in encoded])

    def _write(self, documents: list[Document], vectors: Vectors) -> None:
        records = [record_of(document, vector) for document, vector in zip(documents, vectors, strict=True)]
        metadata: list[Any] = [{k: v for k, v in record.metadata.items() if v is not None} for record in records]
        self._collection.upsert(ids=[record.id for record in records], embeddings=vectors, metadatas=metadata)

    def _match(self, question: str, fixture: SearchFixture, lane: int) -> list[str]:
        with self._stats.span("alias", lane):
            time.sleep(fixture.alias_latency_s)
            return [match.id for match in fixture.aliases.match(question) if match.named]

    def _near(self, question: str, fixture: SearchFixture, lane: int) -> list[str]:
        vector = self._embed([question], lane)
        with self._stats.span("vectors", lane):
            return self._collection.query(query_embeddings=vector, n_results=fixture.k, include=["distances"])["ids"][0]

    def _write_answer(self, question: str, ids: Sequence[str], fixture: SearchFixture, lane: int) -> str:
        best = list(dict.fromkeys(ids))[: fixture.k]
        prompt = build_prompt(question, [Source(show=fixture.shows[key], evidence=(), score=0.0) for key in best])
        with self._stats.request("model", lane):
            text = self._complete(prompt.system, prompt.user)
        if not text:
            raise ValueError("the model sent no answer")
        return text

    def _complete(self, system: str, user: str) -> str:
        model = self._endpoint.chat_model
        if self._endpoint.api == "responses":
            return self._client.responses.create(model=model, instructions=system, input=user).output_text
        answer = self._client.chat.completions.create(
            model=model, messages=[{"role": "system", "content": system}, {"role": "user", "content": user}]
        )
        return answer.choices[0].message.content or ""


def _collection(endpoint: Endpoint, spec: CollectionSpec) -> Collection:
    import chromadb
    from chromadb.config import DEFAULT_DATABASE, DEFAULT_TENANT, Settings

    client = chromadb.HttpClient(
        host=endpoint.chroma_url,
        headers={"x-chroma-token": endpoint.chroma_api_key} if endpoint.chroma_api_key else None,
        settings=Settings(anonymized_telemetry=False, chroma_server_ssl_verify=True),
        tenant=endpoint.chroma_tenant or DEFAULT_TENANT,
        database=endpoint.chroma_database or DEFAULT_DATABASE,
    )
    return client.get_collection(spec.name, embedding_function=None)


def _each(work: Callable[[Any], None], items: Sequence[Any], level: int) -> None:
    """Run `work` on every item, in this thread or in a pool of `level` threads."""
    if level == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(level) as pool:
        list(pool.map(work, items))
