"""Suggestions: no finished show, no sequel of an unwatched show, and each with its reason."""

import pytest

from animerag.jobs.jobs import Control

LIST = {"1": ("completed", 9.0, 26), "4": ("watching", None, 5), "5": ("on_hold", None, 2), "8": ("completed", 7.0, 1)}


@pytest.fixture
async def suggested(services, export, record):
    def show(number, title, rating, **fields):
        return record(number, title, f"{title} is a story.", Rating=rating, VoteCount=900, **fields)

    rows = [
        show(1, "Alpha", 850, EpisodeCountNormal=26, BeginYear=1994),
        show(2, "Alpha 2nd Season", 910, EpisodeCountNormal=12, BeginYear=1996),
        show(3, "Beta", 700, EpisodeCountNormal=12),
        show(4, "Gamma", 600, EpisodeCountNormal=12),
        show(5, "Delta", 650, EpisodeCountNormal=24),
        show(6, "Epsilon", 880, EpisodeCountNormal=12, BeginYear=2001),
        show(7, "Epsilon 2nd Season", 990, EpisodeCountNormal=12, BeginYear=2003),
        show(8, "Zeta", 800, EpisodeCountNormal=1),
        show(9, "Eta", 870, EpisodeCountNormal=12, Restricted="1"),
    ]
    await services.ingestion.run([export(*rows)], Control())
    async with services.library.changing() as connection:
        for show_id, entry in LIST.items():
            await connection.exec_driver_sql("INSERT INTO my_list VALUES (?, ?, ?, ?)", (show_id, *entry))
    return await services.suggestions.suggested(8)


async def test_started_shows_are_ordered_by_remaining_episodes(suggested):
    assert [(one.show.title, one.reason) for one in suggested.started] == [
        ("Gamma", "Next: episode 6 of 12"),
        ("Delta", "Next: episode 3 of 24, on hold"),
    ]


async def test_sequels_of_completed_shows_are_suggested(suggested):
    assert [(one.show.title, one.reason) for one in suggested.following] == [("Alpha 2nd Season", "Continues Alpha")]


async def test_the_best_unseen_leaves_out_sequels_begun_and_restricted_shows(suggested):
    assert [one.show.title for one in suggested.unseen] == ["Epsilon", "Beta"]
    assert suggested.unseen[0].reason == "Rated by 900 people"


@pytest.mark.parametrize(
    ("question", "titles"),
    [
        ("what should I finish first?", ["Gamma", "Delta"]),
        ("sequels of shows I finished that I have not seen", ["Alpha 2nd Season"]),
        ("sequels of shows I finished that I have not seen, rated above 9.5", []),
        ("which show with more than 20 episodes am I closest to finishing", ["Delta"]),
    ],
)
async def test_questions_get_the_same_lists(services, suggested, question, titles):
    fact = (await services.retriever.search(question)).fact

    assert [show.title for show in (await services.library.shows(fact.ids)).values()] == titles
    assert fact.complete


async def test_an_empty_catalogue_suggests_nothing(services):
    found = await services.suggestions.suggested(4)
    assert (found.unseen, found.started, found.following) == ((), (), ())
