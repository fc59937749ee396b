"""Ask: the list of an answer as cards, and the words of a match."""

import pytest

from animerag.models.retrieval import Evidence, Source
from animerag.models.shows import Show
from animerag.ui.ask_sources import list_as_cards, match
from animerag.ui.text import answer_markdown

LIST = """**2 shows**: mecha.

- **Old Robot** · Robot (1985, OVA): short [1]
- **New Robot** (2015) [2]

and 3 more.
"""


def found(branch, rank, detail=""):
    return Evidence(branch=branch, rank=rank, detail=detail)


def test_a_list_of_cited_shows_becomes_cards():
    before, about, after = list_as_cards(LIST, 2)
    assert (before, after) == ("**2 shows**: mecha.", "and 3 more.")
    assert about == {1: "Robot (1985, OVA): short", 2: "(2015)"}


@pytest.mark.parametrize(
    ("text", "sources"),
    [(LIST, 1), (LIST.replace(" [2]", ""), 2), ("1. **Old Robot** [1]\n2. **New Robot** [2]", 2), ("- a point [1]", 1)],
)
def test_a_list_that_the_sources_do_not_cover_stays_text(text, sources):
    assert list_as_cards(text, sources) == (text, {}, "")


def test_only_a_citation_of_a_source_is_a_link():
    assert answer_markdown("A [1], B [2].", 1, linked=True).count("](#source-") == 1
    assert "](" not in answer_markdown("A [1], B [2].", 1)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ([found("alias", 1, "Planetes"), found("vector", 7)], "Strong match: title, plot"),
        ([found("vector", 1)], "Good match: plot"),
        ([found("words", 9), found("vector", 7)], "Weak match: words, plot"),
        ([found("relation", 1, "sequel of Alpha")], "sequel of Alpha"),
        ([], ""),
    ],
)
def test_a_match_is_named_in_words(evidence, words):
    show = Show(id="1", title="Planetes")
    assert match(Source(show=show, evidence=tuple(evidence), score=1.0)) == words
