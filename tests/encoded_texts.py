"""Encodes texts that ship with their vectors, and hashes them, so that outdated vectors are recognised."""

import asyncio
import hashlib

import numpy as np

from animerag.models.providers import Priority
from animerag.providers.local import LocalEmbedder


def texts_hash(texts):
    """Return a hash of all texts."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def encoded(texts):
    """Return a vector for each text, by the embedded encoder."""

    async def encode():
        embedder = LocalEmbedder()
        try:
            return (await embedder.embed(texts, priority=Priority.INGEST)).vectors
        finally:
            await embedder.close()

    return asyncio.run(encode())


def save(path, texts):
    """Write the vectors of texts with their hash."""
    np.savez(path, texts_hash=np.array(texts_hash(texts)), vectors=encoded(texts).astype(np.float16))
