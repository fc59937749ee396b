"""Lists are exported and imported without loss, and differences are shown before they are written."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animerag import readers
from animerag.catalogue.list_export import as_csv, as_xml, is_listed
from animerag.cli import main
from animerag.errors import InvalidInputError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.imports import RowError
from animerag.models.shows import Show
from animerag.readers import cells

STATUSES = ("watching", "completed", "on_hold", "dropped", "plan_to_watch")
TITLES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["=1+1", "'=x", "-", "@home", "Q&A <b>", "]]>", " モンスター ", "|", '"a"', "+1;2"]),
).map(cells.text)


@st.composite
def shows(draw):
    """Return shows of a list with different ids and titles."""
    titles = draw(st.lists(TITLES.filter(str.strip), min_size=1, max_size=6, unique=True))
    return [
        Show(
            id=draw(st.sampled_from([f"{number}", f"mal:{number}", f"title:{number:012x}"])),
            title=title,
            episodes=draw(st.none() | st.integers(1, 2000)),
            my_status=draw(st.none() | st.sampled_from(STATUSES)),
            my_score=draw(st.none() | st.integers(1, 100).map(lambda tenths: tenths / 10)),
            episodes_watched=draw(st.none() | st.integers(0, 2000)),
        )
        for number, title in enumerate(titles, 1)
    ]


def mine(show):
    return (show.id, show.title, show.my_status, show.my_score, show.episodes_watched)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shows())
def test_a_list_that_is_exported_comes_back_without_loss(tmp_path_factory, listed):
    directory = tmp_path_factory.mktemp("list", numbered=True)
    for name, data in (("list.xml", as_xml(listed, {})), ("list.csv", as_csv(listed))):
        path = directory / name
        path.write_bytes(data)
        back = list(readers.read(path))
        assert not any(isinstance(row, RowError) for row in back)
        assert [mine(show) for show in back] == [mine(show) for show in listed]
        assert all(show.overlay for show in back if is_listed(show))


@pytest.fixture
async def listed(services, export, record):
    """A catalogue of three shows, two of them on the list."""
    rows = [
        record(1, "Monster", "A surgeon.", EpisodeCountNormal=74),
        record(2, "Planetes", "Trash."),
        record(3, "X", "Y."),
    ]
    await services.ingestion.run([export(*rows)], Control())
    await services.my_list.update("1", status="watching", progress=3, score=8.5)
    await services.my_list.update("2", status="dropped")
    return services


async def test_an_export_into_its_own_catalogue_changes_nothing(listed, tmp_path):
    for kind in ("mal", "csv"):
        path = tmp_path / f"list.{kind}"
        path.write_bytes(await listed.list_export.written(kind))
        report = await listed.ingestion.run([SourceFile(path=path, name=path.name)], Control())
        assert (report.read, report.unchanged, report.catalogue, report.conflicts) == (2, 2, 3, ())
    assert mine(await listed.library.show("1"))[2:] == ("watching", 8.5, 3)


async def test_a_show_that_a_mal_list_named_is_exported_under_its_number(services, export, record, tmp_path):
    await services.ingestion.run([export(record(1, "Monster", "A surgeon."))], Control())
    path = tmp_path / "list.xml"
    path.write_text(
        "<myanimelist><anime><series_animedb_id>19</series_animedb_id><series_title>Monster</series_title>"
        "<my_status>Completed</my_status></anime></myanimelist>"
    )
    await services.ingestion.run([SourceFile(path=path, name=path.name)], Control())
    assert b"<series_animedb_id>19</series_animedb_id>" in await services.list_export.written("mal")


async def test_differences_from_a_list_are_shown_before_they_are_written(services, export, record, tmp_path):
    await services.ingestion.run([export(record(1, "Monster", "A."), record(2, "Planetes", "T."))], Control())
    path = tmp_path / "list.csv"
    path.write_text("title,my_status,my_score,watched_episodes\nMonster,Watching,7,3\nPlanetes,Dropped,,\n")
    source = SourceFile(path=path, name=path.name)
    await services.ingestion.run([source], Control())
    await services.my_list.update("1", score=9)
    path.write_text("title,my_status,my_score,watched_episodes\nMonster,Completed,8,3\nPlanetes,Dropped,5,\n")
    shown = (await services.ingestion.preview.check([source])).conflicts
    assert [(one.title, one.field, one.stored, one.given, one.stays) for one in shown] == [
        ("Monster", "my_status", "watching", "completed", False),
        ("Monster", "my_score", 9, 8, True),
    ]
    assert (await services.library.show("1")).my_status == "watching"
    report = await services.ingestion.run([source], Control())
    assert report.conflicts == shown
    show = await services.library.show("1")
    assert (show.my_status, show.my_score) == ("completed", 9)


async def test_progress_made_elsewhere_counts_and_an_old_file_does_not_undo_a_click(services, export, record, tmp_path):
    await services.ingestion.run([export(record(1, "Monster", "A.", EpisodeCountNormal=9))], Control())
    path = tmp_path / "list.csv"
    source = SourceFile(path=path, name=path.name)

    async def imported(watched):
        path.write_text(f"title,my_status,watched_episodes\nMonster,Watching,{watched}\n")
        await services.ingestion.run([source], Control())
        return (await services.library.show("1")).episodes_watched

    assert await imported(4) == 4
    await services.my_list.next_episode("1")
    assert await imported(4) == 5
    assert await imported(7) == 7
    await services.my_list.update("1", progress=2)
    assert await imported(7) == 2
    assert "progress seen" not in await services.editing.changed("1")


ANILIST = {
    "data": {
        "MediaListCollection": {
            "user": {"mediaListOptions": {"scoreFormat": "POINT_100"}},
            "lists": [
                {
                    "name": "Watching",
                    "entries": [
                        {
                            "status": "CURRENT",
                            "score": 85,
                            "progress": 3,
                            "media": {
                                "id": 19,
                                "idMal": 19,
                                "type": "ANIME",
                                "format": "TV",
                                "episodes": 74,
                                "title": {"romaji": "MONSTER", "english": "Monster", "native": "モンスター"},
                            },
                        },
                        {"status": "PLANNING", "score": 0, "progress": 0, "media": {"id": 5, "title": {"romaji": "X"}}},
                        {
                            "status": "CURRENT",
                            "score": 9,
                            "progress": 0,
                            "media": {"id": 7, "type": "MANGA", "title": {"romaji": "M"}},
                        },
                        {"status": "CURRENT", "score": 9, "progress": 0, "media": {"id": 8, "title": {}}},
                    ],
                }
            ],
        }
    }
}


def test_an_anilist_list_is_read_as_an_overlay(tmp_path):
    path = tmp_path / "anilist.json"
    path.write_text(json.dumps(ANILIST))
    assert readers.detect(path).label == "AniList user list"
    first, second, manga, nameless = readers.read(path)
    assert (first.id, first.my_status, first.my_score, first.episodes_watched) == ("mal:19", "watching", 8.5, 3)
    assert (first.titles, first.type, first.overlay) == (("MONSTER", "Monster", "モンスター"), "tv", True)
    assert (second.id, second.my_status, second.my_score) == ("anilist:5", "plan_to_watch", None)
    assert (manga.reason, nameless.reason) == ("The entry is not an anime but manga.", "The entry has no title.")


@pytest.mark.parametrize(
    ("scores", "read"),
    [([8, 9.5], [8, 9.5]), ([80, 95], [8, 9.5])],
)
def test_anilist_scores_are_read_on_their_scale(tmp_path, scores, read):
    path = tmp_path / "flat.json"
    entries = [
        {
            "status": "COMPLETED",
            "progress": 1,
            "score": score,
            "media": {"id": number, "title": {"romaji": f"T{number}"}},
        }
        for number, score in enumerate(scores, 1)
    ]
    path.write_text(json.dumps(entries))
    assert [show.my_score for show in readers.read(path)] == read


def test_an_incomplete_anilist_list_is_refused(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(ANILIST)[:-30])
    with pytest.raises(InvalidInputError, match="Export the list again"):
        list(readers.read(path))


def test_the_command_writes_a_file_or_standard_output(settings, monkeypatch, capsysbinary, tmp_path):
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", settings.chroma_url)
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(settings.data_dir))
    listed = tmp_path / "in.csv"
    listed.write_text("title,my_status\nMonster,Completed\n")
    assert main(["ingest", str(listed)]) == 0
    capsysbinary.readouterr()
    assert main(["export", "list", "--format", "csv"]) == 0
    assert b",Monster,,completed,," in capsysbinary.readouterr().out
    assert main(["export", "list", "--format", "mal", "--out", str(tmp_path / "out.xml")]) == 0
    assert b"<my_status>Completed</my_status>" in (tmp_path / "out.xml").read_bytes()
    assert main(["export", "list", "--format", "mal", "--out", str(tmp_path / "no" / "out.xml")]) == 2


def test_every_title_letter_survives(tmp_path):
    show = Show(id="1", title=string.printable.replace("\x0b", "").replace("\x0c", "").strip(), my_score=5)
    show = Show(id="1", title=cells.text(show.title), my_score=5)
    path = tmp_path / "list.xml"
    path.write_bytes(as_xml([show], {}))
    [back] = readers.read(path)
    assert back.title == show.title
