"""Exports: no cell runs in a spreadsheet, and an exported catalogue can be imported."""

import csv
import io
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from animerag import readers
from animerag.batch.export import formula_safe, shows_csv
from animerag.models.shows import Show


def runs(cell):
    """Return whether a spreadsheet would run a cell as a formula."""
    folded = unicodedata.normalize("NFKC", cell)
    return folded.lstrip(" ")[:1] in {"=", "+", "-", "@"} or folded[:1] in {"\t", "\r", "\0"}


@given(st.text(max_size=20))
@example("=1+1")
@example("＝1")
@example("  -Kan no Kanojo")
@example("\t=2+5")
@example("@SUM(1)")
def test_no_exported_text_runs_as_a_formula_or_changes(text):
    safe = formula_safe(text)
    assert not runs(safe)
    assert safe in {text, f"'{text}"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=5, max_size=5))
def test_no_cell_of_an_exported_catalogue_is_a_formula(texts):
    show = Show(id=texts[0], title=texts[1], titles=(texts[2],), tags=(texts[3],), description=texts[4], rating=8.5)
    rows = list(csv.reader(io.StringIO(shows_csv([show]).decode("utf-8-sig"), newline="")))
    assert len(rows) == 2
    assert not any(runs(cell) for cell in rows[1])


def test_an_exported_catalogue_can_be_imported(tmp_path):
    show = Show(
        id="21",
        title="One Piece",
        titles=("One Piece", "ワンピース", "OP"),
        tags=("action", "pirates"),
        description='He said "Sea".\n\nThen he left.',
        episodes=1100,
        year=1999,
        rating=8.72,
        type="tv",
        air_date="1999-10-20",
        end_date="2031-01",
        season="fall",
        airing="airing",
        restricted=False,
        source="manga",
        duration=24,
        studios=("Toei Animation", "Other"),
        my_status="watching",
        my_score=9.0,
        episodes_watched=900,
    )
    path = tmp_path / "catalogue.csv"
    path.write_bytes(shows_csv([show]))
    (found,) = readers.read(path)
    for field in ("id", "titles", "tags", "description", "episodes", "year", "rating", "my_status", "my_score"):
        assert getattr(found, field) == getattr(show, field), field
    for field in ("type", "air_date", "end_date", "season", "airing", "restricted", "source", "duration", "studios"):
        assert getattr(found, field) == getattr(show, field), field


def test_an_inferred_type_stays_inferred_after_export_and_import(tmp_path):
    path = tmp_path / "catalogue.csv"
    path.write_bytes(shows_csv([Show(id="1", title="A Movie", type="movie", type_inferred=True)]))
    (found,) = readers.read(path)
    assert (found.type, found.type_inferred) == ("movie", True)
