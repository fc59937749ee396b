"""Shoko's own database: its content in two versions of the tables, and unsound databases."""

import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import ReadOptions, confinement, message_pack
from animerag.readers.resolutions import resolution_of
from animerag.text import languages
from tests.shoko_server import NEW, OLD, ShokoDatabase, of_export, streams

VIDEO, AUDIO, TEXT = 1, 2, 3


@pytest.fixture
def database(tmp_path):
    """A database of the newest version with one show."""
    made = ShokoDatabase(tmp_path / "JMMServer.db3")
    made.anime(23, "Monster", EpisodeCountNormal=4, BeginYear=2004, Rating=870, VoteCount=9, Restricted=0)
    return made


def shows(database, **options):
    return {show.id: show for show in readers.read(database.path, options=ReadOptions(**options))}


def test_titles_come_with_the_main_one_first_and_its_own_language_before_others(database):
    titles = [
        ("x-jat", "main", "Monster"),
        ("zh-hans", "official", "怪物"),
        ("en", "syn", "Naoki's"),
        ("ja", "official", "モンスター"),
    ]
    for language, kind, title in titles:
        database.insert("AniDB_Anime_Title", AnimeID=23, Language=language, TitleType=kind, Title=title)
    show = shows(database)["23"]
    assert (show.titles, show.native_title) == (("Monster", "モンスター", "怪物", "Naoki's"), "モンスター")
    assert (show.type, show.year, show.rating, show.votes, show.restricted) == ("tv", 2004, 8.7, 9, False)
    assert {"language": "ja", "type": "official", "title": "モンスター"} in show.record["titles"]


def test_tags_have_weights_and_those_that_spoil_are_marked(database):
    database.tag(23, 1, "thriller", 600)
    database.tag(23, 2, "amnesia", 300, spoiler=1)
    database.tag(23, 3, "manga", 0)
    show = shows(database)["23"]
    assert show.tags == ("thriller", "amnesia", "manga")
    assert (show.tag_weights, show.spoiler_tags, show.source) == (
        {"thriller": 1.0, "amnesia": 0.5},
        ("amnesia",),
        "manga",
    )


def test_relations_name_what_the_database_knows_and_keep_the_number_of_the_rest(database):
    database.anime(24, "Another Monster", BeginYear=2005)
    database.insert("AniDB_Anime_Relation", AnimeID=23, RelatedAnimeID=24, RelationType="side story")
    database.insert("AniDB_Anime_Relation", AnimeID=23, RelatedAnimeID=99, RelationType="prequel")
    for other, agree in ((99, 3), (24, 8)):
        database.insert("AniDB_Anime_Similar", AnimeID=23, SimilarAnimeID=other, Approval=agree, Total=9)
    show = shows(database)["23"]
    assert [(one.id, one.kind, one.title, one.year) for one in show.relations] == [
        ("24", "Side Story", "Another Monster", 2005),
        ("99", "Prequel", "", None),
    ]
    assert [one.id for one in show.similar] == ["24", "99"]


def test_files_give_episodes_on_disk_and_languages(database):
    episodes = database.episodes(23, 4)
    database.episodes(23, 1, kind=3)
    blob = streams((0, {"Format": "Matroska aaaaaaaaaaaa"}), (VIDEO, {"Width": 1920, "Height": 800}))
    database.file(23, episodes[0], "A", 700, MediaBlob=blob)
    database.file(23, episodes[2], "B", 300)
    database.file(23, episodes[2], "C", 100)
    database.insert("StoredReleaseInfo", ED2K="A", FileSize=700, AudioLanguages="ja,en", SubtitleLanguages="de,x-other")
    database.insert("StoredReleaseInfo", ED2K="B", FileSize=300, AudioLanguages="ja", SubtitleLanguages="pt-BR")
    database.run("UPDATE AnimeSeries SET MissingEpisodeCount = 2")
    show = shows(database)["23"]
    assert (show.owned_episodes, show.missing_episodes, show.file_size, show.resolution) == (2, 2, 1100, "1080p")
    assert (show.audio_languages, show.subtitle_languages) == (("Japanese", "English"), ("German", "Portuguese"))


