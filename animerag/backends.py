"""Opens what the settings choose: the embedder, the chat model and the vector index."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import contextlib

    from animerag.config import Settings
    from animerag.ports import ChatModel, CollectionSpec, Embedder, Memory, OpenIndex
    from animerag.rate_limits import Gate
    from animerag.storage.library import Library

_EXACT_BYTES = 64 * 2**20  # 30,000 shows with 512 dimensions: read in 0.2 s, compared in 10 ms


async def open_providers(
    settings: Settings, gate: Gate, stack: contextlib.AsyncExitStack, memory: Memory | None = None
) -> tuple[Embedder, Embedder, ChatModel]:
    """Return the embedded encoder, which always recognises intents, the embedder of shows, and the chat model.

    `stack` closes them. `memory` stores the vector width that a server returns.
    """
    from animerag.providers.local import ExtractiveAnswerer, LocalEmbedder

    local = LocalEmbedder()
    stack.push_async_callback(local.close)
    embedder: Embedder = local
    chat: ChatModel = ExtractiveAnswerer(local)
    embeds = settings.provider_for(settings.embedding_provider)
    answers = settings.provider_for(settings.chat_provider)
    if "openai" in (embeds, answers):
        from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
        from animerag.providers.pricing import DEFAULT_PRICES

        connection = OpenAIConnection(api_key=settings.provider_key, base_url=settings.openai_base_url, gate=gate)
        prices = {**DEFAULT_PRICES, **settings.prices}
        if embeds == "openai":
            embedder = OpenAIEmbedder(
                connection,
                model=settings.embedding_model,
                prices=prices,
                asked_dimensions=settings.embedding_dimensions,
                memory=memory,
            )
            stack.push_async_callback(embedder.close)
        if answers == "openai":
            chat = OpenAIChat(
                connection,
                model=settings.chat_model,
                api=settings.api,
                reasoning_effort=settings.reasoning_effort,
                verbosity=settings.verbosity,
                prices=prices,
            )
            stack.push_async_callback(chat.close)
    return local, embedder, chat


async def open_index(
    settings: Settings, library: Library, embedder: Embedder, *, serverless: bool, warm: bool
) -> OpenIndex:
    """Return Chroma, or an exact search over the library's vectors if `serverless` allows it.

    If `warm` announces that Chroma will be started in the background, exact search answers until then.
    """
    directory = settings.data_dir / "chroma"
    exact = None
    if (serverless or warm) and not settings.chroma_url:
        small = await library.embeddings.size_bytes(embedder.model) <= _EXACT_BYTES
        exact = _exact_index(library) if small else None
    if exact is not None and serverless:
        from animerag.vector_store.chroma_server import ServerFiles

        if await asyncio.to_thread(ServerFiles(directory).live_url) is None:
            return exact
    from animerag.vector_store.chroma import ChromaIndex

    return ChromaIndex(
        None if settings.chroma_url else directory,
        url=settings.chroma_url,
        api_key=settings.chroma_api_key.get_secret_value() if settings.chroma_api_key else None,
        tenant=settings.chroma_tenant,
        database=settings.chroma_database,
        until_started=exact if warm else None,
    )


def _exact_index(library: Library) -> OpenIndex:
    from animerag.vector_store.exact import ExactIndex, StoredVectors

    async def load(spec: CollectionSpec) -> StoredVectors:
        ids, hashes, matrix = await library.embeddings.of_shows(spec.model, spec.dimensions)
        return StoredVectors(ids=tuple(ids), text_hashes=tuple(hashes), matrix=matrix)

    return ExactIndex(library.revision, load)
