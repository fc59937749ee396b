"""Type, dates, season and production details in every format, and the inferred type if a file has none."""

import json

import pytest

from animerag.readers import dates, details, show_types

COLUMNS = {
    "tv": ("TV", "tv", "TV Series", "TV_SHORT", "テレビ"),
    "movie": ("Movie", "MOVIE", "film", "劇場版"),
    "ova": ("OVA", "OAD"),
    "web": ("ONA", "Web"),
    "special": ("Special", "TV Special", "TV_SPECIAL"),
    "music": ("Music", "Music Video"),
    "other": ("PV", "CM", "Other"),
    None: ("Unknown", "", "0", "Action", None, 7),
}


def shoko(read_bytes, **fields):
    record = {"AnimeID": 1, "MainTitle": "A", **fields}
    return read_bytes(json.dumps({"AniDB_Anime": [record]}))[0]


@pytest.mark.parametrize(("kind", "words"), list(COLUMNS.items()))
def test_a_type_has_many_names(kind, words):
    assert {show_types.named(word) for word in words} == {kind}


@pytest.mark.parametrize(
    ("cell", "first", "last"),
    [
        ("2012-04-07 00:00:00", "2012-04-07", None),
        ("2012-04-07T00:00:00+00:00", "2012-04-07", None),
        ("Apr 7, 2012 to Sep 22, 2012", "2012-04-07", "2012-09-22"),
        ("Oct 20, 1999 to ?", "1999-10-20", None),
        ("Oct 4, 2015 - Mar 27, 2016", "2015-10-04", "2016-03-27"),
        ("7th April 2012", "2012-04-07", None),
        ("April 2012", "2012-04", None),
        ("2012-04-00", "2012-04", None),
        ("2012年4月7日", "2012-04-07", None),
        ("13/04/2012", "2012-04-13", None),
        ("04/13/2012", "2012-04-13", None),
        ("04/05/2012", None, None),  # April or May
        ("2012-02-30", None, None),
        ("2012", None, None),
        ({"year": 2012, "month": 4, "day": None}, "2012-04", None),
        ({"from": "2012-04-07T00:00:00+00:00", "to": "2012-09-22"}, "2012-04-07", "2012-09-22"),
        ({"year": "x", "month": [], "day": 1}, None, None),
        (2012, None, None),
        ("Not available", None, None),
    ],
)
def test_dates_are_read_as_far_as_they_are_known(cell, first, last):
    assert (dates.iso(cell), dates.last(cell)) == (first, last)


@pytest.mark.parametrize(
    ("date", "season"),
    [
        ("2012-01-01", "winter"),
        ("2012-03", "winter"),
        ("2012-04-01", "spring"),
        ("2012-09-30", "summer"),
        ("2012-12-31", "fall"),
        (None, None),
    ],
)
def test_a_season_is_a_quarter_of_the_year(date, season):
    assert dates.season_of(date) == season


@pytest.mark.parametrize(
    ("cell", "minutes"),
    [
        (24, 24),
        ("24 min per ep", 24),
        ("1 hr 47 min", 107),
        ("1 hr", 60),
        ("30 sec", 1),
        ("00:23:40", 24),
        (0, None),
        ({"value": 1440, "unit": "SECONDS"}, 24),
        ("Unknown", None),
        ("45 s", 1),
        (True, None),
        ("99999", None),
    ],
)
def test_an_episode_has_minutes(cell, minutes):
    assert details.minutes(cell) == minutes


@pytest.mark.parametrize(
    ("cell", "adult"),
    [
        (1, True),
        (0, False),
        (True, True),
        ("Rx - Hentai", True),
        ("R+ - Mild Nudity", False),
        ("PG-13 - Teens 13", False),
        ("R - 17+ (violence & profanity)", False),
        ("no", False),
        ("8.5", None),
        (None, None),
        ("", None),
    ],
)
def test_age_ratings_show_what_is_for_adults_only(cell, adult):
    assert details.restricted(cell) is adult


@pytest.mark.parametrize(("number", "kind"), [*enumerate(["movie", "ova", "tv", "special", "web", "other", "music"])])
def test_shoko_numbers_its_types(read_bytes, number, kind):
    for value in (number, str(number)):
        show = shoko(read_bytes, AnimeType=value, EpisodeCountNormal=50)
        assert (show.type, show.type_inferred) == (kind, False)


def test_a_shoko_record_has_dates_season_restriction_and_source(read_bytes):
    show = shoko(
        read_bytes,
        AirDate="2019-10-05 00:00:00",
        EndDate="2019-12-28 00:00:00",
        Restricted=1,
        AllTags="drama|music|light novel",
    )
    assert (show.air_date, show.end_date, show.season) == ("2019-10-05", "2019-12-28", "fall")
    assert (show.restricted, show.source) == (True, "light novel")


def test_fields_missing_in_a_shoko_record_are_unknown(read_bytes):
    show = shoko(read_bytes, AnimeType=99, AirDate=None, EndDate="0001-01-01 00:00:00", AllTags="manga|game")
    assert (show.type, show.air_date, show.end_date, show.season, show.restricted) == (None,) * 5
    assert show.source is None, "two kinds of work are no answer"


def test_an_end_before_the_beginning_is_left_out(read_bytes):
    assert shoko(read_bytes, AirDate="2019-10-05", EndDate="2018-01-01").end_date is None
    assert shoko(read_bytes, AirDate="2019-10-05", EndDate="2019-10").end_date == "2019-10"


