"""Every ugly file of the shared folder is read as its README requires."""

from pathlib import Path

import pytest

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Show
from animerag.readers import ReadOptions
from animerag.text.cleaning import clean, normalise


@pytest.fixture
def read(ugly):
    """Read an ugly file and return its shows and its errors."""

    def both(name, **options):
        rows = list(readers.read(ugly / name, None, ReadOptions(**options)))
        return [row for row in rows if isinstance(row, Show)], [row for row in rows if isinstance(row, RowError)]

    return both


def notes(shows):
    return {show.origin.line: " ".join(show.origin.notes) for show in shows if show.origin.notes}


@pytest.mark.parametrize(
    ("name", "count", "written"),
    [
        ("utf16_le_bom.csv", 25, ("utf-16", ",")),
        ("utf16_le_no_bom.csv", 8, ("utf-16-le", ",")),
        ("utf8_bom_crlf.csv", 20, ("utf-8-sig", ",")),
        ("cp1252.csv", 30, ("cp1252", ",")),
        ("shift_jis.csv", 30, ("cp932", ",")),
        ("semicolon_decimal_comma.csv", 30, ("utf-8", ";")),
        ("tabs_named.csv", 20, ("utf-8", "\t")),
        ("quoted_newlines.csv", 20, ("utf-8", ",")),
        ("html_entities.csv", 12, ("utf-8", ",")),
        ("formula_cells.csv", 4, ("utf-8", ",")),
        ("prompt_injection.csv", 3, ("utf-8", ",")),
        ("odd_unicode.csv", 7, ("utf-8", ",")),
        ("kaggle_headers.csv", 20, ("utf-8", ",")),
        ("field_over_csv_limit.csv", 1, ("utf-8", ",")),
        ("duplicate_ids.csv", 7, ("utf-8", ",")),
    ],
)
def test_every_row_is_read_in_its_own_encoding_and_columns(ugly, read, name, count, written):
    found = readers.detect(ugly / name)
    shows, errors = read(name)
    assert ((found.encoding, found.delimiter), found.problem) == (written, None)
    assert (len(shows), errors) == (count, [])
    whole_text = "".join(show.title + show.description + "".join(show.titles) for show in shows)
    assert not {"\ufffd", "\ufeff", "\0"} & set(whole_text)


def test_text_in_other_encodings_is_read_as_it_was_written(read):
    for name in ("utf16_le_bom.csv", "utf16_le_no_bom.csv", "shift_jis.csv"):
        first = read(name)[0][0]
        assert (first.id, first.episodes, first.year, first.rating) == ("22777", 61, 2014, 7.72)
        assert "ドラゴンボール改" in first.titles
    assert "the game of life—all thanks" in read("cp1252.csv")[0][0].description


def test_japanese_headings_are_understood(ugly):
    found = {column.heading: column.field for column in readers.detect(ugly / "shift_jis.csv").columns}
    assert len(found) == 8
    assert set(found.values()) == {"id", "title", "other_titles", "synopsis", "genres", "episodes", "year", "score"}


def test_decimal_commas_are_decimals(read):
    shows, _ = read("semicolon_decimal_comma.csv")
    assert (shows[0].rating, shows[0].titles[1]) == (6.35, "RWBY: Ice Queendom")
    assert all(show.rating and 1 < show.rating < 10 for show in shows)


def test_records_over_many_lines_keep_their_line_breaks(read):
    shows, _ = read("quoted_newlines.csv")
    assert '\n\n"Well," he said' in shows[0].description.replace("\r\n", "\n")


def test_shows_with_invalid_ids_are_imported(read):
    shows, errors = read("missing_ids.csv")
    assert errors == []
    assert len({show.id for show in shows}) == len(shows) == 12
    assert [show.id for show in shows if not show.id.startswith("title:")] == ["12189", "abc", "7", "123"]
    assert len(notes(shows)) == 11
    assert all("is not an id" in note_text or "was read as" in note_text for note_text in notes(shows).values())


def test_rows_of_another_width_are_listed_and_shift_no_cells(read):
    shows, errors = read("wrong_column_count.csv")
    assert [(error.line, error.id) for error in errors] == [(5, "34350"), (7, "21"), (9, "5114")]
    assert len(shows) == 7
    assert all(show.year and show.rating for show in shows)


def test_shifted_columns_are_refused_without_a_title_and_noticed_with_one(read):
    with pytest.raises(InvalidInputError, match="no known title or id column"):
        read("real_shifted_columns.csv")
    shows, errors = read("real_shifted_columns.csv", columns={"English": "title"})
    assert len(shows) + len(errors) == 30
    assert errors
    assert all("wrong columns" in error.reason or "no title" in error.reason for error in errors)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.csv", "is empty"),
        ("blank_lines_only.csv", "is empty"),
        ("actually_zip.csv", "is a ZIP archive"),
        ("actually_png.csv", "is a PNG picture"),
        ("truncated.json", "is not complete JSON: it stops at line 726"),
        ("wrong_key.json", '"anime", "version"; animerag expects a Shoko export with its shows under "AniDB_Anime"'),
        ("deep_nesting.json", "nested too deeply"),
        ("headerless.csv", "has no headings"),
    ],
)
def test_unreadable_files_are_refused_with_a_reason_before_the_first_row(ugly, name, says):
    with pytest.raises(InvalidInputError) as refused:
        readers.read(ugly / name)
    assert says in str(refused.value)
    assert str(refused.value).startswith(name)
    assert str(refused.value).endswith(".")


