"""Related shows as sites and their dumps write them."""

import json

import pytest

from animerag.readers.relations import related

JIKAN = [
    {"relation": "Sequel", "entry": [{"mal_id": 2, "type": "anime", "name": "Dawn II"}]},
    {"relation": "Side Story", "entry": [{"mal_id": 3, "type": "anime", "name": "Noon"}]},
    {"relation": "Adaptation", "entry": [{"mal_id": 90, "type": "manga", "name": "Dawn"}]},
    {"relation": "Other", "entry": [{"mal_id": 91, "type": "manga", "name": "Dawn: Art"}]},
]
MAL = [{"node": {"id": 2, "title": "Dawn II"}, "relation_type": "sequel", "relation_type_formatted": "Sequel"}]
ANILIST = {
    "edges": [
        {
            "relationType": "SIDE_STORY",
            "node": {"id": 30, "idMal": 3, "type": "ANIME", "title": {"romaji": "Noon"}, "startDate": {"year": 2013}},
        },
        {"relationType": "SOURCE", "node": {"id": 31, "type": "MANGA", "title": {"romaji": "Dawn"}}},
    ]
}
OLD = {"Prequel": [{"mal_id": 2, "type": "anime", "title": "Dawn 0"}], "Adaptation": [{"mal_id": 9, "title": "Dawn"}]}


@pytest.mark.parametrize(
    ("value", "site", "expected"),
    [
        (JIKAN, "mal", [("2", "Sequel", "Dawn II", None), ("3", "Side Story", "Noon", None)]),
        (MAL, "mal", [("2", "Sequel", "Dawn II", None)]),
        (ANILIST, "", [("30", "Side Story", "Noon", 2013)]),
        (ANILIST, "mal", [("3", "Side Story", "Noon", 2013)]),
        (OLD, "mal", [("2", "Prequel", "Dawn 0", None)]),
        (json.dumps(JIKAN), "mal", [("2", "Sequel", "Dawn II", None), ("3", "Side Story", "Noon", None)]),
        (str(OLD), "mal", [("2", "Prequel", "Dawn 0", None)]),
    ],
)
def test_related_shows_are_read_and_books_are_not(value, site, expected):
    assert [(one.id, one.kind, one.title, one.year) for one in related(value, site)] == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, 7, "", "Sequel: Dawn II", "[1, 2", "[" * 5000, "{'a': __import__('os')}", [["Sequel", 2]]),
        *({"Sequel": "Dawn"}, [{"relation": "Sequel", "entry": [{"mal_id": -1, "name": "Dawn"}]}]),
        *(
            [{"relation": "Sequel", "entry": [{"mal_id": True, "name": "Dawn"}]}],
            [{"node": {"id": 2, "title": "Dawn"}}],
        ),
    ],
)
def test_other_values_give_no_relation(value):
    assert related(value) == ()


def test_a_dump_has_relations_and_a_column_of_other_words_is_not_read_as_such(read_bytes, detect_bytes):
    rows = [{"mal_id": 1, "title": "Dawn", "relations": JIKAN}, {"mal_id": 2, "title": "Dawn II", "relations": []}]
    first, second = read_bytes(json.dumps(rows))
    assert ([one.id for one in first.relations], second.relations) == (["2", "3"], ())
    table = "id,title,related\n1,Dawn,see Dawn II\n2,Dawn II,see Dawn\n"
    assert next(column for column in detect_bytes(table).columns if column.heading == "related").field is None
