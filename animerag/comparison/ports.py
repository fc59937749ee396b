"""The values that connect an experiment with its environment: endpoint, provider figures and scratch services."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from animerag.answering.answering import Answering
    from animerag.batch.runner import Batch
    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the measured requests go: a provider and a Chroma server."""

    base_url: str | None
    api_key: str = field(repr=False)
    embedding_model: str
    chat_model: str
    api: str
    dimensions: int | None
    simulated: bool = False
    chroma_url: str = ""
    chroma_api_key: str | None = field(default=None, repr=False)
    chroma_tenant: str | None = None
    chroma_database: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The provider's own figures of a run: its seconds for all requests, and the requests that it refused."""

    provider_s: float
    rate_limited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The app's services on a scratch catalogue."""

    indexer: Indexer
    ingestion: Ingestion
    answering: Answering
    batch: Batch
