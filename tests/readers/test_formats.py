"""Every format: its detection, its shows, and the report on the rest."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.text.documents import Document

MAL_LIST = """<?xml version="1.0" encoding="UTF-8" ?>
<myanimelist>
  <myinfo><user_id>1</user_id><user_name>somebody</user_name></myinfo>
  <anime><series_animedb_id>21</series_animedb_id><series_title><![CDATA[One Piece]]></series_title>
    <series_episodes>0</series_episodes><my_watched_episodes>900</my_watched_episodes><my_score>9</my_score>
    <my_status>Watching</my_status></anime>
  <anime><series_animedb_id>30</series_animedb_id><series_title>Neon Genesis Evangelion</series_title>
    <series_episodes>26</series_episodes><my_watched_episodes>26</my_watched_episodes><my_score>0</my_score>
    <my_status>2</my_status></anime>
  <anime><series_animedb_id>1</series_animedb_id><series_title></series_title></anime>
  <anime><series_animedb_id>x</series_animedb_id><series_title>Odd</series_title><my_status>Binned</my_status>
    <my_score>11</my_score></anime>
</myanimelist>
"""
OFFLINE = {
    "license": {"name": "ODbL"},
    "data": [
        {
            "sources": ["https://anidb.net/anime/4563", "https://myanimelist.net/anime/1535"],
            "title": "Death Note",
            "type": "TV",
            "episodes": 37,
            "animeSeason": {"season": "FALL", "year": 2006},
            "synonyms": ["DN", "デスノート", "Steins;Gate"],
            "relatedAnime": ["https://anidb.net/anime/8146", "https://myanimelist.net/anime/2994"],
            "tags": ["shinigami", "thriller"],
            "score": {"arithmeticMean": 8.5},
        },
        {"sources": ["https://example.org/x/1"], "title": "Nowhere", "episodes": 0},
        {"title": "No sources"},
    ],
}


def test_a_list_of_a_user_overlays_status_score_and_episodes_watched(read_bytes, detect_bytes):
    for data in (MAL_LIST.encode(), gzip.compress(MAL_LIST.encode())):
        assert detect_bytes(data).format == "mal_list"
        piece, evangelion, nameless, odd = read_bytes(data)
        assert (piece.id, piece.my_status, piece.my_score, piece.episodes_watched) == ("mal:21", "watching", 9, 900)
        assert (evangelion.my_status, evangelion.my_score, evangelion.episodes) == ("completed", None, 26)
        assert piece.overlay
        assert isinstance(nameless, RowError)
        assert (odd.id[:6], odd.my_status, odd.my_score) == ("title:", None, None)
        assert len(odd.origin.notes) == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("<html><body>no</body></html>", "not a MyAnimeList export"),
        (MAL_LIST[:500], "is not complete XML"),
        ('<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><myanimelist>&b;</myanimelist>', "defines XML entities"),
        ('<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x"><myanimelist></myanimelist>', "defines XML entities"),
    ],
)
def test_xml_other_than_a_list_is_refused(read_bytes, data, says):
    with pytest.raises(InvalidInputError, match=says):
        read_bytes(data)


def test_the_offline_database_gives_titles_and_tags_under_the_ids_of_a_site(read_bytes, detect_bytes):
    lines = [{"license": {}}, *OFFLINE["data"]]
    for data in (json.dumps(OFFLINE), "\n".join(json.dumps(line) for line in lines)):
        found = detect_bytes(data)
        note, nowhere, last = read_bytes(data)
        assert found.problem is None
        assert (note.id, note.episodes, note.year, note.rating) == ("mal:1535", 37, 2006, 8.5)
        assert note.titles == ("Death Note", "DN", "デスノート", "Steins;Gate")
        assert (note.tags, [item.id for item in note.relations]) == (("shinigami", "thriller"), ["mal:2994"])
        assert (nowhere.id[:6], nowhere.episodes) == ("title:", None)
        assert isinstance(last, RowError) or last.title == "No sources"


def test_json_lines_keep_real_lists_and_nulls(read_bytes, detect_bytes):
    line = {
        "id": 1,
        "title": "A",
        "title_english": "Steins;Gate",
        "synonyms": ["B", "C; D"],
        "synopsis": None,
        "genres": ["Drama", {"name": "School"}],
        "episodes": None,
        "year": 2012,
        "score": 8.1,
        "type": "TV",
    }
    data = json.dumps(line) + "\n\n" + json.dumps({**line, "id": 2, "title": 86})
    assert detect_bytes(data).format == "jsonl"
    first, second = read_bytes(data)
    assert first.titles == ("A", "Steins;Gate", "B", "C; D")
    assert (first.tags, first.episodes, first.description, first.rating) == (("Drama", "School"), None, "", 8.1)
    assert (second.id, second.title, second.origin.line) == ("2", "86", 3)


def test_json_lines_are_distinguished_from_one_document(detect_bytes):
    assert detect_bytes('[{"id": 1, "title": "A"},\n{"id": 2, "title": "B"}]').format == "records"
    assert detect_bytes('{"id": 1, "title": "A"}\n{"id": 2, "title": "B"}').format == "jsonl"
    assert detect_bytes('{"id": 1, "title": \n{"id": 2, "title": "B"}\n{"id": 3, "title": "C"}').format == "jsonl"
    assert detect_bytes('{"AniDB_Anime": [\n{"AnimeID": 1, "MainTitle": "A"}\n]}').format == "shoko"


def test_a_list_of_plain_objects_is_read_by_its_keys(read_bytes):
    (show,) = read_bytes('[{"mal_id": 5, "title": "A", "title_synonyms": ["B"], "aired": "Apr 3, 1998 to Sep 1999"}]')
    assert (show.id, show.titles, show.year) == ("5", ("A", "B"), 1998)


@pytest.mark.parametrize(
    ("heading", "cells", "expected"),
    [
        # Kaggle 2020, Kaggle 2023, the list of 2018, the recommendations of 2016, AniList, a scraped list
        (
            "MAL_ID,Name,Score,Genres,English name,Japanese name,Type,Episodes,Aired,Rating",
            '1,A,8.78,"Action, Sci-Fi",B,C,TV,26,"Apr 3, 1998 to Apr 24, 1999",R - 17+',
            ("1", 8.78, 26, 1998),
        ),
        (
            "anime_id,Name,English name,Other name,Score,Genres,Synopsis,Type,Episodes,Aired,Premiered,Scored By",
            '1,A,B,C,8.75,"Action",S,TV,26.0,Unknown,spring 1998,914193.0',
            ("1", 8.75, 26, 1998),
        ),
        (
            "anime_id,title,title_english,title_synonyms,type,episodes,aired,rating,score,scored_by,genre",
            "1,A,B,C,TV,26,\"{'from': '1998-04-03', 'to': '1999-04-24'}\",PG-13,8.7,5,Action",
            ("1", 8.7, 26, 1998),
        ),
        ("anime_id,name,genre,type,episodes,rating,members", '1,A,"Action",TV,26,8.7,10', ("1", 8.7, 26, None)),
        (
            "id,title_romaji,title_english,title_native,averageScore,seasonYear,episodes,genres",
            "1,A,B,C,86,1998,26,Action",
            ("1", 8.6, 26, 1998),
        ),
        (
            "uid,title,synopsis,genre,aired,episodes,members,score",
            "1,A,S,\"['Action', 'Sci-Fi']\",\"Apr 3, 1998 to ?\",26.0,5,8.7",
            ("1", 8.7, 26, 1998),
        ),
    ],
)
def test_headings_of_the_common_dumps(read_bytes, heading, cells, expected):
    (show,) = read_bytes(f"{heading}\n{cells}\n")
    assert (show.id, show.rating, show.episodes, show.year) == expected
    assert (show.title, show.tags[0], show.origin.notes) == ("A", "Action", ())


def test_a_page_of_an_api_is_read_as_a_list(read_bytes):
    entry = {
        "mal_id": 1,
        "title": "A",
        "title_synonyms": ["B"],
        "year": None,
        "aired": {"from": "1998-04-03T00:00:00+00:00", "string": "Apr 3, 1998 to ?"},
        "genres": [{"mal_id": 1, "name": "Action"}],
        "scored_by": 5,
    }
    (show,) = read_bytes(json.dumps({"data": [entry]}))
    assert (show.id, show.year, show.tags, show.votes, show.titles) == ("1", 1998, ("Action",), 5, ("A", "B"))


def test_headings_become_shows_and_other_text_notes(read_bytes, detect_bytes):
    text = (
        "Things I liked.\n\n# Watched\n## Planetes\nAstronauts who collect trash.\n\n```\n# no heading\n```\n"
        "## Mushishi ##\nQuiet.\n## Planetes\nAgain.\n## Only a name\n"
    )
    assert detect_bytes(text).format == "notes"
    shows = read_bytes(text)
    assert [(show.title, show.origin.line) for show in shows] == [
        ("Things I liked.", 1),
        ("Planetes", 4),
        ("Mushishi", 10),
        ("Planetes", 12),
        ("Only a name", 14),
    ]
    assert "# no heading" in shows[1].description
    assert len({show.id for show in shows}) == 5
    assert [show.id for show in read_bytes(text)] == [show.id for show in shows]


def test_a_long_text_is_cut_into_passages_at_blank_lines(read_bytes):
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 100 for number in range(20))
    found = read_bytes(text)
    assert len(found) > 3
    assert all(len(note.description) < 3000 for note in found)
    assert "".join(note.description for note in found).count("Paragraph") == 20


def test_a_file_named_like_a_table_is_not_read_as_notes(read_bytes):
    with pytest.raises(InvalidInputError, match="contains neither a table nor a list"):
        read_bytes("Just some words.\nNothing else.", name="shows.csv")


def test_a_chosen_column_wins_over_a_guess_and_the_choice_none_leaves_one_out(read_bytes, detect_bytes):
    data = "id,name,title,rating\n1,A,B,PG-13\n2,C,D,R\n"
    fields = {column.heading: column.field for column in detect_bytes(data).columns}
    assert fields == {"id": "id", "name": None, "title": "title", "rating": "restricted"}
    assert [show.title for show in read_bytes(data, columns={"name": "title"})] == ["A", "C"]
    assert read_bytes(data, columns={"id": "none"})[0].id.startswith("title:")


def test_an_age_rating_is_no_score_and_columns_of_the_user_are_recognised(read_bytes):
    (show,) = read_bytes("title,Rating,my_score,my_status,watched_episodes\nA,PG-13,7,On-Hold,3\n")
    assert (show.rating, show.my_score, show.my_status, show.episodes_watched) == (None, 7, "on_hold", 3)


def test_two_columns_of_one_name_are_refused(read_bytes):
    with pytest.raises(InvalidInputError, match="more than one column named title"):
        read_bytes("id,title,title\n1,A,B\n")


def test_detection_has_what_a_preview_and_a_column_chooser_need(detect_bytes):
    found = detect_bytes("Nummer;Titel;Punkte\n1;Ü;8,5\n2;Ä;7,1\n".encode("cp1252"))
    assert found.problem
    assert [column.heading for column in found.columns] == ["Nummer", "Titel", "Punkte"]
    assert found.columns[1].cells == ("Ü", "Ä")
    assert found.sample[0] == ("1", "Ü", "8,5")
    assert any("Windows-1252" in reason for reason in found.reasons)
    assert not found.fixed


KEYS = [
    "id",
    "AnimeID",
    "MainTitle",
    "title",
    "Name",
    "synonyms",
    "genres",
    "episodes",
    "year",
    "score",
    "sources",
    "x",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "name", "from"]), inner),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES | st.lists(RECORDS, min_size=1), records=st.lists(RECORDS | VALUES, min_size=2))
def test_any_json_is_read_or_refused_with_a_reason(read_bytes, value, records):
    lines = "\n".join(json.dumps(record) for record in records)
    for data in (json.dumps(value), json.dumps({"AniDB_Anime": records}), json.dumps({"data": records}), lines):
        try:
            rows = read_bytes(data, name="x.json")
        except InvalidInputError:
            continue
        for row in rows:
            assert isinstance(row, RowError) or (row.id and row.title and Document.of(row).content_hash)


def test_records_have_their_line_numbers(read_bytes):
    data = (
        '{"note": ["AniDB_Anime", "["],\n"AniDB_Anime": [],\n"AniDB_Anime": [\n{"AnimeID": 1, "MainTitle": "A"},\n\n7]}'
    )
    show, error = read_bytes(data)
    assert (show.origin.line, error.line) == (4, 6)


def test_an_endless_number_is_refused(read_bytes):
    with pytest.raises(InvalidInputError, match="more than 4,000 digits"):
        read_bytes('[{"id": 1, "title": "A", "x": ' + "9" * 5000 + "}]")
    bad, show = read_bytes('{"id": 1, "title": "A", "x": ' + "9" * 5000 + '}\n{"id": 2, "title": "B"}')
    assert (bad.line, show.id) == (1, "2")


@pytest.mark.parametrize("name", ["../../etc/x.csv", "C:\\x.csv", "\\\\host\\s.csv", "CON", "a\nb.csv", "<img>.csv"])
def test_a_file_name_is_never_used_as_a_path(tmp_path, read_bytes, name):
    before = sorted(tmp_path.parent.rglob("*"))
    (show,) = read_bytes("id,title\n1,A\n", name=name)
    assert show.origin.file == name
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, tmp_path / "stored"])


def test_a_list_of_numbers_without_titles_is_refused_with_a_way_out(detect_bytes):
    copy = {"user": {"id": 1}, "lists": [{"id": 1, "series_id": 5114, "status": 2, "score": 90, "progress": 64}]}
    with pytest.raises(InvalidInputError, match="save your list with titles"):
        detect_bytes(json.dumps(copy))
