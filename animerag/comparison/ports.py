"""What a comparison needs from outside: a provider to measure against, and a sandbox to measure in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from animerag.answering.answering import Answering
    from animerag.batch.runner import Batch
    from animerag.comparison.plan import ExperimentPlan
    from animerag.indexing.indexer import Indexer
    from animerag.ingestion.importer import Ingestion
    from animerag.models.providers import Priority
    from animerag.rate_limits import LevelChoice


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
    """What a provider itself saw of a run: the seconds it spent on requests, and how many it refused."""

    provider_s: float
    rate_limited: int


class ObservableProvider(Protocol):
    """A provider for the length of an experiment."""

    @property
    def endpoint(self) -> Endpoint:
        """Return where it is."""
        ...

    async def reset(self) -> None:
        """Start over: limits unused, statistics at zero."""
        ...

    async def observed(self) -> Observed | None:
        """Return what it saw since `reset`; None where it does not report that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Our own services over a scratch catalogue."""

    indexer: Indexer
    ingestion: Ingestion
    answering: Answering
    batch: Batch


class Bench(Protocol):
    """Opens what experiments need; the composition root has the only one."""

    @property
    def directory(self) -> Path:
        """Return where scratch catalogues lie."""
        ...

    def provider(
        self, plan: ExperimentPlan, settings: Mapping[str, object]
    ) -> AbstractAsyncContextManager[ObservableProvider]:
        """Open the provider a plan is run against. Raises ProviderError, InvalidInputError."""
        ...

    def check(self, settings: Mapping[str, object]) -> None:
        """Raise InvalidInputError for settings that no simulator can have."""
        ...

    def scratch(
        self, endpoint: Endpoint, directory: Path, *, level: LevelChoice, alias_latency_s: float, early_start: bool
    ) -> AbstractAsyncContextManager[Sandbox]:
        """Open warmed services on a library in `directory`, with a gate of their own at `level`."""
        ...

    def why_not_configured(self) -> str | None:
        """Return why the configured provider cannot be measured, or None."""
        ...

    def prices(self) -> Mapping[str, float | None]:
        """Return USD per million tokens of the configured models: `embedding`, `input`, `output`."""
        ...

    def fixed_by(self, setting: str) -> str | None:
        """Return the environment variable that fixes a setting, or None."""
        ...

    def set_level(self, priority: Priority, level: int) -> None:
        """Use a level from now on."""
        ...
