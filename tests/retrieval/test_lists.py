"""Questions about lists and files: a sheet of them, over a Shoko database of eleven shows and a MyAnimeList list."""

import csv
from pathlib import Path

import pytest

from animerag import readers
from animerag.discovery.franchises import Franchises
from animerag.ingestion.entity_resolution import with_mine
from animerag.models.shows import Show
from animerag.query import local_files
from animerag.query.condition_text import parse
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.lexicon import vocabulary
from animerag.query.plan import Predicate, parts_of
from animerag.query.titles import AliasIndex
from animerag.retrieval.snapshots import CatalogueSnapshot
from animerag.retrieval.understanding import finished, understand
from animerag.retrieval.word_coverage import WordStatistics
from tests.discovery.shows import SHOWS
from tests.shoko_server import ShokoDatabase, streams

SHEET = Path(__file__).parents[2] / "benchmarks" / "lists.csv"
TV, MOVIE = 2, 0
# Number, title, type, episodes, of them on disk, MB each, width and height, audio, subtitles, episodes watched, rating.
COLLECTION = [
    (1, "Monster", TV, 5, 5, 800, (1920, 1080), "ja,en", "en,de", 5, 870),
    (2, "Planetes", TV, 4, 2, 300, (1280, 720), "ja", "en", 1, 820),
    (3, "Akira", MOVIE, 1, 1, 12_000, (3840, 2160), "ja,en", "de", 0, 810),
    (4, "Mushishi", TV, 6, 6, 500, (1920, 1080), "ja", "", 0, 860),
    (5, "Nichijou", TV, 6, 3, 100, (640, 480), "ja", "fr", 0, 840),
    (6, "Berserk", TV, 5, 0, 0, None, "", "", 0, 850),
    (7, "Kaiba", TV, 4, 4, 200, (1024, 576), "ja", "de,en", 0, 800),
    (8, "Paprika", MOVIE, 1, 0, 0, None, "", "", 0, 780),
    (9, "Dororo", TV, 3, 1, 1500, (1920, 1080), "ja,de", "de", 1, 820),
    (10, "Redline", MOVIE, 1, 1, 8000, (1920, 1080), "ja", "en", 0, 810),
    (11, "Bartender", TV, 8, 0, 0, None, "", "", 0, 740),
]
LIST = [
    ("Mushishi", "Plan to Watch", 0, 0),
    ("Nichijou", "Dropped", 2, 0),
    ("Berserk", "Dropped", 1, 3),
    ("Paprika", "Completed", 1, 10),
    ("Redline", "On-Hold", 0, 0),
    ("Bartender", "Dropped", 5, 7),
]


@pytest.fixture(scope="module")
def shows(tmp_path_factory):
    """The shows, as the readers give them."""
    directory = tmp_path_factory.mktemp("collection")
    database = ShokoDatabase(directory / "JMMServer.db3")
    watched = []
    for number, title, kind, count, owned, size, picture, audio, subtitles, seen, rating in COLLECTION:
        database.anime(number, title, AnimeType=kind, EpisodeCountNormal=count, Rating=rating, VoteCount=10)
        episodes = database.episodes(number, count)
        watched += episodes[:seen]
        database.run("UPDATE AnimeSeries SET MissingEpisodeCount = ? WHERE AniDB_ID = ?", count - owned, number)
        for episode in episodes[:owned]:
            digest = f"{number}-{episode}"
            video = streams((1, {"Width": picture[0], "Height": picture[1]}))
            database.file(number, episode, digest, size * 10**6, MediaBlob=video)
            languages = {"AudioLanguages": audio, "SubtitleLanguages": subtitles}
            database.insert("StoredReleaseInfo", ED2K=digest, FileSize=size * 10**6, **languages)
    database.user(1, "Kenzo", watched=watched)
    entries = "".join(
        f"<anime><series_title>{title}</series_title><my_status>{status}</my_status>"
        f"<my_watched_episodes>{seen}</my_watched_episodes><my_score>{score}</my_score></anime>"
        for title, status, seen, score in LIST
    )
    listed = directory / "list.xml"
    listed.write_text(f"<myanimelist>{entries}</myanimelist>")
    mine = {entry.title: entry for entry in readers.read(listed)}
    stored = list(readers.read(database.path))
    return [with_mine(show, mine[show.title], show) if show.title in mine else show for show in stored]


