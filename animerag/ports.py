"""The protocols that providers and vector stores implement: an embedder, a chat model and a vector index.

Implementations translate every vendor exception into `animerag.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from animerag.models.answers import Finish, Prompt
    from animerag.models.providers import Priority, ProviderName, Usage

Vectors: TypeAlias = NDArray[np.float32]
MetadataValue: TypeAlias = "str | int | float | bool | list[str] | None"
SEARCHED_COMPLETELY = 2000  # an index compares a question with up to so many vectors, if its graph leads to them


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Vectors of shape (n, dimensions), float32, one row per text in the given order, and their usage."""

    vectors: Vectors
    usage: Usage


class Memory(Protocol):
    """Key-value metadata that outlives the process."""

    async def get_meta(self, key: str) -> str | None:
        """Return a value, or None. Raises LibraryError."""

    async def set_meta(self, key: str, value: str) -> None:
        """Store a value in place of an earlier one. Raises LibraryError."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    provider: ProviderName
    model: str

    async def dimensions(self) -> int:
        """Return the number of dimensions; the provider is asked once if no table has it."""
        ...

    async def known_dimensions(self) -> int | None:
        """Return the number of dimensions without asking the provider; None if only its next response tells it."""
        ...

    async def embed(self, texts: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed `texts` in one request.

        Raises ProviderError (see `animerag.errors` for what each kind of it means).
        """
        ...

    def cost_usd(self, tokens: int) -> float | None:
        """Return the cost of embedding so many tokens; None if the price is unknown, 0 if it is free."""
        ...

    async def warm(self) -> None:
        """Load weights or open connections, so that the first real call does not have to."""
        ...

    async def close(self) -> None:
        """Release threads and connections."""
        ...


class ChatModel(Protocol):
    """Turns a question and its sources into an answer."""

    provider: ProviderName
    model: str

    def stream(self, prompt: Prompt, *, priority: Priority) -> AsyncGenerator[str | Finish, None]:
        """Yield pieces of text and then exactly one `Finish`; closing the generator stops the request.

        Raises ProviderError.
        """
        ...

    async def check(self) -> str:
        """Check at no cost that the provider has this model, and describe it in a sentence. Raises ProviderError."""
        ...

    async def close(self) -> None:
        """Release threads and connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSpec:
    """The collection for one library, model, number of dimensions and text recipe. Distances are cosine distances."""

    name: str
    model: str
    dimensions: int
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRecord:
    """One show as stored in the index; a metadata value of None removes the key from the stored record."""

    id: str
    vector: Vectors
    metadata: Mapping[str, MetadataValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A stored vector near a question; a cosine distance of 0 is the same direction."""

    id: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorHits:
    """A question's vector and its nearest neighbours in the whole catalogue; computed for many questions at once."""

    vector: Vectors
    neighbours: Sequence[Neighbour]


# Waits for a vector that is being computed elsewhere; None means that the question must be embedded.
Locate: TypeAlias = "Callable[[], Awaitable[VectorHits | Vectors | None]]"


class VectorIndex(Protocol):
    """Stores vectors and finds the nearest ones. Every method raises VectorStoreError."""

    @property
    def starting(self) -> bool:
        """Return whether another search stands in until the index has been started: its content is not known yet."""
        ...

    async def launch(self) -> None:
        """Start the index's own server, if it has one and it does not run; connecting to it is a later call's work."""
        ...

    async def start(self) -> None:
        """Connect now rather than with the first call."""
        ...

    async def ensure(self, spec: CollectionSpec) -> None:
        """Create the collection if it does not exist."""
        ...

    async def upsert(self, spec: CollectionSpec, records: Sequence[VectorRecord]) -> None:
        """Write records, new or changed; ids must be unique within the call. An empty sequence is a no-op."""
        ...

    async def query(
        self, spec: CollectionSpec, vectors: Vectors, *, k: int, ids: Sequence[str] | None = None
    ) -> list[list[Neighbour]]:
        """Return up to `k` neighbours, nearest first, for each row of `vectors` (n, dimensions).

        `ids` restricts the search to those records.
        """
        ...

    async def delete(self, spec: CollectionSpec, ids: Sequence[str]) -> None:
        """Remove records; unknown ids are no error."""
        ...

    async def metadata(self, spec: CollectionSpec, keys: Sequence[str]) -> dict[str, dict[str, MetadataValue]]:
        """Return the named metadata keys of every record, by id. An absent collection is empty."""
        ...

    async def vectors(self, spec: CollectionSpec, ids: Sequence[str]) -> dict[str, tuple[str, Vectors]]:
        """Return the text hash and the vector of those records that exist, by id."""
        ...

    async def discard_broken(self, reason: str) -> bool:
        """Move the data of a broken index aside; return False if the server is not managed by this app."""
        ...

    async def count(self, spec: CollectionSpec) -> int:
        """Return the number of records in the collection; 0 if it does not exist."""
        ...

    async def collections(self, prefix: str) -> list[tuple[CollectionSpec, int]]:
        """Return the collections whose name starts with `prefix`, each with its number of records."""
        ...

    async def drop(self, spec: CollectionSpec) -> None:
        """Delete the collection; an absent one is no error."""
        ...


class OpenIndex(VectorIndex, Protocol):
    """A vector index that can be closed, and whose location is known."""

    @property
    def mode(self) -> Literal["local", "remote", "in process"]:
        """Return its location: a local server, a remote one, or read-only in this process."""
        ...

    @property
    def url(self) -> str | None:
        """Return the server's address; None if none is connected."""
        ...

    @property
    def tenant(self) -> str | None:
        """Return the tenant of the index; None for the default one."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
