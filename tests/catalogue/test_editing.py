"""Edits and deletions of shows: an edit survives later imports, and a deletion can be undone until the next one."""

import pytest

from animerag.composition import open_services
from animerag.errors import InvalidInputError, VectorStoreError
from animerag.jobs.jobs import Control

pytestmark = pytest.mark.both_databases


@pytest.fixture
def source(export, record):
    return lambda text="A surgeon saves a boy.", rating=800: export(
        {**record(1, "Monster", text), "Rating": rating}, record(2, "Planetes", "Astronauts collect trash.")
    )


@pytest.fixture
async def shows(services, source):
    await services.ingestion.run([source()], Control())
    return services


async def test_an_edit_is_indexed_and_can_be_searched_at_once(shows):
    before = await shows.library.revision()
    await shows.editing.edit("1", {"title": "Monstrum", "description": "A baker feeds pigeons.", "tags": ["bread"]})

    assert await shows.library.revision() > before
    assert (await shows.library.show("1")).title == "Monstrum"
    found = await shows.retriever.search("somebody who bakes and gives bread to birds")
    assert found.sources[0].show.id == "1"
    assert (await shows.maintenance.check()).healthy
    assert await shows.editing.changed("1") == ["description", "tags", "title"]


async def test_an_edit_survives_the_next_upload_of_its_file(shows, source):
    await shows.editing.edit("1", {"title": "Monstrum", "rating": 9.5})
    report = await shows.ingestion.run([source(text="A surgeon hunts a boy.", rating=700)], Control())

    show = await shows.library.show("1")
    assert (show.title, show.rating, show.description) == ("Monstrum", 9.5, "A surgeon hunts a boy.")
    assert (report.ingested, report.unchanged) == (1, 1)
    again = await shows.ingestion.run([source(text="A surgeon hunts a boy.", rating=700)], Control())
    assert (again.ingested, again.unchanged) == (0, 2)


@pytest.mark.parametrize(
    "changes", [{"title": "Monstrum"}, {"rating": 9.5}, {"year": 2004}, {"titles": ["M"]}, {"type": "movie"}]
)
async def test_an_edited_field_is_stored_and_the_next_upload_counts_as_unchanged(shows, source, changes):
    await shows.editing.edit("1", changes)
    [(name, value)] = changes.items()
    stored = getattr(await shows.library.show("1"), name)
    assert (list(stored) if name == "titles" else stored) == value

    again = await shows.ingestion.run([source()], Control())
    assert (again.ingested, again.unchanged, again.embedding_requests) == (0, 2, 0)
    assert (await shows.maintenance.check()).healthy


async def test_edits_add_up_and_can_be_discarded(shows, source):
    await shows.editing.edit("1", {"title": "Monstrum"})
    await shows.editing.edit("1", {"episodes": 74})
    assert await shows.editing.changed("1") == ["episodes", "title"]

    await shows.editing.forget("1")
    await shows.ingestion.run([source()], Control())
    assert (await shows.library.show("1")).title == "Monster"
    assert await shows.editing.changed("1") == []