@pytest.mark.parametrize("packed", [True, False])
def test_streams_of_a_video_give_languages_and_resolution_if_no_release_is_known(database, packed):
    [episode, *_] = database.episodes(23, 4)
    tracks = ((VIDEO, {"Width": 640, "Height": 480}), (AUDIO, {"Language": "ja"}), (TEXT, {"Language": "ger"}))
    database.file(23, episode, "A", MediaBlob=streams(*tracks, packed=packed))
    show = shows(database)["23"]
    assert (show.resolution, show.audio_languages, show.subtitle_languages) == ("480p", ("Japanese",), ("German",))


@pytest.mark.parametrize(
    "blob", [b"", b"\xc1", b"\x91\x91\xdd\xff\xff\xff\xff", b"\x92\xc7\x01\x62\x10\xc4\x02\xf0\xff", "text", 7]
)
def test_a_damaged_measurement_loses_only_the_resolution(database, blob):
    [episode, *_] = database.episodes(23, 4)
    database.file(23, episode, "A", MediaBlob=blob)
    show = shows(database)["23"]
    assert (show.owned_episodes, show.resolution) == (1, None)


def test_watched_episodes_make_a_status_and_a_rating_of_the_one_user(database):
    episodes = database.episodes(23, 4)
    database.anime(24, "Planetes", EpisodeCountNormal=1)
    [only] = database.episodes(24, 1)
    database.user(1, "Kenzo", watched=[*episodes[:2], only])
    database.user(2, "Nina")
    series = {"JMMUserID": 1, "AnimeSeriesID": 1, "WatchedEpisodeCount": 2}
    database.insert("AnimeSeries_User", **series, AbsoluteUserRating=850, UserRatingVoteType=1)
    first, second = shows(database)["23"], shows(database)["24"]
    assert (first.my_status, first.episodes_watched, first.my_score) == ("watching", 2, 8.5)
    assert (second.my_status, second.episodes_watched, second.my_score) == ("completed", 1, None)
    assert readers.detect(database.path).reasons[-1] == "Watch state of Kenzo."


def test_with_several_users_you_must_choose_one(database):
    episodes = database.episodes(23, 4)
    database.user(1, "Kenzo", watched=episodes)
    database.user(2, "Nina", watched=episodes[:1])
    with pytest.raises(
        InvalidInputError, match=r"2 users \(Kenzo, Nina\): choose one. On the command line: --shoko-user"
    ):
        shows(database)
    assert shows(database, user="nina")["23"].episodes_watched == 1
    assert shows(database, user="")["23"].episodes_watched is None
    with pytest.raises(InvalidInputError, match="no watch state of Johan, only of Kenzo, Nina"):
        shows(database, user="Johan")


def test_an_old_version_is_read_by_the_columns_it_has(tmp_path):
    database = ShokoDatabase(tmp_path / "old.db3", OLD)
    database.anime(23, "Monster", EpisodeCountNormal=2, TempRating=700, TempVoteCount=4)
    [one, _] = database.episodes(23, 2)
    database.user(1, "Kenzo", watched=[one])
    database.insert("AniDB_Vote", EntityID=23, VoteValue=600, VoteType=2)
    database.insert("AniDB_Vote", EntityID=23, VoteValue=900, VoteType=1)
    database.insert("AniDB_Tag", TagID=1, Spoiler=1, LocalSpoiler=0, GlobalSpoiler=0, TagName="twist")
    database.insert("AniDB_Anime_Tag", AnimeID=23, TagID=1, Approval=1, Weight=200)
    database.file(23, one, "A", VideoResolution="1280x720")
    database.insert("AniDB_File", FileID=5, Hash="A")
    database.insert("Language", LanguageID=7, LanguageName="german")
    database.insert("CrossRef_Subtitles_AniDB_File", FileID=5, LanguageID=7)
    show = shows(database)["23"]
    assert (show.rating, show.votes, show.my_score, show.spoiler_tags) == (7.0, 4, 9.0, ("twist",))
    assert (show.resolution, show.subtitle_languages, show.audio_languages) == ("720p", ("German",), ())
    assert (show.owned_episodes, show.missing_episodes) == (1, 0)


