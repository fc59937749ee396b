"""Measure how often an intent is recognised: by rules only, and with the examples where no rule decides.

    .venv/bin/python benchmarks/intents.py

`utterances.csv` was written independently of `animerag/query/intents.toml` and is not learnt from; X and Y stand for
titles.
"""

import asyncio
import csv
import re
from collections import defaultdict
from datetime import date
from pathlib import Path

from animerag.catalogue import sample
from animerag.models.providers import Priority
from animerag.providers.local import LocalEmbedder
from animerag.query.grammar import Named
from animerag.query.intents import likely
from animerag.query.lexicon import vocabulary
from animerag.query.reader import plan_of, read
from animerag.readers import read as read_shows

SHEET = Path(__file__).with_name("utterances.csv")


async def outcomes():
    """Return for each utterance: the intent that is meant, the one that rules see, and the one with examples."""
    with sample.catalogue() as path:
        words = vocabulary({tag for show in read_shows(path) for tag in show.tags})
    rows = list(csv.DictReader(SHEET.read_text(encoding="utf-8").splitlines()))
    readings = [read(row["utterance"], names_in(row["utterance"]), words, date(2026, 11, 30)) for row in rows]
    embedder = LocalEmbedder()
    try:
        vectors = (await embedder.embed([one.masked for one in readings], priority=Priority.INGEST)).vectors
    finally:
        await embedder.close()
    return [
        (row["intent"], plan_of(one).intent, plan_of(one, likely(vector)).intent)
        for row, one, vector in zip(rows, readings, vectors, strict=True)
    ]


def names_in(text):
    """Return the places of X and Y, as if they were titles."""
    return [
        Named(match.start(), match.end(), (match.group(),))
        for match in re.finditer(r"(?<![A-Za-z])[XY](?![A-Za-z])", text)
    ]


def main():
    counts = defaultdict(lambda: [0, 0, 0])
    for meant, by_rules, with_examples in asyncio.run(outcomes()):
        for name in (meant, "all"):
            counts[name] = [
                a + b for a, b in zip(counts[name], (1, by_rules == meant, with_examples == meant), strict=True)
            ]
    for name, (number, by_rules, with_examples) in counts.items():
        print(f"{name:12} rules {by_rules:3}, with examples {with_examples:3}, of {number:3}")


if __name__ == "__main__":
    main()
