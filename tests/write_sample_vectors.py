"""Compute the sample's vectors again: `python tests/write_sample_vectors.py`."""

import asyncio
from pathlib import Path

import numpy as np

from animerag import readers
from animerag.catalogue import sample
from animerag.models.providers import Priority
from animerag.providers.encoder_model import MODEL
from animerag.providers.local import LocalEmbedder
from animerag.text.documents import Document, text_hash


async def sample_vectors():
    """Encode the sample's texts and return the vectors by text hash."""
    with sample.catalogue() as path:
        texts = [Document.of(show).text for show in readers.read(path)]
    embedder = LocalEmbedder()
    try:
        made = (await embedder.embed(texts, priority=Priority.INGEST)).vectors
    finally:
        await embedder.close()
    return {text_hash(text): vector for text, vector in zip(texts, made, strict=True)}


if __name__ == "__main__":
    made = asyncio.run(sample_vectors())
    path = Path(sample.__file__).with_name("vectors.npz")
    np.savez(path, model=np.array(MODEL), text_hashes=np.array(list(made)), vectors=np.stack(list(made.values())))
