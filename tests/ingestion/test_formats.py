"""Imports of every format: ids, overlaps, overlays and merges, with the real encoder, SQLite and Chroma."""

import pytest

from animerag.errors import InvalidInputError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.readers import ReadOptions

CATALOGUE = (
    "id,title,synonyms,synopsis,genres,episodes,year,score\n"
    '1,Alpha,"Al; A Tale",A boy finds a robot.,"Drama, Mecha",12,1999,8.1\n'
    "2,Beta,,A girl paints the sea.,Slice of Life,24,2004,7.5\n"
)


@pytest.fixture
def source(tmp_path):
    """Write a file and return it as a source."""

    def write(text, name="catalogue.csv", **about):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return SourceFile(path=path, name=name, **about)

    return write


@pytest.fixture
def take_in(services, source):
    """Import a file and return the report."""

    async def run(text, name="catalogue.csv", **about):
        return await services.ingestion.run([source(text, name, **about)], Control())

    return run


async def test_a_table_is_imported_once(services, take_in):
    first, again = await take_in(CATALOGUE), await take_in(CATALOGUE)
    assert (first.ingested, again.ingested, again.unchanged, again.catalogue) == (2, 0, 2, 2)
    show = await services.catalogue.show("1")
    assert (show.titles, show.tags, show.rating) == (("Alpha", "Al", "A Tale"), ("Drama", "Mecha"), 8.1)
    report = first.files[0]
    assert (report.shows, report.years, report.episodes) == (2, (1999, 2004), (12, 18.0, 24))
    assert report.columns["synopsis"] == "synopsis"


async def test_a_check_reports_what_an_import_reports(services, source):
    file = source(CATALOGUE + "x,,,,,,,\n3,Gamma,,,,many,2001,\n1,Alpha,,Newer.,,,,\n")
    checked, run = await services.ingestion.preview.check([file]), await services.ingestion.run([file], Control())
    assert (checked.files, checked.rows, checked.notes) == (run.files, run.rows, run.notes)
    assert (run.read, run.ingested, run.duplicate, run.quarantined) == (5, 3, 1, 1)
    assert [(error.line, error.reason) for error in run.rows] == [(4, "The row has no title.")]
    assert [(note.line, note.note.split(" ")[0]) for note in run.notes] == [(5, "The"), (2, "A")]


async def test_a_second_file_adds_and_updates_but_erases_nothing(services, take_in):
    await take_in(CATALOGUE)
    report = await take_in("id\ttitle\tsynopsis\n1\tAl\tA boy finds two robots.\n3\tGamma\t\n", "dump.tsv")
    assert (report.ingested, report.catalogue) == (2, 3)
    assert "The one ID already in your catalogue matches by title." in report.files[0].ids
    show = await services.catalogue.show("1")
    assert (show.title, show.titles, show.year) == ("Al", ("Al", "Alpha", "A Tale"), 1999)
    assert show.description == "A boy finds two robots."
    assert [outcomes.file for outcomes in await services.same_shows.provenance_of("1")] == ["dump.tsv", "catalogue.csv"]


async def test_a_file_of_another_site_never_overwrites(services, take_in):
    await take_in(CATALOGUE)
    other = "MAL_ID,Name,Episodes,Year\n1,Delta,12,2011\n2,Epsilon,1,2012\n7,Alpha,12,1999\n"
    report = await take_in(other, "other.csv")
    assert (report.files[0].id_prefix, report.catalogue) == ("mal", 5)
    assert (await services.catalogue.show("1")).title == "Alpha"
    assert (await services.catalogue.show("mal:1")).title == "Delta"
    chosen = await take_in("id,title\n1,Zeta\n", "more.csv", id_prefix="mine")
    assert (chosen.ingested, (await services.catalogue.show("mine:1")).title) == (1, "Zeta")