async def test_list_entries_are_changed_without_embedding(shows):
    before = await shows.ingestion.preview.missing()
    await shows.editing.edit("1", {"my_status": "completed", "my_score": 9.0})

    show = await shows.library.show("1")
    assert (show.my_status, show.my_score) == ("completed", 9.0)
    assert before == await shows.ingestion.preview.missing()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"title": "  "}, "needs a title"),
        ({"year": 12}, "Year must be between 1900 and 2200"),
        ({"rating": 11}, "Rating must be between 0 and 10"),
        ({"description": "x" * 100_001}, "longer than 100,000"),
        ({"tags": [str(n) for n in range(201)]}, "more than 200 tags"),
        ({"id": "2"}, "id cannot be edited"),
    ],
)
async def test_an_invalid_value_is_refused_and_changes_nothing(shows, changes, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        await shows.editing.edit("1", {"episodes": 74, **changes})
    assert (await shows.library.show("1")).episodes != 74
    assert await shows.editing.changed("1") == []


async def test_a_deleted_show_cannot_be_edited(shows):
    with pytest.raises(InvalidInputError, match="no longer in the catalogue"):
        await shows.editing.edit("nobody", {"title": "x"})


async def test_a_deleted_show_is_removed_everywhere_until_it_is_imported_again(shows, source):
    await shows.editing.edit("1", {"title": "Monstrum"})
    assert await shows.editing.delete(["1", "nobody"]) == 1

    assert await shows.library.show("1") is None
    found = await shows.retriever.search("A surgeon saves a boy.")
    assert [one.show.id for one in found.sources] == ["2"]
    health = await shows.maintenance.check()
    assert (health.healthy, health.shows) == (True, 1)

    report = await shows.ingestion.run([source()], Control())
    assert (report.ingested, report.embedding_requests) == (1, 0)  # its vector was not deleted
    assert (await shows.library.show("1")).title == "Monster"


def forbid_embedding(services, monkeypatch):
    async def refuse(*_, **__):
        raise AssertionError("an undo must not embed")

    monkeypatch.setattr(services.embedder, "embed", refuse)


async def test_a_deletion_is_undone_completely_after_a_restart_without_embedding(shows, settings, monkeypatch):
    await shows.editing.edit("1", {"title": "Monstrum", "my_score": 9.0})
    before, files = await shows.library.show("1"), await shows.same_shows.provenance_of("1")
    revision = await shows.library.revision()
    await shows.editing.delete(["1"])
    async with open_services(settings, warm=False) as reopened:
        forbid_embedding(reopened, monkeypatch)
        assert [one.title for one in await reopened.editing.deleted()] == ["Monstrum"]
        assert await reopened.editing.undo(["1"]) == ["1"]
        assert await reopened.editing.deleted() == []
        assert await reopened.library.show("1") == before
        assert await reopened.same_shows.provenance_of("1") == files
        assert await reopened.editing.changed("1") == ["my_score", "title"]
        assert [hit.id for hit in await reopened.library.search_words("surgeon", k=3)] == ["1"]
        assert (await reopened.maintenance.check()).healthy
        assert await reopened.library.revision() > revision + 1


async def test_deletions_are_undone_in_any_order_and_each_once(shows):
    await shows.editing.delete(["1"])
    await shows.editing.delete(["2"])
    assert [one.id for one in await shows.editing.deleted()] == ["2", "1"]
    await shows.editing.undo(["1"])
    await shows.editing.delete(["1"])
    await shows.editing.undo(["2", "1"])
    assert (await shows.library.counts()).shows == 2
    with pytest.raises(InvalidInputError, match="can no longer be undone"):
        await shows.editing.undo(["1"])


async def test_an_import_makes_deletions_final_and_an_edit_does_not(shows, export, record):
    await shows.editing.delete(["1"])
    await shows.editing.edit("2", {"year": 2003})
    assert [one.id for one in await shows.editing.deleted()] == ["1"]
    await shows.ingestion.run([export(record(3, "Mushishi"), name="more.json")], Control())
    assert await shows.editing.deleted() == []
    with pytest.raises(InvalidInputError, match="import the show's file again"):
        await shows.editing.undo(["1"])


async def test_a_deletion_can_be_undone_after_a_file_that_cannot_be_read(shows, tmp_path, source):
    await shows.editing.delete(["1"])
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(InvalidInputError):
        await shows.ingestion.run([type(source())(path=broken, name="broken.json")], Control())
    assert [one.id for one in await shows.editing.deleted()] == ["1"]


async def test_shows_are_deleted_and_restored_while_chroma_is_unavailable_and_indexed_later(shows, monkeypatch):
    async def away(*_, **__):
        raise VectorStoreError("Chroma is away.")

    for name in ("delete", "upsert"):
        monkeypatch.setattr(shows.index, name, away)
    await shows.editing.delete(["1"])
    await shows.editing.undo(["1"])
    assert (await shows.library.counts()).shows == 2
    monkeypatch.undo()
    forbid_embedding(shows, monkeypatch)
    assert (await shows.maintenance.repair()).healthy


async def test_type_and_dates_can_be_changed_and_the_season_follows(shows, source):
    changed = await shows.editing.edit("1", {"type": "ova", "air_date": "2004-04", "end_date": "2005-09-28"})
    assert changed == await shows.library.show("1")
    assert (changed.type, changed.type_inferred, changed.season) == ("ova", False, "spring")
    await shows.ingestion.run([source(text="A surgeon hunts a boy.")], Control())
    later = await shows.library.show("1")
    assert (later.type, later.air_date, later.season) == ("ova", "2004-04", "spring")
    assert (await shows.editing.edit("1", {"air_date": ""})).season is None


@pytest.mark.parametrize("changes", [{"type": "book"}, {"air_date": "yesterday"}, {"end_date": "2012-02-30"}])
async def test_an_unknown_type_or_date_is_refused(shows, changes):
    with pytest.raises(InvalidInputError):
        await shows.editing.edit("1", changes)
