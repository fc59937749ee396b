"""Write the table of related English words that ships with the package.

    pip install wordfreq && .venv/bin/python benchmarks/related_words.py

The words are the 30,000 most frequent ones in `wordfreq` 3.1 (CC BY-SA 4.0), without stop words; only their order is
used. The similarity is the cosine similarity of the encoder's vectors, scaled from 0.5 (0) to 1 (1). Takes two minutes.
"""

import asyncio
import re
from pathlib import Path

import numpy as np
from wordfreq import top_n_list

from animerag.models.providers import Priority
from animerag.providers.local import LocalEmbedder
from animerag.retrieval import related_words
from animerag.text.tokens import STOP_WORDS

WORDS, NEIGHBOURS, LEAST = 30_000, 12, 0.5
TOGETHER = 1024


def english():
    """Return the words, the most frequent first."""
    usable = (word for word in top_n_list("en", 2 * WORDS) if re.fullmatch("[a-z]{3,}", word))
    return [word for word in usable if word not in STOP_WORDS][:WORDS]


async def encoded(words):
    embedder = LocalEmbedder()
    try:
        parts = [words[start : start + TOGETHER] for start in range(0, len(words), TOGETHER)]
        return np.concatenate([(await embedder.embed(part, priority=Priority.INGEST)).vectors for part in parts])
    finally:
        await embedder.close()


def nearest(vectors):
    """Return for each word the positions of its nearest words, best first, and their similarities from 0 to 255."""
    for start in range(0, len(vectors), TOGETHER):
        similarity = np.round(vectors[start : start + TOGETHER] @ vectors.T, 4)
        similarity[np.arange(len(similarity)), start + np.arange(len(similarity))] = 0
        for row in similarity:
            best = np.argsort(-row, kind="stable")[:NEIGHBOURS]
            best = best[row[best] > LEAST]
            yield best, np.round((row[best] - LEAST) / (1 - LEAST) * related_words.STEPS)


def write(words, vectors):
    places, nearness = zip(*nearest(vectors), strict=True)
    np.savez_compressed(
        Path(related_words.__file__).with_name(related_words.FILE),
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        ends=np.cumsum([len(row) for row in places]).astype(np.uint32),
        related=np.concatenate(places).astype(np.uint16),
        nearness=np.concatenate(nearness).astype(np.uint8),
    )


if __name__ == "__main__":
    written = english()
    write(written, asyncio.run(encoded(written)))