def test_missing_parts_of_a_database_are_named_and_the_rest_is_read(tmp_path):
    database = ShokoDatabase(tmp_path / "bare.db3", ["CREATE TABLE AniDB_Anime (AnimeID INTEGER, MainTitle TEXT)"])
    database.insert("AniDB_Anime", AnimeID=23, MainTitle="Monster")
    detection = readers.detect(database.path)
    assert detection.reasons[1].startswith("It has no titles by language, no tags with weights, no relations")
    show = shows(database)["23"]
    assert (show.title, show.owned_episodes, show.my_status) == ("Monster", None, None)


def test_a_database_in_use_is_read_and_not_changed(database):
    with closing(sqlite3.connect(database.path)) as server:
        server.execute("PRAGMA journal_mode = WAL")
        server.execute("INSERT INTO AniDB_Tag (TagID, GlobalSpoiler, TagName) VALUES (1, 0, 'thriller')")
        server.execute("INSERT INTO AniDB_Anime_Tag (AnimeID, TagID, Weight) VALUES (23, 1, 600)")
        server.commit()
        before = database.path.read_bytes()
        assert shows(database)["23"].tags == ("thriller",)
        assert database.path.read_bytes() == before
        server.execute("UPDATE AniDB_Anime SET MainTitle = 'Monstrum'")
        server.commit()
        assert shows(database)["23"].title == "Monstrum"
    assert [path.name for path in database.path.parent.iterdir()] == [database.path.name]


def test_a_database_in_a_folder_that_cannot_be_written_to_is_read(database, tmp_path):
    with closing(sqlite3.connect(database.path)) as server:
        server.execute("PRAGMA journal_mode = WAL")
    folder = tmp_path / "read-only"
    folder.mkdir()
    shutil.copy(database.path, folder)
    folder.chmod(0o500)
    try:
        assert [show.title for show in readers.read(folder / database.path.name)] == ["Monster"]
        assert len(list(folder.iterdir())) == 1
    finally:
        folder.chmod(0o700)


def test_a_locked_database_is_reported_with_a_remedy(database, monkeypatch):
    monkeypatch.setattr("animerag.readers.shoko_schema._BUSY_S", 0.05)
    with closing(sqlite3.connect(database.path)) as server:
        server.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InvalidInputError, match="is locked: Shoko is writing to it"):
            shows(database)


def test_a_row_without_a_number_or_title_is_skipped_with_the_reason(tmp_path):
    database = ShokoDatabase(tmp_path / "odd.db3", NEW)
    database.anime(23, "Monster")
    database.anime(24, "", AllTitles="")
    database.anime("none", "Nobody")
    database.insert("AniDB_Tag", TagID=1, GlobalSpoiler=0, TagName="odd")
    database.insert("AniDB_Anime_Tag", AnimeID=23, TagID=1, Weight="heavy")
    rows = list(readers.read(database.path))
    assert [row.reason for row in rows if isinstance(row, RowError)] == [
        "The record has no MainTitle.",
        "The record has no usable AnimeID.",
    ]
    assert [row.tags for row in rows if not isinstance(row, RowError)] == [("odd",)]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("CREATE TABLE other (x)", "without Shoko's table AniDB_Anime: choose JMMServer.db3"),
        ("CREATE VIEW AniDB_Anime AS SELECT 1 AS AnimeID, 'A' AS MainTitle", "without Shoko's table"),
        ("CREATE TABLE AniDB_Anime (AnimeID)", "without Shoko's table"),
    ],
)
def test_a_database_of_something_else_is_refused(tmp_path, script, reason):
    database = ShokoDatabase(tmp_path / "other.db3", [script])
    with pytest.raises(InvalidInputError, match=reason):
        readers.detect(database.path)


