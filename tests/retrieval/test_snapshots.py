"""The catalogue in memory: after a change, only affected parts are read again."""

import pytest

from animerag.jobs.jobs import Control


@pytest.fixture
async def stored(services, export, record):
    rows = [record(1, "Alpha", "A harbour.", EpisodeCountNormal=12), record(2, "Beta", "A train.")]
    await services.ingestion.run([export(*rows)], Control())
    return services


async def test_a_change_of_the_list_is_seen_without_reading_titles_again(stored):
    before = await stored.retriever._catalogue.current()

    await stored.my_list.watched("1")
    after = await stored.retriever._catalogue.current()

    assert after.aliases is before.aliases
    assert after.revision > before.revision
    assert after.table.show("1").my_status == "completed"
    assert after.franchises.of("1").entry("1").show.my_status == "completed"


async def test_a_change_of_a_show_reads_titles_again(stored):
    before = await stored.retriever._catalogue.current()

    await stored.editing.edit("1", {"titles": ["Alpha", "Kaibutsu"]})
    after = await stored.retriever._catalogue.current()

    assert after.aliases is not before.aliases
    assert [match.id for match in await stored.retriever.match_titles("What is Kaibutsu about?")] == ["1"]


async def test_a_deleted_show_is_gone_at_once(stored):
    await stored.retriever._catalogue.current()

    await stored.editing.delete(["2"])
    after = await stored.retriever._catalogue.current()

    assert after.table.show("2") is None
    assert await stored.retriever.match_titles("What is Beta about?") == []