def snapshot(shows):
    table = FieldsInMemory(shows)
    return CatalogueSnapshot(
        revision=1,
        aliases=AliasIndex(shows),
        table=table,
        franchises=Franchises(shows),
        vocabulary=vocabulary(table.tags, local_files.recorded(shows)),
        statistics=WordStatistics(shows),
    )


@pytest.fixture(scope="module")
def ask(shows):
    catalogue = snapshot(shows)

    def answer(question):
        reading = understand(question, catalogue.aliases.match(question), catalogue)
        return finished(reading, question, catalogue, {}) if reading.needs_likeness else reading

    return answer


ROWS = list(csv.DictReader(SHEET.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=[row["question"] for row in ROWS])
def test_the_sheet_about_lists_and_files_is_answered_rightly(ask, row):
    reading = ask(row["question"])
    fact, expected = reading.fact, row["ids"].split("|")
    assert fact is not None, reading.plan
    assert not fact.ignored
    if fact.sort is not None:
        assert fact.ids[0] == expected[0]
    else:
        assert sorted(fact.ids, key=int) == expected
    if row["value"]:
        assert str(fact.value) == row["value"]


def test_the_sheet_has_thirty_questions():
    assert len({row["question"] for row in ROWS}) >= 30


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("which have German subtitles", "dub"),
        ("what do I have in 1080p", "picture quality"),
        ("which shows take more than 5 GB", "file"),
    ],
)
def test_a_catalogue_without_files_says_that_they_are_not_recorded(question, topic):
    catalogue = snapshot(SHOWS)
    reading = understand(question, catalogue.aliases.match(question), catalogue)
    assert topic in reading.not_recorded
    assert reading.fact is None


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("films with English and German subtitles", {"subtitle_language=English", "subtitle_language=German"}),
        ("shows in at least 1080p", {"resolution>=1080"}),
        ("films under 2 GB", {"type=movie", "file_size<2000000000"}),
        ("shows with 3 missing episodes", {"missing_episodes=3"}),
        ("not dubbed in English", {"not audio_language=English"}),
    ],
)
def test_conditions_on_files_read_as_they_are_written(ask, question, conditions):
    plan = ask(question).plan
    found = set(plan.conditions())
    assert conditions <= found
    for part in parts_of(plan.condition):
        assert parse(str(part)) == part


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Predicate("missing_episodes", ">=", 1), "with missing episodes"),
        (Predicate("owned_episodes", "=", 0), "not on disk"),
        (Predicate("file_size", ">", 5 * 10**9), "with over 5 GB on disk"),
        (Predicate("resolution", "<", 720), "in under 720p"),
        (Predicate("subtitle_language", "=", "German"), "with German subtitles"),
        (Predicate("audio_language", "=", "dubbed"), "dubbed"),
    ],
)
def test_conditions_on_files_are_described_in_words(condition, words):
    assert local_files.phrase(condition) == words


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("horror shows", {"main", "plain"}),
        ("shows with some horror", {"main", "minor", "plain"}),
        ("everything but horror", {"minor", "none"}),
        ("show me some horror shows", {"main", "plain"}),
    ],
)
def test_a_tag_is_a_main_one_from_a_certain_weight(question, ids):
    weighted = [
        Show(id="main", title="Alpha", tags=("horror",), tag_weights={"horror": 1.0}),
        Show(id="minor", title="Beta", tags=("Horror",), tag_weights={"Horror": 0.3}),
        Show(id="plain", title="Gamma", tags=("horror",)),
        Show(id="none", title="Delta"),
    ]
    catalogue = snapshot(weighted)
    assert set(understand(question, catalogue.aliases.match(question), catalogue).fact.ids) == ids