def test_a_damaged_database_is_refused_in_a_sentence(database):
    data = bytearray(database.path.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    database.path.write_bytes(data)
    with pytest.raises(InvalidInputError, match="is a damaged database .*: restore it from a backup"):
        readers.detect(database.path)


def test_a_database_is_read_within_limits_and_an_endless_one_is_stopped(database):
    detection, parts = confinement.inspect(database.path, "JMMServer.db3", ReadOptions())
    assert (detection.label, [show.title for part in parts for show in part]) == ("Shoko database", ["Monster"])
    database.run("DROP TABLE AniDB_Anime")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT count(*) FROM n"
    database.run(f"CREATE VIEW AniDB_Anime AS SELECT ({endless}) AS AnimeID, 'A' AS MainTitle")
    with pytest.raises(InvalidInputError, match="without Shoko's table"):
        confinement.inspect(database.path, "JMMServer.db3", ReadOptions())


def test_the_real_export_and_its_database_give_the_same_shows(real_export, tmp_path):
    source = real_export.with_name("shoko_export_v2.json")
    records = json.loads(source.read_text(encoding="utf-8"))["AniDB_Anime"]
    known = {str(record["AnimeID"]) for record in records}
    titles = {str(record["AnimeID"]): record["MainTitle"] for record in records}
    database = of_export(records, tmp_path / "JMMServer.db3")

    def plain(show):
        """Remove values that only one side has: its record, titles of missing shows, place."""
        related = tuple(replace(one, title="", year=None) for one in show.relations if one.id in known)
        similar = sorted((one.id, titles[one.id]) for one in show.similar if one.id in known)
        return replace(show, record={}, relations=related, similar=(), origin=None), similar

    exported = {show.id: plain(show) for show in readers.read(source)}
    stored = {show.id: plain(show) for show in readers.read(database.path)}
    assert len(stored) == 1458
    for show_id, (show, similar) in exported.items():
        own, own_similar = stored[show_id]
        fields = {"owned_episodes": 0}
        assert (own, own_similar) == (replace(show, **fields), similar)


@pytest.mark.parametrize(
    ("code", "name"),
    [("de", "German"), ("ger", "German"), ("german", "German"), ("pt-BR", "Portuguese"), ("zh-hans", "Chinese"),
     ("Portuguese (Brazilian)", "Portuguese"), ("x-jat", None), ("", None), (None, None), ("none", None)],
)  # fmt: skip
def test_languages_have_one_name_each(code, name):
    assert languages.name_of(code) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [("1920x1080", "1080p"), ("1440x1080", "1080p"), ("1920x800", "1080p"), ("3840x2160", "2160p"), ("704x396", "360p"),
     ("720x480", "480p"), ("", None), ("unknown", None)],
)  # fmt: skip
def test_resolutions_have_the_usual_names(text, name):
    assert resolution_of(text) == name


def test_message_pack_of_every_kind_is_read():
    data = bytes.fromhex("88a161c0a162c2a163c3a164cb3ff8000000000000a165d1fffea166c403010203a167ffa16892cd012cd90161")
    assert message_pack.loads(data) == {
        "a": None, "b": False, "c": True, "d": 1.5, "e": -2, "f": b"\x01\x02\x03", "g": -1, "h": [300, "a"],
    }  # fmt: skip


def test_an_import_may_read_each_part_in_another_thread(database):
    rows = readers.read(database.path)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        shows = [first.submit(next, rows).result(), *second.submit(list, rows).result()]
    assert [show.title for show in shows] == ["Monster"]
