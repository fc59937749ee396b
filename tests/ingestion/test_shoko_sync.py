"""Synchronisation with Shoko Server over a socket: fetched and repeated requests, and faulty servers."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from animerag import readers
from animerag.cli import main
from animerag.concurrency import fan_out
from animerag.errors import InvalidInputError, ProviderError
from animerag.ingestion import shoko_client, shoko_records, shoko_sync
from animerag.ingestion.shoko_sync import ShokoSync
from animerag.jobs.jobs import Control
from animerag.readers import shoko as export_reader
from tests.shoko_api import KEY, FakeShoko, serving

ROOT = Path(__file__).parents[2]
TAGS = [{"Name": "thriller", "Weight": 600}, {"Name": "amnesia", "Weight": 300, "IsLocalSpoiler": True}]
FILES = [
    {
        "ID": 1,
        "Size": 700,
        "Resolution": "1920x1080",
        "Release": {"MediaInfo": {"AudioLanguages": ["Japanese"], "SubtitleLanguages": ["BrazilianPortuguese"]}},
        "MediaInfo": {"Audio": [{"LanguageCode": "en"}], "Subtitles": []},
    },
    {"ID": 2, "Size": 300, "Resolution": "640x480", "MediaInfo": {"Subtitles": [{"LanguageCode": "de"}]}},
]


@pytest.fixture
def shoko(record):
    """A server with two series."""
    shows = [
        record(23, "Monster", "A surgeon saves a boy.", EpisodeCountNormal=4, Rating=870, VoteCount=9, AnimeType=2),
        record(24, "Planetes", "Astronauts collect trash.", EpisodeCountNormal=1, AnimeType=0),
    ]
    shows[0]["relations"] = json.dumps(
        [
            {"anime_id": 24, "relation_type": "Parent Story"},
            {"anime_id": 99, "relation_type": "Sequel"},
        ]
    )
    server = FakeShoko(shows)
    server.extra[23] = {"Local": 2, "Missing": 2, "Watched": 1, "score": 8.5, "tags": TAGS, "files": FILES}
    with serving(server):
        yield server


@pytest.fixture
def quick(monkeypatch):
    """Remove the client's waiting times."""
    monkeypatch.setattr(shoko_client, "_PAUSE_S", 0.0)
    monkeypatch.setattr(shoko_client, "MAX_BYTES", 2_000_000)


@pytest.fixture
def sync(services, settings, quick):
    """Synchronise with the key that the server knows."""

    def run(server, *, key=KEY, **options):
        one = ShokoSync(services.ingestion, settings.data_dir / "shoko", key)
        return one.run(server.url, Control(), **options)

    return run


@pytest.fixture
def asked(tmp_path, quick):
    """Synchronise with a server that is refused, without a catalogue."""
    return lambda server: ShokoSync(None, tmp_path / "shoko", KEY).run(server.url, Control())


async def test_series_come_with_lists_files_and_tags_and_a_second_sync_only_asks_for_lists(services, shoko, sync):
    first = await sync(shoko)
    assert (first.series, first.fetched, first.report.ingested, shoko.details) == (2, 2, 2, 6)
    show = await services.library.show("23")
    assert (show.title, show.episodes, show.rating, show.votes, show.type) == ("Monster", 4, 8.7, 9, "tv")
    assert (show.owned_episodes, show.missing_episodes, show.file_size, show.resolution) == (2, 2, 1000, "1080p")
    assert (show.audio_languages, show.subtitle_languages) == (("Japanese",), ("Portuguese", "German"))
    assert (show.my_status, show.episodes_watched, show.my_score) == ("watching", 1, 8.5)
    assert (show.tags, show.spoiler_tags) == (("thriller", "amnesia"), ("amnesia",))
    assert [(one.id, one.kind, one.title) for one in show.relations] == [
        ("24", "Parent Story", "Planetes"),
        ("99", "Sequel", ""),
    ]

    again = await sync(shoko)
    assert (again.fetched, again.detail_requests, again.report.unchanged, shoko.details) == (0, 0, 2, 6)
    assert again.report.embedding_requests == 0


async def test_only_changed_series_are_fetched_and_none_is_embedded(services, shoko, sync):
    await sync(shoko)
    shoko.extra[23] |= {"Watched": 4}
    report = await sync(shoko)
    assert (report.fetched, report.report.changed, report.report.embedding_requests) == (1, 1, 0)
    assert (await services.library.show("23")).my_status == "completed"


