"""What well-known shows are known for: the package's texts, their vectors, and the shows that they find."""

import numpy as np
import pytest

from animerag.jobs.jobs import Control
from animerag.models.shows import Show
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.retrieval.premises import KnownShows, Premise, _show_of, premises, vectors
from animerag.text.tokens import folded_words
from tests.encoded_texts import encoded, texts_hash
from tests.write_premise_vectors import texts

NOTEBOOK = "a boy finds a notebook that kills"


class Catalogue:
    """As much of a catalogue as premises need."""

    def __init__(self, *shows, revision=1):
        self.table, self.revision = FieldsInMemory(shows), revision


def test_every_premise_is_one_line_with_a_year_and_titles_of_its_own():
    own = [folded_words(title) for premise in premises() for title in premise.titles]
    assert len(premises()) > 400
    assert all(title.strip() for title in own)
    assert all(1960 <= premise.year <= 2026 for premise in premises())
    assert all(10 <= len(premise.text.split()) <= 40 for premise in premises())
    assert len({premise.text for premise in premises()}) == len(premises())
    assert len({(premise.titles[0], premise.year) for premise in premises()}) == len(premises())


def test_the_vectors_are_of_these_premises():
    stored, rows = vectors()
    assert stored == texts_hash(texts()), "run `python -m tests.write_premise_vectors`"
    assert np.abs(encoded(texts()) - rows).max() < 2e-3


def test_a_show_is_known_by_any_of_its_titles_and_its_year():
    premise = Premise(("Hagane no Renkinjutsushi", "Fullmetal Alchemist"), 2003, "Two brothers.")
    table = FieldsInMemory(
        [
            Show(id="later", title="Fullmetal Alchemist", year=2009),
            Show(id="part", title="Fullmetal Alchemist: The Movie", year=2003),
            Show(id="this", title="FMA", titles=("FULLMETAL ALCHEMIST",), year=2004),
        ]
    )
    assert _show_of(premise, table) == "this"
    assert _show_of(premise, FieldsInMemory([Show(id="undated", title="Fullmetal Alchemist")])) == "undated"
    assert _show_of(premise, FieldsInMemory([Show(id="later", title="Fullmetal Alchemist", year=2009)])) is None


def test_only_shows_of_this_catalogue_that_conditions_allow_are_near():
    [question] = encoded([NOTEBOOK])
    known, catalogue = KnownShows(), Catalogue(Show(id="note", title="Death Note", year=2006))

    near = known.near(question, None, catalogue)
    assert list(near) == ["note"]
    assert near["note"].similarity > near["note"].margin > 0
    assert known.near(question, ("other",), catalogue) == {}
    assert known.near(None, None, catalogue) == {}
    assert known.near(question, None, Catalogue(Show(id="1", title="Desu Noto"), revision=2)) == {}


@pytest.mark.parametrize("description", ["", "Ryuk drops a book into the human world, for his own amusement."])
async def test_a_plot_finds_a_show_whose_synopsis_lacks_it(services, export, record, description):
    rows = [record(n, f"Show {n}", "A cook opens a bakery by the sea.", BeginYear=2006) for n in range(30)]
    rows.append(record(99, "Death Note", description, BeginYear=2006))
    await services.ingestion.run([export(*rows)], Control())

    found = await services.retriever.search(NOTEBOOK)

    assert not found.no_match
    assert found.sources[0].show.title == "Death Note"
    assert "premise" in found.sources[0].found_by
    assert "what it is known for #1" in [evidence.text for evidence in found.sources[0].evidence]
