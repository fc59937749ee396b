"""Sheets of questions as people write them: every row is returned."""

import json

import openpyxl
import pytest

from animerag.errors import InvalidInputError
from animerag.models.filters import Filters
from animerag.readers.questions import LINES, MAX_QUESTIONS, SheetOptions, read


@pytest.fixture
def sheet(tmp_path):
    """Read bytes or text as a sheet under a name."""

    def reading(data, name="q.csv", **options):
        path = tmp_path / "spooled"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read(path, name, SheetOptions(**options))

    return reading


def test_questions_come_with_their_other_columns(sheet):
    found = sheet('id,question,note\n1,"What, is\nMonster?",x\n\n2,Short\n'.encode("utf-8-sig"))
    assert [row.question for row in found.rows] == ["What, is\nMonster?", "Short"]
    assert [dict(row.columns) for row in found.rows] == [{"id": "1", "note": "x"}, {"id": "2", "note": ""}]
    assert (found.headings, found.column, found.certain) == (("id", "question", "note"), "question", True)
    assert (found.format, found.encoding, found.delimiter) == ("table", "utf-8-sig", ",")


def test_a_western_excel_export_is_read_as_it_is(sheet):
    found = sheet("Frage;Bemerkung\nWas ist „Müllräumer“?;schön\nWie lang?;5,5\n".encode("cp1252"))
    assert (found.column, found.encoding, found.delimiter) == ("Frage", "cp1252", ";")
    assert found.rows[0].question == "Was ist „Müllräumer“?"
    assert found.rows[1].columns == {"Bemerkung": "5,5"}


def test_encoding_delimiter_and_column_can_be_chosen(sheet):
    found = sheet("a|b\nx?|What is é?\n".encode("cp1252"), column="B", encoding="cp1252", delimiter="|")
    assert [row.question for row in found.rows] == ["What is é?"]
    with pytest.raises(InvalidInputError, match="no column named c: choose from a, b"):
        sheet("a|b\nx|What is y?\n", column="c", delimiter="|")


@pytest.mark.parametrize(("name", "options"), [("q.txt", {}), ("pasted", {}), ("q.csv", {"delimiter": LINES})])
def test_text_has_one_question_per_line(sheet, name, options):
    found = sheet("One, two?\n\n Three; four? \n", name, **options)
    assert [row.question for row in found.rows] == ["One, two?", "Three; four?"]
    assert (found.format, found.headings) == ("lines", ("question",))


def test_pasted_cells_of_a_spreadsheet_are_a_table(sheet):
    found = sheet("question\tk\nWhat is Monster?\t3\n", "pasted")
    assert (found.format, found.rows[0].k) == ("table", 3)


def test_commas_of_an_unquoted_sentence_stay_in_the_question(sheet):
    assert [row.question for row in sheet("question\nWell, who, then?\nWhy?\n").rows] == ["Well, who, then?", "Why?"]


def test_json_lines_keep_their_values(sheet):
    lines = [{"q": "What?", "n": 1, "expected_ids": [19, "20"]}, {"q": "Why?", "more": {"a": None}}]
    found = sheet("\n".join(map(json.dumps, lines)), "q.jsonl")
    assert (found.format, found.column, found.headings) == ("jsonl", "q", ("q", "n", "expected_ids", "more"))
    assert found.rows[0].columns == {"n": 1, "expected_ids": [19, "20"]}
    assert found.rows[0].expected_ids == ("19", "20")
    assert found.rows[1].columns == {"more": {"a": None}}


def test_a_broken_json_line_is_returned_in_order(sheet):
    found = sheet('{"question": "One?"}\n{"question": \n[1]\n{"question": "Four?"}\n', "q.jsonl")
    assert [row.problem is None for row in found.rows] == [True, False, False, True]
    assert found.rows[2].problem == "The line is not a JSON object."


