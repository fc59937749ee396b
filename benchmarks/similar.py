"""Measure how often a hidden "similar" vote is recovered, beside popularity, plain vectors and plain tags.

For each show in `ANIMERAG_DATA_DIR` with at least three similar shows, one of them is hidden in both directions, and
the first ten results of each method are checked. Nothing is written.
"""

import argparse
import asyncio
import random
from dataclasses import replace

import numpy as np

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.discovery.collection import Collection
from animerag.discovery.franchises import Franchises
from animerag.discovery.similarity import likeness, one_of_each
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.storage import show_fields

FIRST = 10
WEIGHED = 200


async def main(sample, seed):
    async with open_services(load_settings(), warm=False) as services:
        shows = {show.id: show for show in show_fields.shows_of(await show_fields.load(services.library))}
        spec = await services.retriever._indexer.spec()
        stored = await services.index.vectors(spec, list(shows))
    ids = sorted(stored)
    vectors = np.stack([stored[one][1] for one in ids])
    chance = random.Random(seed)
    linked = [
        show
        for show in shows.values()
        if len([one for one in show.similar if one.id in stored]) > 2 and show.id in stored
    ]
    chosen = chance.sample(sorted(linked, key=lambda show: show.id), min(sample, len(linked)))
    popular = sorted(shows.values(), key=lambda show: -(show.votes or 0))
    hits = dict.fromkeys(("votes, vectors and tags", "plain vectors", "popularity"), 0)
    for show in chosen:
        hidden = chance.choice([one.id for one in show.similar if one.id in stored])
        visible = dict(shows)
        visible[show.id] = replace(show, similar=tuple(one for one in show.similar if one.id != hidden))
        other = shows[hidden]
        visible[hidden] = replace(other, similar=tuple(one for one in other.similar if one.id != show.id))
        near = vectors @ stored[show.id][1]
        order = np.argsort(-near)[:WEIGHED]
        view = Collection(
            table=FieldsInMemory(visible.values()),
            franchises=Franchises(visible.values()),
            likeness={ids[place]: float(near[place]) for place in order},
        )
        own = set(view.franchises.of(show.id).ids)
        scores = likeness([visible[show.id]], view)
        ours = [one for one in sorted(scores, key=lambda one: (-scores[one], one)) if one not in own]
        rankings = {
            "votes, vectors and tags": list(one_of_each(ours, view)),
            "plain vectors": [ids[place] for place in order if ids[place] not in own],
            "popularity": [one.id for one in popular if one.id not in own],
        }
        wanted = set(view.franchises.of(hidden).ids)
        for name, ranked in rankings.items():
            hits[name] += bool(wanted & set(ranked[:FIRST]))
    for name, number in hits.items():
        print(f"{name}: {number} of {len(chosen)} among the first {FIRST} ({number / len(chosen):.0%})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(main(options.sample, options.seed))
