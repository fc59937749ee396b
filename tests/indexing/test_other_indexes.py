"""Indexes of other models: listed, and deleted only when asked to."""

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control
from animerag.simulator import SimulatorSettings
from animerag.simulator.server import listening


@pytest.fixture
async def moved(opened, export, record):
    """A library of three shows that was indexed for the embedded model and then for another one."""
    rows = [record(number, f"T{number}", f"Text number {number}.") for number in range(1, 4)]
    async with opened() as services:
        await services.ingestion.run([export(*rows)], Control())
    async with listening(SimulatorSettings(embed_latency_s=0)) as url:
        async with opened(openai_base_url=url, chat_provider="local") as services:
            await services.ingestion.reindex(Control())
            yield services


async def test_an_earlier_index_stays_and_is_listed_with_its_vectors(moved):
    listed = await moved.maintenance.other_indexes()

    assert [(spec.model, spec.dimensions, held) for spec, held in listed] == [
        ("universal-sentence-encoder-multilingual-3", 512, 3)
    ]


async def test_a_deleted_index_is_gone_with_its_vectors_and_the_one_in_use_stays(moved, opened):
    [(spec, _)] = await moved.maintenance.other_indexes()

    await moved.maintenance.delete_index(spec)

    assert await moved.maintenance.other_indexes() == []
    assert (await moved.maintenance.check()).healthy
    async with opened() as earlier:
        missing = await earlier.ingestion.preview.missing()
        assert (missing.read, (await earlier.catalogue.status()).not_indexed) == (3, 3)
        report = await earlier.ingestion.reindex(Control())
        assert report.embedding_requests == 1  # nothing of it is left


async def test_the_index_in_use_and_a_deleted_one_cannot_be_deleted(moved):
    current = await moved.maintenance._indexer.spec()
    [(other, _)] = await moved.maintenance.other_indexes()
    await moved.maintenance.delete_index(other)

    for spec in (current, other):
        with pytest.raises(InvalidInputError, match="in use or has already been deleted"):
            await moved.maintenance.delete_index(spec)
    assert (await moved.maintenance.check()).healthy


async def test_collections_of_other_libraries_are_not_listed(moved, tmp_path, settings):
    own = load_settings(data_dir=tmp_path / "elsewhere", chroma_url=settings.chroma_url)
    async with open_services(own, warm=False) as stranger:
        assert await stranger.maintenance.other_indexes() == []