def test_a_workbook_is_read_with_any_types_of_cells(tmp_path):
    book = openpyxl.Workbook()
    for cells in (["No", "Question", "k"], [1, "What is Monster?", 5], [2, "=1+1", None], [3.0, None, 2], [4, 2004]):
        book.active.append(cells)
    book.save(tmp_path / "q.xlsx")
    found = read(tmp_path / "q.xlsx", "q.xlsx")
    # A formula that no spreadsheet has worked out yet has no text: the row stays, and says so when it is asked.
    assert [row.question for row in found.rows] == ["What is Monster?", "", "", "2004"]
    assert [row.columns["No"] for row in found.rows] == ["1", "2", "3", "4"]
    assert [row.k for row in found.rows] == [5, None, 2, None]
    assert (found.format, found.empty) == ("workbook", 2)


def test_a_formula_in_text_is_a_question_like_any_other(sheet):
    assert sheet('question\n"=HYPERLINK(""http://x"",""y"")"\n').rows[0].question == '=HYPERLINK("http://x","y")'


def test_rows_can_have_settings(sheet):
    found = sheet(
        "question,K,year_from,year to,tag,rating_from,expected_ids,kind\nWhat?,4,1990,1999,mecha|space,7.5,19;20,plot\n"
    )
    (row,) = found.rows
    assert row.k == 4
    assert row.filters == Filters(year_from=1990, year_to=1999, tags=("mecha", "space"), rating_from=7.5)
    assert (row.expected_ids, row.kind) == (("19", "20"), "plot")


@pytest.mark.parametrize(
    ("heading", "value", "says"),
    [
        ("k", "many", "k must be a number, not many"),
        ("k", "0", "k must be a number from 1 to 50"),
        ("k", "1.5", "k must be a number"),
        ("year", "ninety", "year must be a number"),
        ("statuses", "seen", "use watching"),
    ],
)
def test_a_row_with_invalid_settings_has_a_reason_and_affects_no_other(sheet, heading, value, says):
    first, second = sheet(f"question,{heading}\nWhat?,{value}\nWhy?,\n").rows
    assert says in first.problem
    assert second.problem is None


def test_a_row_with_too_many_cells_keeps_its_place(sheet):
    found = sheet("question,note\nOne?,a\nTwo, or so?,b\nThree?,c\n")
    assert [row.problem is None for row in found.rows] == [True, False, True]
    assert "quote cells" in found.rows[1].problem
    assert found.unusable == 1


def test_two_columns_with_the_same_name_are_both_returned(sheet):
    assert sheet("question,note,note\nWhat?,a,b\n").rows[0].columns == {"note": "a", "note (2)": "b"}


def test_a_question_column_with_an_unknown_name_is_a_guess(sheet):
    found = sheet("nr,topic,text\n1,Monster,What is it about?\n2,Nana,Who sings in it?\n")
    assert (found.column, found.certain) == ("text", False)


def test_repeated_and_empty_questions_are_counted(sheet):
    found = sheet("question,k\nWhat?,\n What? ,\nWhat?,3\n,4\n")
    assert (len(found.rows), found.repeated, found.empty) == (4, 1, 1)


def test_a_sheet_of_ten_thousand_questions_is_read_and_one_more_is_refused(sheet):
    assert len(sheet("question\n" + "Why?\n" * MAX_QUESTIONS).rows) == MAX_QUESTIONS
    with pytest.raises(InvalidInputError, match="more than 10,000 questions"):
        sheet("question\n" + "Why?\n" * (MAX_QUESTIONS + 1))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"question\n", "has no questions"),
        (b"question,k\n,1\n", "the column question is empty"),
        (b"id,score\n1,2\n3,4\n", "no column that looks like questions: choose one of id, score"),
        (b"PK\x03\x04\0", "ZIP archive"),
        (b"%PDF-1.7 x", "PDF"),
    ],
)
def test_an_unusable_sheet_is_refused_with_a_reason(sheet, data, says):
    with pytest.raises(InvalidInputError, match=says):
        sheet(data)
