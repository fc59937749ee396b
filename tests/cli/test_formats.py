"""`animerag ingest` with files other than exports: it reports how they were read, and options correct that."""

import json

import pytest

TABLE = "Nr;Titel;Jahr\n7;Ä wie Anfang;1999\n8;Ende;2001\n"


@pytest.fixture
def table(tmp_path):
    """A table in Windows-1252 with unknown headings."""
    path = tmp_path / "liste.csv"
    path.write_bytes(TABLE.encode("cp1252"))
    return str(path)


def test_a_table_without_a_title_column_is_read_once_you_name_it(run, table):
    status, _, err = run("ingest", table)
    assert (status, "its columns are Nr, Titel, Jahr. Choose the title column" in err) == (2, True)

    columns = ["--column", "title=Titel", "--column", "year=3", "--column", "id=Nr"]
    status, out, _ = run("ingest", table, *columns, "--dry-run")
    assert status == 0
    assert "Encoding Windows-1252" in out
    assert "2 shows, 1999 to 2001." in out
    assert "Examples: Ä wie Anfang, Ende." in out

    status, out, _ = run("ingest", table, *columns, "--id-prefix", "mine", "--json")
    printed = json.loads(out)
    assert (status, printed["ingested"], printed["files"][0]["id_prefix"]) == (0, 2, "mine")
    assert printed["files"][0]["columns"] == {"Nr": "id", "Titel": "title", "Jahr": "year"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--encoding", "utf-8"], "is not text in UTF-8"),
        (["--encoding", "klingon"], "klingon is not a known encoding"),
        (["--column", "Titel"], "is not FIELD=HEADING"),
        (["--column", "name=Titel"], "name is not a field"),
        (["--delimiter", "xx", "--column", "title=Titel"], "cannot separate columns"),
        (["--column", "title=Titel", "--id-prefix", "A B"], "is not a valid prefix"),
    ],
)
def test_an_option_that_does_not_fit_exits_with_2_and_a_reason(run, table, options, says):
    status, out, err = run("ingest", table, *options)
    assert (status, out) == (2, "")
    assert says in err


def test_notes_on_imported_rows_are_not_failures(run, tmp_path):
    path = tmp_path / "shows.csv"
    path.write_text(
        "id,title,episodes\n1,Show 1,12\n" + "".join(f"{n},Show {n},many\n" for n in range(2, 32)), encoding="utf-8"
    )
    status, _, err = run("ingest", str(path))
    assert status == 0
    assert "shows.csv:3: The value “many” for episodes cannot be used and was left out." in err
    assert "10 more notes" in err