def test_anime_offline_database_has_type_season_duration_and_studios(read_bytes):
    entry = {
        "sources": ["https://myanimelist.net/anime/1535"],
        "title": "Death Note",
        "type": "TV",
        "status": "FINISHED",
        "animeSeason": {"season": "FALL", "year": 2006},
        "duration": {"value": 1380, "unit": "SECONDS"},
        "studios": ["madhouse"],
        "tags": ["based on a manga", "crime"],
    }
    (show,) = read_bytes(json.dumps({"license": {}, "data": [entry]}))
    assert (show.type, show.season, show.year, show.airing) == ("tv", "fall", 2006, "finished")
    assert (show.duration, show.studios, show.source) == (23, ("madhouse",), "manga")


@pytest.mark.parametrize(("word", "kind"), [("TV", "tv"), ("3", "movie"), ("Movie", "movie"), ("9", None)])
def test_a_user_list_has_types(read_bytes, word, kind):
    entry = f"<anime><series_title>A</series_title><series_type>{word}</series_type></anime>"
    (show,) = read_bytes(f'<?xml version="1.0"?><myanimelist>{entry}</myanimelist>')
    assert show.type == kind


def test_tables_have_columns_for_details(read_bytes, detect_bytes):
    data = (
        "MAL_ID,Name,Score,Type,Episodes,Aired,Premiered,Studios,Source,Duration,Rating,Status\n"
        '1,Bebop,8.7,TV,26,"Apr 3, 1998 to Apr 24, 1999",Spring 1998,"Sunrise, Bones",Original,24 min. per ep.,'
        "R - 17+ (violence & profanity),Finished Airing\n"
        "2,Later,7,Movie,1,Not available,Unknown,Unknown,Unknown,Unknown,Rx - Hentai,Not yet aired\n"
    )
    fields = {column.heading: column.field for column in detect_bytes(data).columns}
    assert fields["Rating"] == "restricted"
    assert (fields["Type"], fields["Status"], fields["Source"]) == ("type", "airing", "source")
    bebop, later = read_bytes(data)
    assert (bebop.type, bebop.air_date, bebop.end_date) == ("tv", "1998-04-03", "1999-04-24")
    assert (bebop.season, bebop.airing, bebop.restricted) == ("spring", "finished", False)
    assert (bebop.source, bebop.duration, bebop.studios) == ("original", 24, ("Sunrise", "Bones"))
    assert (later.type, later.restricted, later.airing) == ("movie", True, "upcoming")
    assert (later.air_date, later.season, later.source, later.duration, later.studios) == (None, None, None, None, ())


def test_objects_of_the_sites_have_details(read_bytes):
    anilist = {
        "id": 1,
        "title": "A",
        "format": "TV_SHORT",
        "season": "SUMMER",
        "seasonYear": 2016,
        "startDate": {"year": 2016, "month": 6, "day": 28},
        "endDate": {"year": 2016, "month": 9, "day": None},
        "status": "FINISHED",
        "isAdult": False,
        "source": "LIGHT_NOVEL",
        "duration": 5,
        "studios": {"nodes": [{"name": "Trigger"}]},
        "tags": [{"name": "Space", "rank": 80}, {"name": "Police"}],
    }
    (show,) = read_bytes(json.dumps([anilist]))
    assert (show.type, show.air_date, show.end_date) == ("tv", "2016-06-28", "2016-09")
    assert show.season == "summer", "a file's own word for the season stands over the date"
    assert (show.restricted, show.source, show.duration, show.studios) == (False, "light novel", 5, ("Trigger",))
    assert (show.tags, show.tag_weights) == (("Space", "Police"), {"Space": 0.8})


def test_a_season_with_a_year_gives_the_year(read_bytes):
    first, second = read_bytes("id,title,season\n1,A,Fall 2019\n2,B,2020年春\n")
    assert (first.season, first.year, second.season, second.year) == ("fall", 2019, "spring", 2020)


def test_headings_with_another_meaning_are_ignored(detect_bytes):
    data = "id,title,season,source,status,type,duration\n1,A,2,https://example.org/1,Watching,Action,long\n"
    assert {c.field for c in detect_bytes(data).columns} == {"id", "title", None}


def test_columns_can_be_assigned_to_details(read_bytes):
    (show,) = read_bytes("id,title,what\n1,A,ONA\n", columns={"what": "type"})
    assert show.type == "web"


@pytest.mark.parametrize(
    ("title", "others", "episodes", "kind"),
    [
        ("Overlord Movie 3: Sei Oukoku-hen", (), 1, "movie"),
        ("One Piece Film: Z", (), None, "movie"),
        ("Youjo Senki", ("劇場版 幼女戦記",), 1, "movie"),
        ("Mugen Ressha-hen", ("Gekijouban Mugen Ressha-hen", "Mugen Ressha-hen (TV)"), 7, "tv"),
        ("Haikyuu!! (OVA)", (), 2, "ova"),
        ("Nova", (), 2, None),
        ("Dual! Special", (), 1, "special"),
        ("Special A", (), 24, "tv"),
        ("Movie Monster", (), 4, None),
        ("Plain", (), 12, "tv"),
        ("Plain", (), 1, None),
        ("Plain", (), None, None),
    ],
)
def test_a_type_is_inferred_from_titles_and_episodes(title, others, episodes, kind):
    assert show_types.inferred(title, others, episodes=episodes) == kind


def test_a_long_episode_or_one_described_as_a_film_is_a_movie():
    assert show_types.inferred("Plain", (), episodes=1, duration=107) == "movie"
    assert show_types.inferred("Plain", (), episodes=1, duration=24) is None
    assert show_types.inferred("Plain", (), episodes=1, description="The film tells of a dog.") == "movie"


def test_an_inferred_type_is_marked(read_bytes):
    table = "id,title,type,episodes\n1,A Movie,,1\n2,B Movie,OVA,1\n3,C,,\n"
    found = [(show.type, show.type_inferred) for show in read_bytes(table)]
    assert found == [("movie", True), ("ova", False), (None, False)]