def test_a_table_without_headings_is_read_once_its_columns_are_assigned(ugly, read):
    columns = readers.detect(ugly / "headerless.csv").columns
    guesses = {column.heading: column.field for column in columns if not column.certain}
    assert guesses["column 2"] == "title"
    shows, errors = read("headerless.csv", columns={"1": "id", "2": "title", "4": "synopsis", "column 7": "year"})
    assert (len(shows), errors) == (10, [])
    assert (shows[0].id, shows[0].title, shows[0].year) == ("14467", "K", 2012)


def test_a_file_with_only_a_header_has_no_row_and_no_error(read):
    assert read("header_only.csv") == ([], [])


def test_huge_cells_and_records_are_read_completely(read):
    assert len(read("field_over_csv_limit.csv")[0][0].description) == 200_000
    assert len(read("one_huge_record.json")[0][0].description) > 900_000


def test_formulas_are_text(read):
    shows, _ = read("formula_cells.csv")
    assert [show.title for show in shows][1:] == ["@SUM(1+1)*cmd", "-Kan no Kanojo", "=2+5"]
    assert shows[3].record["title"] == "\t=2+5"


def test_zero_bytes_are_removed_with_a_note(read):
    shows, errors = read("nul_bytes.csv")
    assert (len(shows), errors) == (6, [])
    assert notes(shows) == {2: "Zero bytes were removed."}
    assert "Raise a Boring" in shows[0].titles[1]


def test_a_gzip_file_is_unpacked_whatever_it_is_called(read):
    shows, errors = read("actually_gzip.json")
    assert (len(shows), errors) == (5, [])


def test_bad_values_leave_out_their_field_with_a_note(read):
    shows, errors = read("shoko_bad_values.json")
    assert len(shows) == 16
    assert [error.reason for error in errors] == [
        f"The record is {what}, not an object." for what in ("null", "a text", "a list")
    ]
    note_text = " ".join(notes(shows).values())
    for what in ("MainTitle", "last year", "1200", "-1", "relations", "twelve", "description"):
        assert what in note_text
    by_id = {show.id: show for show in shows[:14]}
    assert by_id["6702"].titles == ("Fairy Tail", "FAIRY TAIL")
    assert (by_id["51417"].title, by_id["3167"].rating, by_id["41497"].year) == ("Engage Kiss", None, None)


def test_a_bare_list_is_read(read):
    assert [len(rows) for rows in read("top_level_list.json")] == [10, 0]


def test_good_lines_are_read_between_bad_ones(read):
    shows, errors = read("mixed_lines.jsonl")
    assert (len(shows), [error.line for error in errors]) == (3, [4, 5, 6, 7, 8, 10, 11])
    assert shows[0].titles[:3] == ("Deaimon", "Deaimon: Recipe for Happiness", "であいもん")


def test_instructions_to_the_model_are_plain_text(read):
    shows, _ = read("prompt_injection.csv")
    assert shows[2].title == "{question} {context} %s ${HOME}"
    assert "</context>" in shows[1].description


def test_odd_letters_match_plain_ones_and_control_characters_are_removed(read):
    shows, _ = read("odd_unicode.csv")
    keys = {normalise(title) for show in shows for title in show.titles}
    assert {"zero width show", "full width", "gundam", normalise("ガンダム é nausicaä")} <= keys
    assert shows[4].title == "Bell and red"
    assert shows[2].title == "eltit desrever"


def test_headings_of_a_well_known_dump_are_understood(ugly, read):
    shows, _ = read("kaggle_headers.csv")
    assert readers.detect(ugly / "kaggle_headers.csv").site == "mal"
    assert all(show.description and show.tags and show.rating for show in shows)
    assert {(show.episodes, show.year) for show in shows} == {(None, None)}


def test_invalid_numbers_are_left_out_with_a_note(read):
    shows, errors = read("unparseable_numbers.csv")
    assert (len(shows), errors) == (10, [])
    found = {show.id: (show.episodes, show.year, show.rating) for show in shows}
    assert found == {
        "42072": (None, 2012, None),
        "54743": (12, None, 8.1),
        "41120": (None, 1917, None),
        "4720": (None, None, None),
        "54103": (None, 2012, 8.5),
        "48556": (24, 2013, None),
        "16397": (None, 2031, None),
        "37920": (None, None, None),
        "12711": (12, None, 7.25),
        "50528": (None, None, None),
    }
    assert len(notes(shows)) == 6


def test_an_unclosed_quote_loses_only_its_row(read):
    shows, errors = read("unclosed_quote.csv")
    assert len(shows) == 5
    assert [(error.line, error.reason) for error in errors] == [(4, "A quote in this row is not closed.")]


def test_a_row_without_a_title_is_skipped_and_shows_with_one_name_stay_separate(read):
    shows, errors = read("same_name_different_shows.csv")
    assert [(error.line, error.id) for error in errors] == [(6, "4005")]
    assert [(show.id, show.title) for show in shows] == [
        ("4001", "Mononoke"),
        ("4002", "Mononoke"),
        ("4003", "K"),
        ("4004", "The"),
        ("4006", "2001"),
    ]


def test_markup_is_removed_for_search(read):
    for show in read("html_entities.csv")[0]:
        cleaned = clean(show.description)
        for trace in (
            "<i>",
            "<b",
            "<br",
            "<script",
            "onerror",
            "&quot;",
            "&#039;",
            "&mdash;",
            "&amp;",
            "&lt;",
            "alert(",
        ):
            assert trace not in cleaned, (show.id, trace)


def test_every_ugly_file_has_a_test(ugly):
    note_text = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in ugly.iterdir() if path.name != "README.md" and path.name not in note_text] == []
