"""Small files that would exhaust memory or never end are refused with a reason, at little cost to this process."""

import gzip
import os
import time
import zipfile

import openpyxl
import pytest

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import ReadOptions, confinement
from animerag.readers.confinement import Limits

GROWTH_MB = 80
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
SHARED_TYPE = (
    b'<Override PartName="/xl/sharedStrings.xml"'
    b' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
ROW = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>{1}</t></is></c></row>'


def workbook(path, *, sheet=None, shared=None):
    """Write a sound workbook with one show, then replace the content of one of its parts, in pieces."""
    book = openpyxl.Workbook()
    book.active.append(["title", "year"])
    book.active.append(["Voyage", 1999])
    book.save(path.with_suffix(".sound"))
    changed = {"xl/worksheets/sheet1.xml": sheet}
    with (
        zipfile.ZipFile(path.with_suffix(".sound")) as sound,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        if shared:
            types = sound.read("[Content_Types].xml").replace(b"</Types>", SHARED_TYPE + b"</Types>")
            changed |= {"[Content_Types].xml": [types], "xl/sharedStrings.xml": shared}
        for entry in dict.fromkeys([*sound.namelist(), *changed]):
            with archive.open(entry, "w") as written:
                for piece in changed.get(entry) or [sound.read(entry)]:
                    written.write(piece)
    return path


def bursting_workbook(directory):
    zeros = [b" " * 2**20] * 40
    return workbook(directory / "bomb.xlsx", sheet=zeros)


def endless_shared_texts(directory):
    start = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    part = "".join(f"<si><t>{n * 7919 % 99991:x}</t></si>" for n in range(20_000)).encode()
    return workbook(directory / "shared.xlsx", shared=[start, *[part] * 105, b"</sst>"])


def far_row(directory):
    rows = ROW.format(1, "title") + ROW.format(2, "Voyage") + ROW.format(900_000_000_000, "far")
    return workbook(directory / "rows.xlsx", sheet=[SHEET.format(rows).encode()])


def far_columns(directory):
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>x{0}</t></is></c><c r="XFD{0}"><v>{0}</v></c></row>'
    rows = ROW.format(1, "title") + "".join(row.format(n) for n in range(2, 20_000))
    return workbook(directory / "columns.xlsx", sheet=[SHEET.format(rows).encode()])


def many_cells(directory):
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>x{0}</t></is></c><c r="BXX{0}"><v>{0}</v></c></row>'
    rows = ROW.format(1, "title") + "".join(row.format(n) for n in range(2, 20_000))
    return workbook(directory / "cells.xlsx", sheet=[SHEET.format(rows).encode()])


def gzip_bomb(directory):
    path = directory / "bomb.json.gz"
    with gzip.open(path, "wb") as file:
        file.write(b'[{"title": "')
        for _ in range(40):
            file.write(b"x" * 2**20)
    return path


def lists_of_nothing(directory):
    """Make a file that unpacks to less than a hundred times its size, and to objects of twenty times that."""
    path = directory / "lists.json.gz"
    noise = os.urandom(300_000).hex()  # incompressible data lowers the ratio
    with gzip.open(path, "wb") as file:
        file.write(f'[{{"title": "Voyage", "noise": "{noise}"}}'.encode())
        for number in range(11):
            file.write(f',{{"title": "Voyage {number}", "list": [[]'.encode())
            file.write(b",[]" * 1_000_000)
            file.write(b"]}")
        file.write(b"]")
    return path


def open_quotes(directory):
    path = directory / "quotes.csv"
    path.write_text("title,year\n" + 'a,"b\n' * 200_000, encoding="utf-8")
    return path


def useless_rows(directory):
    path = directory / "useless.jsonl"
    path.write_text('{"title": "Voyage"}\n' * 2 + '{"title": ""}\n' * 60_000, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (bursting_workbook, "bomb.xlsx unpacks to more than 100 times its size, the limit: save it as CSV"),
        (endless_shared_texts, "shared.xlsx has more than 2,000,000 shared texts: save it as CSV"),
        (far_row, "rows.xlsx has more than 1,048,576 rows in the sheet Sheet, including blank ones"),
        (far_columns, "columns.xlsx has more than 2,000 columns in the sheet Sheet, including blank ones"),
        (many_cells, "cells.xlsx has more than 20,000,000 cells in the sheet Sheet, including blank ones"),
        (gzip_bomb, "bomb.json.gz unpacks to more than 100 times its size, the limit: unpack it"),
        (lists_of_nothing, r"lists.json.gz cannot be read within 2\d\d MB of memory, the limit for its size. Split it"),
        (open_quotes, r"quotes.csv cannot be read within \d s of processor time, the limit for its size. Split it"),
        (
            useless_rows,
            "useless.jsonl has more than 50,000 rows that cannot be used; the last one: The row has",
        ),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason_in_little_memory(tmp_path, make, sentence, monkeypatch, memory_mb):
    monkeypatch.setattr(confinement, "_CPU_S", 2 if make is open_quotes else 30)
    path = make(tmp_path)
    before_mb, started_s = memory_mb(), time.perf_counter()

    with pytest.raises(InvalidInputError, match=sentence):
        for _ in confinement.inspect(path, path.name, ReadOptions())[1]:
            pass

    assert memory_mb() - before_mb < GROWTH_MB
    assert time.perf_counter() - started_s < 45


def test_endlessly_nested_json_is_refused(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text('[{"title": ' + "[" * 1_000_000, encoding="utf-8")

    with pytest.raises(InvalidInputError, match="deep.json is nested too deeply"):
        confinement.inspect(path, path.name, ReadOptions())


def test_a_line_of_200_mb_is_refused_without_loading_it(tmp_path, memory_mb):
    path = tmp_path / "line.csv"
    with path.open("wb") as file:
        file.write(b"title,year\nVoyage,1999\n")
        file.truncate(200 * 2**20)  # a sparse file of zeros
    before_mb = memory_mb()

    found, parts = confinement.inspect(path, path.name, ReadOptions())
    rows = [row for part in parts for row in part]

    assert found.format == "table"
    assert [row.title for row in rows[:1]] == ["Voyage"]
    assert isinstance(rows[1], RowError)
    assert "longer than" in rows[1].reason
    assert memory_mb() - before_mb < GROWTH_MB


def test_a_sheet_of_questions_is_read_under_the_same_limits(tmp_path):
    path = far_columns(tmp_path)

    with pytest.raises(InvalidInputError, match="more than 2,000 columns"):
        confinement.read_questions(path, path.name)


def test_ordinary_workbooks_and_sheets_pass_the_limits(tmp_path):
    path = workbook(tmp_path / "sound.xlsx")
    asked = tmp_path / "asked.csv"
    asked.write_text("question,kind\nWho sails?,fact\n", encoding="utf-8")

    found, parts = confinement.inspect(path, path.name, ReadOptions())

    assert [row.title for part in parts for row in part] == ["Voyage"]
    assert found == readers.detect(path, path.name)
    assert [row.question for row in confinement.read_questions(asked, asked.name).rows] == ["Who sails?"]


def test_limits_grow_with_the_file_and_more_with_a_compressed_one(tmp_path):
    plain, packed = tmp_path / "plain.jsonl", tmp_path / "packed.gz"
    plain.write_bytes(b"x" * 10 * 2**20)
    packed.write_bytes(gzip.compress(os.urandom(10 * 2**20)))

    assert Limits.of(plain, "plain") == Limits(memory_mb=256 + 80, cpu_s=20)
    assert Limits.of(packed, "packed") == Limits(memory_mb=256 + 320, cpu_s=90)
