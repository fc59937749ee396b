"""Opens the provider that an experiment measures, and services on a scratch catalogue.

Only this module and `composition.py` connect adapters with services.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.answering.answering import Answering
from animerag.batch.runner import Batch
from animerag.comparison.ports import Endpoint, Observed, Sandbox
from animerag.config import variable
from animerag.indexing.indexer import Indexer
from animerag.ingestion.importer import Ingestion
from animerag.jobs.import_lock import ImportLock
from animerag.models.providers import Priority
from animerag.rate_limits import Gate
from animerag.retrieval.retriever import Retriever
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults
from animerag.storage.disk_space import Space
from animerag.storage.library import Library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from animerag.comparison.plan import ExperimentPlan
    from animerag.config import Settings
    from animerag.models.json_types import JsonObject
    from animerag.ports import OpenIndex
    from animerag.query.titles import AliasMatch
    from animerag.rate_limits import LevelChoice


class SlowTitles(Retriever):
    """A retriever whose title match takes as long as a title service on a network."""

    def __init__(self, indexer: Indexer, latency_s: float) -> None:
        super().__init__(indexer)
        self._latency_s = latency_s

    async def match_titles(self, question: str) -> list[AliasMatch]:
        """Match titles after the latency."""
        await asyncio.sleep(self._latency_s)
        return await super().match_titles(question)


@dataclass(frozen=True, slots=True)
class ScratchBench:
    """Opens providers and scratch services for experiments."""

    settings: Settings
    index: OpenIndex
    gate: Gate

    @property
    def directory(self) -> Path:
        """Return the directory of scratch catalogues."""
        return self.settings.data_dir / "scratch"

    @asynccontextmanager
    async def provider(self, plan: ExperimentPlan, settings: Mapping[str, object]) -> AsyncIterator[MeasuredProvider]:
        """Open the provider of a plan: the simulator or the configured one. Raises ProviderError, InvalidInputError."""
        await self.index.start()
        if plan.against == "configured":
            yield MeasuredProvider(self._endpoint(self.settings.openai_base_url, self.settings.provider_key))
            return
        async with SimulatorProcess(_simulated(settings)) as simulator:
            yield MeasuredProvider(self._endpoint(simulator.url, None, simulated=True), simulator)

    def _endpoint(self, base_url: str | None, key: str | None, *, simulated: bool = False) -> Endpoint:
        from animerag.providers.openai import DIMENSIONS
        from animerag.providers.openai_errors import NO_KEY

        settings = self.settings
        embedding_model = "text-embedding-3-small" if simulated else settings.embedding_model
        return Endpoint(
            base_url=base_url,
            api_key=key or NO_KEY,
            embedding_model=embedding_model,
            chat_model="gpt-5-nano" if simulated else settings.chat_model,
            api="responses" if simulated or settings.api == "auto" else settings.api,
            dimensions=DIMENSIONS[embedding_model] if simulated else None,
            simulated=simulated,
            chroma_url=self.index.url or "",
            chroma_api_key=settings.chroma_api_key.get_secret_value() if settings.chroma_api_key else None,
            chroma_tenant=self.index.tenant,  # the URL of a local server changes at each start
            chroma_database=settings.chroma_database,
        )

    def check(self, settings: Mapping[str, object]) -> None:
        """Raise InvalidInputError for settings that the simulator cannot have."""
        _simulated(settings)

    @asynccontextmanager
    async def scratch(
        self, endpoint: Endpoint, directory: Path, *, level: LevelChoice, alias_latency_s: float, early_start: bool
    ) -> AsyncIterator[Sandbox]:
        """Open warm services on a library in `directory`, with a gate of their own at `level`."""
        from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder

        async with contextlib.AsyncExitStack() as stack:
            library = await Library.open(directory / "library.db")
            stack.push_async_callback(library.close)
            locks = await library.locks(directory)
            stack.callback(locks.close)
            # The configured limits apply only to the user's own provider.
            rpm, tpm = (None, None) if endpoint.simulated else (self.settings.max_rpm, self.settings.max_tpm)
            gate = Gate(ingest=level, query=level, max_rpm=rpm, max_tpm=tpm)
            connection = OpenAIConnection(api_key=endpoint.api_key, base_url=endpoint.base_url, gate=gate)
            embedder = OpenAIEmbedder(
                connection,
                model=endpoint.embedding_model,
                dimensions=endpoint.dimensions,
                asked_dimensions=None if endpoint.simulated else self.settings.embedding_dimensions,
            )
            stack.push_async_callback(embedder.close)
            await embedder.warm()
            indexer = Indexer(library, self.index, embedder)
            chat = OpenAIChat(connection, model=endpoint.chat_model, api=self.settings.api)
            retriever = SlowTitles(indexer, alias_latency_s)
            await retriever.warm()
            answering = Answering(retriever, chat, early_start=early_start)
            yield Sandbox(
                indexer=indexer,
                ingestion=Ingestion(
                    indexer,
                    ImportLock(locks.imports),
                    Space(directory),
                    batch_size=self.settings.batch_size,
                    level=lambda: gate.level(Priority.INGEST),
                    set_level=lambda choice: gate.set_level(Priority.INGEST, choice),
                    rounds=lambda: gate.rounds(Priority.INGEST),
                ),
                answering=answering,
                batch=Batch(answering, level=lambda: gate.level(Priority.BATCH)),
            )

    def why_not_configured(self) -> str | None:
        """Return why the configured provider cannot be measured; None if it can."""
        settings = self.settings
        for choice, does in ((settings.embedding_provider, "embeds"), (settings.chat_provider, "answers")):
            if settings.provider_for(choice) == "local":
                return (
                    f"The embedded default {does} here. It uses no network, so there is nothing to overlap:"
                    " set OPENAI_API_KEY or OPENAI_BASE_URL to measure your own provider."
                )
        return None

    def prices(self) -> dict[str, float | None]:
        """Return USD per million tokens of the configured models: `embedding`, `input`, `output`."""
        from animerag.providers.pricing import OUTPUT, price_table

        table, chat = price_table(self.settings.prices), self.settings.chat_model
        return {
            "embedding": table.get(self.settings.embedding_model),
            "input": table.get(chat),
            "output": table.get(chat + OUTPUT, table.get(chat)),
        }

    def fixed_by(self, setting: str) -> str | None:
        """Return the environment variable that fixes a setting, or None."""
        return variable(setting) if setting in self.settings.fixed else None

    def set_level(self, priority: Priority, level: int) -> None:
        """Set the level of the app's own gate."""
        self.gate.set_level(priority, level)


@dataclass(frozen=True, slots=True)
class MeasuredProvider:
    """A provider for the length of an experiment; only the simulator reports its own figures."""

    endpoint: Endpoint
    simulator: SimulatorProcess | None = None

    async def reset(self) -> None:
        """Reset limits and statistics."""
        if self.simulator is not None:
            await self.simulator.reset()

    async def observed(self) -> Observed | None:
        """Return the figures since `reset`; None if the provider reports none."""
        if self.simulator is None:
            return None
        stats = await self.simulator.stats(times=True)
        spent_s = sum(visit.finished_s - visit.arrived_s for visit in stats.times if visit.finished_s is not None)
        return Observed(provider_s=spent_s, rate_limited=stats.rate_limited)


def _simulated(settings: Mapping[str, object]) -> SimulatorSettings:
    values: JsonObject = dict(settings)
    if isinstance(values.get("faults"), str):
        values["faults"] = parse_faults(values["faults"])
    return SimulatorSettings(**values)
