"""Tables are read as they were written, in any encoding and with any delimiter; a bad row affects no other."""

import csv
import datetime as dt
import gzip
import io
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import ReadOptions, tables

PROPERTY = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADERS = ["id", "title", "synopsis"]
WRITABLE = {  # what may stand in a cell, by encoding
    "utf-8": st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    "utf-8-sig": st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    "utf-16": st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    "utf-16-le": st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    "utf-16-be": st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"),
    "cp1252": st.sampled_from("abcXYZ 019\n\t,;|\"'éèüß“”‘’–—…€£ñÀ"),
    "cp932": st.sampled_from("abcXYZ 019\n\t,;|\"'あいうアイウ漢字物語、。ー「」進撃巨人"),
    "euc_jp": st.sampled_from("abcXYZ 019\n\t,;|\"'あいうアイウ漢字物語、。ー「」進撃巨人"),
}
SENTENCES = {
    "cp1252": "Thé naïve façade — “déjà vu”… he said it’s über-cool",
    "cp932": "進撃の巨人は、壁の中の物語。アニメとマンガ",
    "euc_jp": "進撃の巨人は、壁の中の物語。アニメとマンガ",
}


def known(heading):
    return heading in HEADERS


def cells_of(alphabet):
    return st.lists(st.tuples(*[st.text(alphabet, max_size=30)] * 3), min_size=1, max_size=8)


def written(rows, encoding, delimiter):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([HEADERS, *rows])
    return out.getvalue().encode(encoding)


@pytest.fixture(scope="module")
def workbook(tmp_path_factory):
    """A small workbook as bytes."""
    book = openpyxl.Workbook()
    for cells in (["id", "title"], [1, "A"]):
        book.active.append(cells)
    path = tmp_path_factory.mktemp("workbook") / "small.xlsx"
    book.save(path)
    return path.read_bytes()


def refusal(path, name):
    """Read a whole file and return the sentence with which it is refused, if any."""
    try:
        list(readers.read(path, name))
    except InvalidInputError as error:
        return str(error)
    return None


def not_empty(rows):
    """The expected result: every row that is not empty."""
    return [tuple(cells) for cells in rows if any(cell.strip() for cell in cells)]


@PROPERTY
@given(data=st.data(), delimiter=st.sampled_from(list(",;\t|")), encoding=st.sampled_from(list(WRITABLE)))
def test_any_text_table_is_read_as_it_was_written(stored, data, delimiter, encoding):
    rows = data.draw(cells_of(WRITABLE[encoding]))
    path = stored(written(rows, encoding, delimiter))
    layout = tables.layout(path, "x", known=known, encoding=encoding, delimiter=delimiter)
    assert layout.headers == tuple(HEADERS)
    assert [row.cells for row in tables.rows(path, "x", layout)] == not_empty(rows)


@PROPERTY
@given(data=st.data(), delimiter=st.sampled_from(list(",;\t|")), encoding=st.sampled_from(list(WRITABLE)))
def test_encoding_and_delimiter_of_a_table_are_detected(stored, data, delimiter, encoding):
    rows = data.draw(cells_of(WRITABLE[encoding]))
    rows = [(cells[0], cells[1], SENTENCES.get(encoding, "") + cells[2].strip('"')) for cells in rows]
    path = stored(written(rows, encoding, delimiter))
    layout = tables.layout(path, "x", known=known)
    assert (layout.headers, layout.delimiter) == (tuple(HEADERS), delimiter)
    assert [row.cells for row in tables.rows(path, "x", layout)] == not_empty(rows)


@PROPERTY
@given(rows=cells_of(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], include_characters="\n\t")))
def test_any_workbook_is_read_as_it_was_written(tmp_path, rows):
    book = openpyxl.Workbook()
    for cells in [HEADERS, *rows]:
        book.active.append(cells)
    for row in book.active.iter_rows():
        for cell in row:
            cell.data_type = "s"  # a text that begins with = is text
    path = tmp_path / "stored"
    book.save(path)
    layout = tables.layout(path, "x", known=known)
    found = [row.cells for row in tables.rows(path, "x", layout)]
    assert found == not_empty(rows)


@PROPERTY
@given(st.binary(max_size=400))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe")
@example(b"PK\x03\x04")
@example(b"\x1f\x8b\x08")
@example(b"<myanimelist><anime>")
@example(b'<!DOCTYPE x [<!ENTITY a "b">]><myanimelist>&a;</myanimelist>')
@example(b"[" * 300)
@example(b'{"a":' * 300)
@example(b"id,title\n\x00,\x00")
@example(b'"')
@example(b"# ")
@example(b"\xc2\x85")
def test_random_bytes_raise_nothing_but_our_own_error(stored, data):
    path = stored(data)
    for name in ("x", "x.csv"):
        refused = refusal(path, name)
        assert refused is None or (refused.startswith(name) and refused.endswith("."))


