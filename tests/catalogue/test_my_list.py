"""Your list, changed by a click: effects of status and progress, and values that a later import does not change."""

import asyncio

import pytest

from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def mine(services, export, record):
    """A show of three episodes and one of unknown length."""
    shows = [record(1, "Monster", "A surgeon.", EpisodeCountNormal=3), record(2, "Planetes", "Trash in orbit.")]
    await services.ingestion.run([export(*shows)], Control())
    return services


async def test_the_last_episode_completes_a_show_and_the_first_begins_it(mine):
    first = await mine.my_list.next_episode("1")
    assert (first.my_status, first.episodes_watched) == ("watching", 1)
    await asyncio.gather(mine.my_list.next_episode("1"), mine.my_list.next_episode("1"))
    show = await mine.library.show("1")
    assert (show.my_status, show.episodes_watched) == ("completed", 3)
    with pytest.raises(InvalidInputError, match="has 3 episodes: 4 cannot be watched"):
        await mine.my_list.next_episode("1")


async def test_a_completed_show_is_watched_to_its_end_where_that_is_known(mine):
    assert (await mine.my_list.watched("1")).episodes_watched == 3
    assert (await mine.my_list.watched("2")).episodes_watched is None
    dropped = await mine.my_list.update("2", status="dropped", progress=2, score=3.5)
    assert (dropped.my_status, dropped.episodes_watched, dropped.my_score) == ("dropped", 2, 3.5)
    assert (await mine.my_list.next_episode("2")).my_status == "dropped"


async def test_an_update_survives_the_next_import_and_embeds_nothing(mine, export, record):
    await mine.my_list.update("1", progress=2, score=9)
    again = await mine.ingestion.run([export(record(1, "Monster", "A surgeon.", EpisodeCountNormal=3))], Control())
    assert (again.unchanged, again.embedding_requests) == (1, 0)
    show = await mine.library.show("1")
    assert (show.episodes_watched, show.my_score) == (2, 9)


@pytest.mark.parametrize("change", [{"score": 11}, {"progress": -1}, {"status": "asleep"}])
async def test_an_invalid_value_is_refused_and_changes_nothing(mine, change):
    with pytest.raises(InvalidInputError):
        await mine.my_list.update("1", **change)
    show = await mine.library.show("1")
    assert (show.my_status, show.episodes_watched, show.my_score) == (None, None, None)


async def test_an_unknown_show_is_named_in_a_sentence(mine):
    with pytest.raises(InvalidInputError, match="no longer in the catalogue"):
        await mine.my_list.watched("404")
