"""Titles by their beginning, or with a wrong letter."""

import pytest

from animerag.models.shows import Show
from animerag.query.whole_titles import WholeTitles, words_of_title

TITLES = WholeTitles(
    [
        Show(id="eva", title="Evangelion", titles=("Evangelion", "新世紀エヴァンゲリオン")),
        Show(id="xx", title="Kakegurui××"),
        Show(id="gamblers", title="Kakegurui"),
        Show(id="drrr", title="Durarara!!x2 Ten"),
        Show(id="haruhi", title="Shoushitsu", titles=("The Disappearance of Haruhi Suzumiya",)),
        Show(id="ghoul", title="Tokyo Ghoul"),
        Show(id="tokyo", title="Tokyo Revengers"),
        Show(id="titan", title="進撃の巨人"),
    ]
)


@pytest.mark.parametrize(
    ("words", "ids", "whole"),
    [
        ("eva", ["eva"], False),
        ("kakegurui xx", ["xx"], True),
        ("Kakegurui××", ["xx"], True),
        ("durarara x2", ["drrr"], True),
        ("disappearance of haruhi", ["haruhi"], True),
        ("the disappearance", ["haruhi"], True),
        ("tokyo", ["ghoul", "tokyo"], True),
        ("tokyo rev", ["tokyo"], False),
        ("進撃", ["titan"], False),
        ("進", [], False),
        ("ev", [], False),
        ("suzumiya", [], False),
        ("zzz", [], False),
    ],
)
def test_a_title_is_found_by_its_beginning(words, ids, whole):
    found = TITLES.begun(words_of_title(words))
    assert (sorted(found[0]), found[1]) == (ids, whole)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("tokyo goul", ["ghoul"]),
        ("evangelon", ["eva"]),
        ("disapearance of haruhi suzumia", ["haruhi"]),
        ("tokyo ghosts", []),
        ("evil", []),
        ("進撃の巨大", []),
    ],
)
def test_one_letter_of_a_title_may_be_wrong_and_two_of_a_long_one(words, ids):
    assert TITLES.misspelt(words_of_title(words)) == ids