async def test_a_server_that_fails_in_the_middle_is_asked_for_the_rest_later(shoko, sync, record):
    shoko.records += [record(100 + number, f"Show {number}", "A story.") for number in range(30)]
    shoko.fault = lambda path: web.Response(status=502) if shoko.details > 40 and "/Tags" in path else None
    with pytest.raises(ProviderError, match=r"status 502.* of 32 series are stored"):
        await sync(shoko)
    fetched = {path for path in shoko.asked if path.endswith("/File")}
    assert len(fetched) > 5

    shoko.fault = lambda _: None
    shoko.asked.clear()
    report = await sync(shoko)
    assert report.report.ingested == 32
    assert not fetched & {path for path in shoko.asked if path.endswith("/File")}


async def test_a_failed_series_is_reported_and_the_others_are_imported(shoko, sync):
    shoko.fault = lambda path: web.Response(status=404) if path == "/Series/2/Tags" else None
    report = (await sync(shoko)).report
    assert (report.read, report.ingested, report.quarantined) == (2, 1, 1)
    assert "answers /api/v3/Series/2/Tags with status 404" in report.rows[0].reason


async def test_a_stopped_sync_keeps_what_it_fetched(services, settings, shoko, quick):
    control = Control()
    shoko.fault = lambda path: control.stop() if path.endswith("/File") else None
    one = ShokoSync(services.ingestion, settings.data_dir / "shoko", KEY)
    stopped = await one.run(shoko.url, control)
    assert (stopped.report.read, stopped.report.cancelled, stopped.report.ingested) == (2, 2, 0)
    shoko.fault = lambda _: None
    asked = shoko.details
    report = await one.run(shoko.url, Control())
    assert (report.fetched, report.report.ingested, shoko.details) == (0, 2, asked)


def test_a_sync_that_is_killed_is_resumed_without_loss(shoko, settings, record, monkeypatch, capsys):
    shoko.records += [record(100 + number, f"Show {number}", "A story.") for number in range(30)]
    environment = {"ANIMERAG_CHROMA_URL": settings.chroma_url, "ANIMERAG_DATA_DIR": str(settings.data_dir)}
    command = [sys.executable, "-m", "animerag", "sync", "shoko", "--url", shoko.url]
    variables = {**os.environ, **environment, "ANIMERAG_SHOKO_KEY": KEY, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
        shoko.fault = lambda _: process.kill() if shoko.details > 45 else None
        assert process.wait(60) != 0
    shoko.fault = lambda _: None
    [cache] = (settings.data_dir / "shoko").glob("*.jsonl")
    complete = {json.loads(line)["series"] for line in cache.read_text().splitlines() if line.endswith("}")}
    assert len(complete) > 5

    shoko.asked.clear()
    for name, value in {**environment, "ANIMERAG_SHOKO_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    assert main(["sync", "shoko", "--url", shoko.url, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["series"], printed["ingested"], printed["catalogue"]) == (32, 32, 32)
    assert printed["fetched"] == 32 - len(complete)


async def test_a_series_with_an_incomplete_line_is_fetched_again(settings, shoko, sync):
    await sync(shoko)
    [cache] = (settings.data_dir / "shoko").glob("*.jsonl")
    cache.write_text(cache.read_text()[:-40])
    assert (await sync(shoko)).fetched == 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda _: web.Response(text="<html>Hello</html>", content_type="text/html"), "does not answer with JSON"),
        (lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}), "with status 302"),
        (lambda path: web.json_response([1]) if path == "/Series" else None, "did not return a list"),
        (
            lambda path: (
                web.json_response({"Total": 10**6, "List": [{"IDs": {"ID": 1}}]}) if path == "/Series" else None
            ),
            "repeats the entries of /api/v3/Series without end",
        ),
        (lambda path: web.json_response({"Total": 10**9, "List": []}) if path == "/Series" else None, "1,000,000,000"),
        (
            lambda path: web.Response(body=b"[" + b" " * 2_000_001) if path == "/Series" else None,
            "sent more than",
        ),
        (lambda path: web.Response(body=b"[" * 100_000) if path == "/Series" else None, "does not answer with JSON"),
    ],
)
async def test_a_server_that_is_not_shoko_is_refused_with_a_reason(shoko, asked, fault, sentence):
    shoko.fault = fault
    with pytest.raises(InvalidInputError, match=sentence):
        await asked(shoko)