async def test_a_show_of_two_sites_is_offered_as_a_duplicate_and_merged_or_kept_separate(services, take_in):
    await take_in(CATALOGUE)
    other = "MAL_ID,Name,Episodes,Year,Genre\n1,Delta,12,2011,\n2,Beta,24,2004,Art\n7,Alpha,12,1999,Robots\n"
    await take_in(other, "other.csv", id_prefix="mal")
    same = services.same_shows
    assert [(pair.first.id, pair.second.id) for pair in await same.pairs()] == [("1", "mal:7"), ("2", "mal:2")]

    await same.keep_both("mal:2", "2")
    merged = await same.merge("1", "mal:7")

    assert await same.pairs() == []
    assert merged.tags == ("Drama", "Mecha")
    assert await services.catalogue.show("mal:7") is None
    assert (await services.maintenance.check()).healthy
    again = await take_in(other, "other.csv", id_prefix="mal")
    assert again.catalogue == 4
    assert (await services.catalogue.show("1")).tags == ("Robots",)
    assert (await services.maintenance.check()).healthy


async def test_a_list_of_a_user_overlays_the_catalogue_and_embeds_only_what_is_new(services, take_in):
    await take_in(CATALOGUE)
    entry = "<anime><series_animedb_id>{}</series_animedb_id><series_title>{}</series_title>{}</anime>"
    mine = "<my_watched_episodes>5</my_watched_episodes><my_score>9</my_score><my_status>Watching</my_status>"
    text = "<myanimelist>" + entry.format(1, "Alpha", mine) + entry.format(50, "Unknown", "") + "</myanimelist>"

    report = await take_in(text, "animelist.xml")

    assert (report.read, report.ingested, report.embedding_requests) == (2, 2, 1)
    show = await services.catalogue.show("1")
    assert (show.my_status, show.my_score, show.episodes_watched, show.description[:5]) == ("watching", 9, 5, "A boy")
    assert (await services.catalogue.show("50")).title == "Unknown"
    assert (await take_in(text, "animelist.xml")).unchanged == 2
    assert (await take_in(CATALOGUE)).unchanged == 2
    assert (await services.maintenance.check()).healthy


async def test_notes_are_found_by_their_text(services, take_in):
    await take_in(CATALOGUE)
    await take_in("# Rainy days\nA slow tale of a lighthouse keeper and his cat.\n", "notes.md")
    found = await services.retriever.search("who keeps a lighthouse with a cat?", priority=Priority.LIVE)
    assert found.sources[0].show.title == "Rainy days"
    assert found.sources[0].show.id.startswith("note:")


async def test_a_file_that_needs_a_choice_is_refused_until_it_is_made(services, take_in):
    text = "1,Alpha,A boy finds a robot.\n2,Beta,A girl paints.\n"
    with pytest.raises(InvalidInputError, match="Choose the title column"):
        await take_in(text)
    report = await take_in(text, options=ReadOptions(columns={"1": "id", "2": "title", "3": "synopsis"}))
    assert (report.ingested, (await services.catalogue.show("2")).title) == (2, "Beta")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_every_ugly_file_gives_the_same_catalogue_when_imported_twice(services, ugly):
    outcomes = {}
    for path in sorted(ugly.glob("*.*")):
        if path.name == "README.md":
            continue
        file = SourceFile(path=path, name=path.name)
        try:
            first = await services.ingestion.run([file], Control())
        except InvalidInputError as error:
            outcomes[path.name] = str(error)
            continue
        again = await services.ingestion.run([file], Control())
        assert first.read == first.ingested + first.unchanged + first.duplicate + first.quarantined
        assert (again.ingested, again.catalogue, again.rows) == (0, first.catalogue, first.rows), path.name
        outcomes[path.name] = (first.ingested, first.duplicate, first.quarantined)
    assert (await services.maintenance.check()).healthy
    refused = [outcome for outcome in outcomes.values() if isinstance(outcome, str)]
    assert len(refused) == 9
    assert all(sentence.endswith(".") for sentence in refused)
    assert outcomes["duplicate_ids.csv"] == (5, 2, 0)
