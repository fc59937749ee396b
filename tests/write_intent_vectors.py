"""Write the vectors of the examples of intents: `python tests/write_intent_vectors.py`."""

import asyncio
import hashlib
from pathlib import Path

import numpy as np

from animerag.models.providers import Priority
from animerag.providers.local import LocalEmbedder
from animerag.query import intents


def examples_hash():
    """Return a hash of all examples, by which outdated vectors are recognised."""
    return hashlib.sha256("\n".join(f"{intent}\t{text}" for intent, text in intents.examples()).encode()).hexdigest()


async def encoded():
    """Encode the examples, in their order."""
    embedder = LocalEmbedder()
    try:
        return (await embedder.embed([text for _, text in intents.examples()], priority=Priority.INGEST)).vectors
    finally:
        await embedder.close()


if __name__ == "__main__":
    path = Path(intents.__file__).with_name("intents.npz")
    np.savez(path, examples_hash=np.array(examples_hash()), vectors=asyncio.run(encoded()).astype(np.float16))
