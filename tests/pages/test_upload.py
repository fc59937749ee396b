"""Upload: the card of a file, and the options with which its import starts."""

import json

from animerag.readers.columns import Column
from animerag.readers.detection import Detection
from animerag.ui import session
from animerag.ui.upload import preview_rows
from tests.pages.screen import plain, until, visit, words


def test_the_preview_begins_with_the_fields_that_are_read():
    names = (("AniDB_AnimeID", None), ("Synopsis", "synopsis"), ("AnimeID", "id"), ("MainTitle", "title"))
    columns = tuple(
        Column(place=place, heading=heading, field=field, certain=True) for place, (heading, field) in enumerate(names)
    )
    found = Detection(name="a.csv", format="table", columns=columns, sample=(("7", "They walk.", "1", "Alpha"),))
    [row] = preview_rows(found)
    assert list(row.values()) == ["Alpha", "1", "They walk.", "7"]
    assert list(row) == ["title (MainTitle)", "id (AnimeID)", "synopsis (Synopsis)", "AniDB_AnimeID"]


def test_a_batch_size_that_was_chosen_is_used(sampled, record):
    export = json.dumps({"AniDB_Anime": [record(1, "Alpha"), record(2, "Beta"), record(3, "Gamma")]}).encode()
    visit(sampled, "upload").file_uploader[0].set_value(("mine.json", export, "application/json")).run()
    assert "3 new" in plain(words(sampled))
    assert sampled.selectbox(key="upload_concurrency").disabled, "the embedded model has no requests in flight"
    sampled.number_input(key="upload_batch_size").set_value(2).run()
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "3 of 3 rows stored" in words(page))
    assert session.services().jobs.latest("ingest").report.batches == 2
