"""Answers depend only on the catalogue, not on how it was imported or how many questions run at once."""

import asyncio
import json
import random

import pytest

from animerag.batch import export
from animerag.catalogue import sample
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority

QUESTIONS = (
    "Astronauts who collect trash in orbit",
    "What is AoT about?",
    "名前を書くと人が死ぬノートの話は？",
    "sad robots",
    "space",
    "a girl",
    "school life",
    "war and peace",
    "funny shows about food",
    "Which mecha shows are there before 1990?",
    "the most episodes",
    "best rated comedies",
    "something like Monster",
    "How many dramas are there?",
    "a boy meets a ghost and they travel together",
    "music",
    "detective",
    "shows with dragons",
    "a family moves to the country side",
    "宇宙の話",
    "学園コメディ",
    "tennis",
    "two brothers look for a way to get their bodies back",
    "a quiet show about nothing much",
    "monsters",
    "friends",
    "the end of the world",
    "a cook opens a restaurant",
    "time travel",
    "love triangle",
    "pirates",
    "What is the capital of Mongolia?",
)
ALIKE = 6  # shows that differ in no field and no word


@pytest.fixture
def catalogue(tmp_path):
    """The sample and some equal shows, in two orders."""
    with sample.catalogue() as path:
        shows = json.loads(path.read_text(encoding="utf-8"))["AniDB_Anime"]
    shows += [
        {
            "AnimeID": 900_000 + n,
            "MainTitle": f"Twin {n}",
            "AllTitles": f"Twin {n}|Twins",
            "Description": "A quiet show.",
        }
        for n in range(ALIKE)
    ]

    def written(seed):
        random.Random(seed).shuffle(shows)
        path = tmp_path / f"{seed}.json"
        path.write_text(json.dumps({"AniDB_Anime": shows}, ensure_ascii=False), encoding="utf-8")
        return SourceFile(path=path, name=path.name)

    return written


async def answers_of(settings, source, batch_size, levels):
    """Import into a fresh directory, ask every question at each level, and return the answers without timings."""
    async with open_services(settings, warm=False) as services:
        await services.ingestion.run([source], Control(), batch_size=batch_size)
        return [await asked(services, level) for level in levels]


async def asked(services, level):
    places = asyncio.Semaphore(level)

    async def ask(question):
        async with places:
            answer = await services.answering.ask(question, priority=Priority.BATCH, use_cache=False)
            values = export.answer_object(0, answer)
            return json.dumps({key: values[key] for key in values if key != "timings"}, ensure_ascii=False)

    return await asyncio.gather(*map(ask, QUESTIONS))


async def test_answers_do_not_depend_on_import_order_batches_or_concurrency(
    tmp_path, chroma_index_url, settings, catalogue
):
    first = await answers_of(settings, catalogue(1), 20, (1, 8))
    other = load_settings(data_dir=tmp_path / "other", chroma_url=chroma_index_url)
    second = await answers_of(other, catalogue(2), 50, (8, 1))
    for answers in (first[1], *second):
        assert [one for one, two in zip(answers, first[0], strict=True) if one != two] == []