@PROPERTY
@given(at=st.floats(0, 1), value=st.integers(0, 255), end=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_a_damaged_workbook_raises_nothing_but_our_own_error(stored, workbook, at, value, end):
    raw = bytearray(workbook)
    raw[4 + int(at * (len(raw) - 5))] = value
    refused = refusal(stored(bytes(raw[: 4 + int(end * len(raw))])), "x")
    assert refused is None or refused.endswith(".")


def test_a_workbook_that_unpacks_to_too_much_is_refused(stored, workbook):
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE worksheet [<!ENTITY a0 "lol">{entities}]>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as sound, zipfile.ZipFile(out, "w") as bad:
        for name in sound.namelist():
            data = sound.read(name).decode("utf-8", "surrogateescape")
            if name.endswith("sheet1.xml"):
                data = bomb + data[data.index("<worksheet") :].replace("<v>1</v>", "<v>&a9;</v>")
            bad.writestr(name, data.encode("utf-8", "surrogateescape"))
    assert (
        refusal(stored(out.getvalue()), "x") == "x is a damaged workbook: open it in a spreadsheet and save it again."
    )


def test_numbers_and_dates_of_a_workbook_are_read_as_an_export_would_write_them(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Just a remark"])
    sheet = book.create_sheet("Shows")
    sheet.append(["MAL_ID", "Name", "Score", "Aired", "Episodes"])
    sheet.append([21.0, "One Piece", 8.72, dt.date(1999, 10, 20), 1100])
    path = tmp_path / "shows.bin"
    book.save(path)
    found = readers.detect(path)
    (show,) = readers.read(path)
    assert (found.format, found.layout.sheet, found.site) == ("workbook", "Shows", "mal")
    assert (show.id, show.rating, show.year, show.episodes) == ("21", 8.72, 1999, 1100)


def test_an_unclosed_quote_loses_one_row(stored):
    path = stored('id,title\n1,A\n2,"B\n3,C\n4,"D ""x"""\n5,"E" F\n6,G\n')
    layout = tables.layout(path, "x", known=known)
    found = list(tables.rows(path, "x", layout))
    assert [(row.line, row.cells[0]) for row in found if not isinstance(row, RowError)] == [
        (2, "1"),
        (4, "3"),
        (5, "4"),
        (7, "6"),
    ]
    assert [row.line for row in found if isinstance(row, RowError)] == [3, 6]


def test_tab_separated_text_may_use_quotes_as_letters(stored):
    path = stored('id\ttitle\n1\t"Kings" are back\n2\t"A" and "B"\n3\tC\n')
    layout = tables.layout(path, "x", known=known)
    assert [row.cells[1] for row in tables.rows(path, "x", layout)] == ['"Kings" are back', '"A" and "B"', "C"]


def test_a_row_beyond_the_cell_limit_is_skipped_and_the_next_ones_are_read(stored):
    path = stored("id,title\n1,A\n2," + "x" * 2_000_001 + "\n3," + "y" * 9_000_000 + "\n4,B\n")
    layout = tables.layout(path, "x", known=known)
    found = list(tables.rows(path, "x", layout))
    assert [row.line for row in found] == [2, 3, 4, 5]
    assert [isinstance(row, RowError) for row in found] == [False, True, True, False]
    assert "longer than 2,000,000 characters" in found[1].reason


def test_a_file_of_too_many_rows_is_refused(stored, monkeypatch):
    monkeypatch.setattr("animerag.readers.rows.MAX_ROWS", 3)
    path = stored("id,title\n" + "1,A\n" * 4)
    layout = tables.layout(path, "x", known=known)
    with pytest.raises(InvalidInputError, match="more than 3 rows"):
        list(tables.rows(path, "x", layout))


def test_gzip_is_inflated_up_to_a_limit(stored, monkeypatch):
    path = stored(gzip.compress(b"id,title\n" + b"1,A\n" * 100_000))
    assert path.stat().st_size < 5000
    assert sum(1 for _ in readers.read(path)) == 100_000
    monkeypatch.setattr("animerag.readers.file_type.MAX_FILE_BYTES", 10_000)
    with pytest.raises(InvalidInputError, match="unpacks to more than"):
        list(readers.read(path))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding": "utf-99"}, "utf-99 is not a known encoding"),
        ({"encoding": "base64"}, "is not a text encoding"),
        ({"encoding": "ascii", "delimiter": "ab"}, "cannot separate columns"),
        ({"encoding": "utf-16"}, "is not text in UTF-16"),
        ({"columns": {"title": "titel"}}, "titel is not a field"),
        ({"columns": {"Nombre": "title"}}, "no column Nombre: choose from id, title"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_a_reason(stored, options, says):
    path = stored("id,title\n1,Á\n")
    with pytest.raises(InvalidInputError, match=says):
        list(readers.read(path, "x", ReadOptions(**options)))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Spy×Family", "cp1252"),
        ("½ prince", "cp1252"),
        ("Pokémon", "cp1252"),
        ("Les Misérables – Shōjo".replace("ō", "o"), "cp1252"),
        ("進撃の巨人", "cp932"),
        ("進撃の巨人", "euc_jp"),
        ("ワンピース ONE PIECE", "cp932"),
        ("ワンピース ONE PIECE", "euc_jp"),
    ],
)
@pytest.mark.parametrize("before", [0, 30_000])
def test_an_encoding_is_detected_wherever_its_first_special_letter_is(stored, text, encoding, before):
    lines = ["id,title", *(f"{number},Plain" for number in range(before)), f"7,{text}"]
    path = stored("\n".join(lines).encode(encoding))
    layout = tables.layout(path, "x", known=known)
    assert [row.cells[1] for row in tables.rows(path, "x", layout)][-1] == text


def test_text_that_was_decoded_wrongly_before_is_refused(stored):
    path = stored("id,title\n1,Pokémon à volonté\n".encode() + b"2,\xe9\n")
    with pytest.raises(InvalidInputError, match="has an unknown encoding"):
        tables.layout(path, "x", known=known)


def test_the_same_file_can_be_read_twice(stored):
    path = stored("id,title\n1,A\n2,B\n")
    assert list(readers.read(path)) == list(readers.read(path))
