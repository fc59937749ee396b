"""The Shoko/AniDB export."""

import json

import pytest

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Show


@pytest.fixture
def read(read_bytes):
    """Read an export of these records."""
    return lambda *records: read_bytes(json.dumps({"AniDB_Anime": records}).encode())


def test_a_record_becomes_a_show_and_is_stored_completely(read, record):
    source = record(
        7,
        "Main",
        "Text.",
        AllTitles="Main|Other|Main",
        AllTags="drama|mecha",
        EpisodeCountNormal=12,
        BeginYear=1999,
        EndYear=0,
        Rating=812,
        VoteCount=10,
        relations='[{"anime_id": 8, "relation_type": "Sequel", "title_main": "Main II", "begin_year": 2001}]',
        Nested={"list": [1, {"deep": None}]},
    )
    (show,) = read(source)
    assert isinstance(show, Show)
    assert (show.id, show.titles, show.tags) == ("7", ("Main", "Other"), ("drama", "mecha"))
    assert (show.episodes, show.year, show.end_year, show.rating, show.votes) == (12, 1999, None, 8.12, 10)
    assert [(item.id, item.kind, item.year) for item in show.relations] == [("8", "Sequel", 2001)]
    assert show.record == source


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"MainTitle": "A"}, "no usable AnimeID"),
        ({"AnimeID": 0, "MainTitle": "A"}, "no usable AnimeID"),
        ({"AnimeID": True, "MainTitle": "A"}, "no usable AnimeID"),
        ({"AnimeID": 5, "MainTitle": "  "}, "no MainTitle"),
        (None, "is null"),
        ([1], "is a list"),
    ],
)
def test_a_broken_row_is_skipped_with_its_line_and_the_rest_is_read(read_bytes, record, broken, reason):
    data = json.dumps({"AniDB_Anime": [record(1, "A"), broken, record(2, "B")]}, indent=1).encode()
    first, bad, last = read_bytes(data)
    assert (first.id, last.id) == ("1", "2")
    assert isinstance(bad, RowError)
    assert reason in bad.reason
    line = data.decode().splitlines()[bad.line - 1].strip()
    assert line[:1] == json.dumps(broken)[:1]


def test_a_row_with_half_a_surrogate_pair_is_skipped_before_it_is_embedded(read_bytes):
    data = b'{"AniDB_Anime": [{"AnimeID": 1, "MainTitle": "\\ud800"}, {"AnimeID": 2, "MainTitle": "B"}]}'
    try:
        rows = read_bytes(data)
    except InvalidInputError:
        return  # the parser itself may refuse the file, in a sentence
    assert [type(row) for row in rows] == [RowError, Show]


def test_an_unusable_value_leaves_out_the_field_but_not_the_show(read, record):
    (show,) = read(record(1, "A", {"no": "text"}, EpisodeCountNormal="twelve", BeginYear=-4, relations="[{"))
    assert (show.description, show.episodes, show.year, show.relations) == ("", None, None, ())
    named = ["for first year", "The description", "The field relations", "for number of episodes"]
    assert all(part in note for part, note in zip(named, show.origin.notes, strict=True))


def test_a_blank_main_title_is_replaced_by_another_title(read, record):
    (show,) = read(record(1, " ", AllTitles="|| |Fairy Tail|FAIRY TAIL|"))
    assert show.titles == ("Fairy Tail", "FAIRY TAIL")
    assert "MainTitle is blank" in show.origin.notes[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"AniDB_Anime": [{"AnimeID": 1', "not complete JSON"),
        (b'{"anime": []}', '"anime"'),
        (b"{}", "has nothing; animerag expects"),
        (b'"text"', "contains neither a table nor a list"),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"\x1f\x8brest", "damaged gzip"),
        (b"\x89PNGrest", "PNG picture"),
        (b"[" * 20_000, "nested too deeply"),
        (b'{"AniDB_Anime": [{"AnimeID": NaN}]}', "not complete JSON"),
        ("{}".encode("utf-16"), "has nothing; animerag expects"),
        (b'{"AniDB_Anime": "\x81\xff"}', "has an unknown encoding"),
    ],
)
def test_other_files_are_refused_with_a_reason_before_the_first_row(read_bytes, data, says):
    with pytest.raises(InvalidInputError) as refused:
        read_bytes(data, name="file.json")
    assert says in str(refused.value)
    assert str(refused.value).startswith("file.json ")


def test_a_bare_list_and_a_byte_order_mark_are_fine(read_bytes, record):
    data = b"\xef\xbb\xbf" + json.dumps([record(1, "A"), {"AnimeID": 3}]).encode()
    show, bad = read_bytes(data)
    assert (show.id, bad.line, bad.id) == ("1", 1, "3")


def test_the_table_key_can_be_the_id(read_bytes, record):
    (show,) = read_bytes(json.dumps([record(1, "A", AniDB_AnimeID=9)]).encode(), id_field="AniDB_AnimeID")
    assert show.id == "9"


def test_relations_follow_their_shows_to_the_table_key(read_bytes, record):
    linked = '[{"anime_id": 2, "relation_type": "Sequel"}, {"anime_id": 99}]'
    records = [record(1, "A", AniDB_AnimeID=7, relations=linked), record(2, "B", AniDB_AnimeID=8, similar=linked)]
    first, second = read_bytes(json.dumps(records).encode(), id_field="AniDB_AnimeID")
    assert [item.id for item in (*first.relations, *second.similar)] == ["8", "8"]


def test_the_real_export_has_1458_usable_shows(real_export):
    rows = list(readers.read(real_export))
    assert len(rows) == 1458
    assert all(isinstance(row, Show) for row in rows)
