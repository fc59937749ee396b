"""Imports of Shoko's database: a second import changes nothing, and the user is asked for once."""

import io
import sqlite3
from contextlib import closing

import pytest

from animerag import readers
from animerag.cli import main
from animerag.cli.reading import with_user
from animerag.errors import InvalidInputError
from animerag.ingestion.importer import SourceFile
from animerag.ingestion.inbox import read_inbox
from animerag.jobs.jobs import Control
from animerag.readers import ReadOptions
from tests.shoko_server import ShokoDatabase


@pytest.fixture
def database(tmp_path):
    """A show with two of three episodes on disk, and two users with different progress."""
    made = ShokoDatabase(tmp_path / "JMMServer.db3")
    made.anime(23, "Monster", Description="A surgeon saves a boy.", EpisodeCountNormal=3)
    episodes = made.episodes(23, 3)
    for number, digest in enumerate("AB"):
        made.file(23, episodes[number], digest, 500)
    made.run("UPDATE AnimeSeries SET MissingEpisodeCount = 1")
    made.insert("StoredReleaseInfo", ED2K="A", FileSize=500, AudioLanguages="ja", SubtitleLanguages="de")
    made.tag(23, 1, "amnesia", 300, spoiler=1)
    made.user(1, "Kenzo", watched=episodes[:1])
    made.user(2, "Nina", watched=episodes)
    return made


def source(database, **options):
    return SourceFile(path=database.path, name=database.path.name, options=ReadOptions(**options))


async def test_everything_is_stored_and_a_second_import_embeds_nothing(services, database):
    first = await services.ingestion.run([source(database, user="Kenzo")], Control())
    again = await services.ingestion.run([source(database, user="Kenzo")], Control())
    assert (first.ingested, again.unchanged, again.embedding_requests) == (1, 1, 0)
    for show in (await services.library.show("23"), (await services.retriever.table()).show("23")):
        assert (show.owned_episodes, show.missing_episodes, show.file_size) == (2, 1, 1000)
        assert (show.audio_languages, show.subtitle_languages) == (("Japanese",), ("German",))
        assert (show.my_status, show.episodes_watched, show.spoiler_tags) == ("watching", 1, ("amnesia",))


async def test_a_new_file_on_disk_changes_a_show_without_embedding_it(services, database):
    await services.ingestion.run([source(database, user="Kenzo")], Control())
    database.run("UPDATE AnimeSeries SET MissingEpisodeCount = 7")
    report = await services.ingestion.run([source(database, user="Kenzo")], Control())
    assert (report.changed, report.embedding_requests) == (1, 0)
    assert (await services.library.show("23")).missing_episodes == 7


async def test_the_chosen_user_is_remembered(services, database):
    with pytest.raises(InvalidInputError, match="2 users"):
        await services.ingestion.run([source(database)], Control())
    await services.ingestion.run([source(database, user="Nina")], Control())
    report = await services.ingestion.run([source(database)], Control())
    assert report.unchanged == 1
    assert "Watch state of Nina." in report.files[0].reasons
    assert (await services.library.show("23")).my_status == "completed"


def test_the_command_names_the_option_if_it_cannot_ask(settings, database, monkeypatch, capsys):
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", settings.chroma_url)
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(settings.data_dir))
    assert main(["ingest", str(database.path), "--dry-run"]) == 2
    assert "choose one. On the command line: --shoko-user NAME" in capsys.readouterr().err
    assert main(["ingest", str(database.path), "--dry-run", "--shoko-user", "nina"]) == 0
    assert "Watch state of Nina." in capsys.readouterr().out


def test_on_a_terminal_the_user_is_asked_for_once(database, monkeypatch, capsys):
    detection = readers.detect(database.path)
    monkeypatch.setattr("sys.stdin", io.StringIO("NINA\n"))
    [file] = with_user([source(database)], detection)
    assert (file.options.user, readers.detect(file.path, options=file.options).problem) == ("Nina", None)
    assert "choose one. Name:" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("Johan\n"))
    with pytest.raises(InvalidInputError, match="is not a user of this database: use Kenzo, Nina"):
        with_user([source(database)], detection)


def test_the_inbox_lists_a_database_without_its_log(database):
    with closing(sqlite3.connect(database.path)) as server:
        server.execute("PRAGMA journal_mode = WAL")
        server.execute("UPDATE AniDB_Anime SET Restricted = 1")
        server.commit()
        assert len(list(database.path.parent.iterdir())) == 3
        assert [path.name for path in read_inbox(database.path.parent).files] == [database.path.name]
