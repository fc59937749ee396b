"""Complete answers are the same in SQLite and PostgreSQL, with titles and fields in memory and in the database."""

import csv
import sys
from importlib.resources import files

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.jobs.jobs import Control

QUESTIONS = (
    "how many movies are there",
    "horor from the 90s",
    "shows with more than 20 episodes and without sequels, oldest first",
    "average rating by decade",
    "in which order should I watch Clannad",
    "recommend me something like Mushishi but longer",
    "compare Trigun and Samurai Champloo",
    "which franchise has the most shows",
    "進撃の巨人は何話",
    "a boy finds a notebook that kills people",
)


def asked():
    text = files("animerag.catalogue.sample").joinpath("questions.csv").read_text(encoding="utf-8")
    return [*QUESTIONS, *[row["question"] for row in csv.DictReader(text.splitlines())][::12]]


async def answers(stores, titles_in_memory):
    """Return status, text and sources with distances by question."""
    async with open_services(load_settings(**stores, titles_in_memory=titles_in_memory), warm=False) as services:
        await services.catalogue.import_sample(Control())
        return {question: _complete(await services.answering.ask(question)) for question in asked()}


def _complete(answer):
    sources = [(one.show.id, one.found_by, round(one.score, 4)) for one in answer.sources]
    return answer.status, answer.text, answer.citations, answer.notes, answer.standalone, sources


async def test_both_databases_and_both_places_of_titles_give_the_same_answers(settings, postgresql_url, tmp_path):
    stores = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
    there = {**stores, "data_dir": tmp_path / "other", "database_url": postgresql_url}
    expected = await answers(stores, sys.maxsize)
    assert await answers(stores, 0) == expected
    assert await answers(there, 0) == expected
