"""The configuration and counts of a catalogue, read without heavy imports and without starting a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.indexing.collections import name_of
from animerag.providers.encoder_model import DIMENSIONS, EXTRACTIVE, MODEL
from animerag.saved_settings import SETTING, from_facts
from animerag.storage.sqlite import summary
from animerag.vector_store.chroma_server import ServerFiles

if TYPE_CHECKING:
    from animerag.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The effective settings, the models, and the counts of the catalogue; `indexed` is None if unknown."""

    settings: Settings
    provider: str
    chat_model: str
    embedding_model: str
    dimensions: int
    shows: int
    indexed: int | None


def read(settings: Settings) -> Overview | None:
    """Return the overview for the embedded encoder.

    None if the services have to be opened: for a library that is missing, damaged or from another version, and for a
    provider that may have to be asked for its vector width.
    """
    library = summary.read(settings.database_path) if settings.database_path is not None else None
    if library is None:
        return None
    saved = {
        key.removeprefix(SETTING): value for key, value in library.facts.items() if key.startswith(SETTING) and value
    }
    settings = settings.with_saved(from_facts(saved))
    if settings.provider_for(settings.embedding_provider) != "local":
        return None
    answers = settings.provider_for(settings.chat_provider)
    return Overview(
        settings=settings,
        provider="local",
        chat_model=EXTRACTIVE if answers == "local" else settings.chat_model,
        embedding_model=MODEL,
        dimensions=DIMENSIONS,
        shows=library.shows,
        indexed=library.indexed.get(name_of(library.facts["library_id"], MODEL, DIMENSIONS), 0),
    )


def chroma_address(settings: Settings) -> str | None:
    """Return the address of the configured Chroma server, or of the local one if it is running."""
    return settings.chroma_url or ServerFiles(settings.data_dir / "chroma").live_url()