async def test_a_slow_or_missing_server_is_reported(shoko, asked, monkeypatch):
    monkeypatch.setattr(shoko_client, "_TOTAL_S", 0.2)

    async def never():
        await asyncio.sleep(30)

    shoko.fault = lambda _: never()
    with pytest.raises(ProviderError, match="does not answer in time"):
        await asked(shoko)
    shoko.url = "http://127.0.0.1:9"
    with pytest.raises(ProviderError, match="cannot be reached .nothing listens at this address.: check that it runs"):
        await asked(shoko)


async def test_a_wrong_or_missing_key_or_another_users_is_refused_and_no_key_is_written(shoko, sync, settings, caplog):
    wrong = "wrong-canary-key"
    with pytest.raises(InvalidInputError, match="refuses the key: set ANIMERAG_SHOKO_KEY") as refused:
        await sync(shoko, key=wrong)
    with pytest.raises(InvalidInputError, match="Set ANIMERAG_SHOKO_KEY"):
        await sync(shoko, key=None)
    with pytest.raises(InvalidInputError, match="belongs to Kenzo, not to Nina"):
        await sync(shoko, user="Nina")
    await sync(shoko, user="kenzo")
    assert shoko.keys == {wrong, KEY}
    written = b"".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    assert all(key not in str(refused.value) + caplog.text for key in (wrong, KEY))
    assert KEY.encode() not in written


@pytest.mark.parametrize(
    "url",
    ["localhost:8111", "ftp://host", "http://", "http://user:secret@host", "http://host?apikey=secret", "http://[", ""],
)
def test_an_invalid_address_is_refused_without_showing_its_secret(url):
    with pytest.raises(InvalidInputError) as error:
        shoko_client.checked_address(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://host:8111", "http://host:8111/", "http://host:8111/api/v3/"])
def test_an_address_may_have_the_path_of_the_api(url):
    assert shoko_client.checked_address(url) == "http://host:8111"


def test_the_command_says_what_was_fetched_and_its_json_adds_up(shoko, settings, monkeypatch, capsys):
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", settings.chroma_url)
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("ANIMERAG_SHOKO_KEY", KEY)
    assert main(["sync", "shoko", "--url", shoko.url]) == 0
    assert "2 series on the server, 2 of them new or changed" in capsys.readouterr().out
    assert main(["sync", "shoko", "--url", shoko.url, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["series"], printed["fetched"], printed["detail_requests"]) == (2, 0, 0)
    assert printed["read"] == printed["ingested"] + printed["unchanged"] + printed["duplicate"] + printed["quarantined"]


async def test_the_real_export_and_its_server_give_the_same_shows(real_export, quick):
    source = real_export.with_name("shoko_export_v2.json")
    records = json.loads(source.read_text(encoding="utf-8"))["AniDB_Anime"]
    known = {str(record["AnimeID"]) for record in records}

    def plain(show):
        """Remove values that only one side has: its record, titles of missing shows, place, files."""
        related = sorted((one.id, one.kind) for one in show.relations if one.id in known)
        similar = [one.id for one in show.similar]
        bare = replace(show, record={}, relations=(), similar=(), origin=None, owned_episodes=None, file_size=None)
        return bare, related, similar

    with serving(FakeShoko(records)) as server:
        async with shoko_client.connected(server.url, KEY) as client:
            sync = ShokoSync(None, None, KEY)
            listed, relations = await sync._lists(client, "Kenzo", Control())
            assert len(listed) == 1458
            synced = {}

            async def fetch(one):
                details = await shoko_sync._details(client, one.number)
                made = shoko_records.record_of(one.series, one.anime, details, relations.get(one.anime["ID"], ()))
                show = export_reader.to_show(made)
                synced[show.id] = plain(show)

            async for item in fan_out(fetch, listed, limit=lambda: 8):
                item.unwrap()
    exported = {show.id: plain(show) for show in readers.read(source)}
    assert synced.keys() == exported.keys()
    assert [show_id for show_id, show in synced.items() if show != exported[show_id]] == []
