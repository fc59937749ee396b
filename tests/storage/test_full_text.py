"""Words and character pairs."""

from animerag.storage.full_text import wanted_words
from animerag.storage.sqlite.full_text import match_expression
from animerag.text.tokens import pairs, terms


def test_question_words_are_dropped_and_names_stay():
    assert terms("What is the plot of Hyouka's mystery?") == ["hyouka", "mystery"]


def test_two_character_words_are_indexed_as_pairs():
    assert pairs("進撃の巨人") == ["進撃", "撃の", "の巨", "巨人"]
    assert pairs("鬼 vs 巨人") == ["鬼", "巨人"]


def test_a_question_of_stop_words_matches_nothing():
    assert wanted_words("what is it about?") == []


def test_quotes_and_operators_in_a_question_are_plain_text():
    assert match_expression(wanted_words('rocket" OR NEAR(x*')) == '"rocket" OR "near" OR "x"'
