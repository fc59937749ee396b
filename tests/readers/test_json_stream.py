"""JSON as a stream: every record has its line, wherever a chunk of the text ends, in little memory."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.readers import json_stream

KEYS = ("first", "second")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def everything(path):
    found = json_stream.scan(path, path.name, "utf-8", KEYS)
    return found, list(json_stream.records(path, path.name, "utf-8", found.place))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, max_size=6), VALUES, st.integers(1, 7), st.sampled_from([None, 1]))
def test_records_are_those_of_the_whole_document_wherever_it_is_cut(tmp_path, records, other, piece, indent):
    path = tmp_path / "x.json"
    for document in (records, {"other": other, "second": records, "last": [other]}):
        path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_stream, "_PIECE", piece)
            found, numbered = everything(path)
        assert [record for _, record in numbered] == records
        assert found.count == len(records)


def test_each_record_has_the_line_that_it_begins_on(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"note": "a\\nb",\n "first": [\n  {"a": 1,\n   "b": 2}, 3,\n\n  [4]\n]}', encoding="utf-8")
    assert everything(path)[1] == [(3, {"a": 1, "b": 2}), (4, 3), (6, [4])]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1}, {"a"', r"x.json is not complete JSON: it stops at line 1 \(EOF"),
        ('[\n1,\n{"a": nan}]', "stops at line 3"),
        ("[1\n 2]", r"stops at line 2 \(expected `\]`\)"),
        ("[1] 2", r"stops at line 1 \(trailing characters\)"),
        ('{"first": [1]\n', "stops at line 2"),
        ("{first: [1]}", r"stops at line 1 \(key must be a string\)"),
        ("[" + "[" * 300 + "]" * 300 + "]", "nested too deeply at line 1"),
        ("[" + "[" * 20_000, "nested too deeply at line 1"),
        ("[1" + "0" * 4001 + "]", "a number of more than 4,000 digits"),
    ],
)
def test_broken_json_is_refused_with_its_line_before_the_first_record(tmp_path, text, says):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=says):
        json_stream.scan(path, path.name, "utf-8", KEYS)


def test_the_first_key_wins_and_of_two_members_with_one_key_the_last(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"second": [9], "first": [1], "first": [2, 3]}', encoding="utf-8")
    found, numbered = everything(path)
    assert (found.key, found.place, [record for _, record in numbered]) == ("first", 2, [2, 3])


def test_an_endless_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "MAX_VALUE_CHARACTERS", 1000)
    monkeypatch.setattr(json_stream, "_PIECE", 100)
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"a": 1}, {"a": "x" * 3000}], indent=1), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="a record of more than 1,000 characters at line 5"):
        json_stream.scan(path, path.name, "utf-8", KEYS)


def test_memory_does_not_grow_with_a_document(tmp_path, record, memory_mb):
    path = tmp_path / "x.json"
    text = json.dumps(record(1, "Voyage", "At sea. " * 200))
    path.write_text('{"AniDB_Anime": [' + ",".join([text] * 4000) + "]}", encoding="utf-8")
    size_mb = path.stat().st_size / 2**20
    before_mb = memory_mb()
    rows = sum(1 for _ in readers.read(path))
    assert rows == 4000
    assert memory_mb() - before_mb < size_mb, "a document that is parsed whole takes several times its size"
