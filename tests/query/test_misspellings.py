"""Misspelt words of a question are corrected; names and existing words are not changed."""

import pytest

from animerag.query.lexicon import vocabulary
from animerag.query.misspellings import Respelling, Spelling, respelt

PHRASES = vocabulary(("horror", "romance", "comedy", "fantasy", "psychological", "sports", "vampire")).phrases
USED = {"monster", "spirit", "honour"}
COMMON = {"knitting", "moveis", "bets", "monster"}


def spelling(*covered):
    return Spelling(phrases=PHRASES, covered=covered, is_used=USED.__contains__, is_word=COMMON.__contains__)


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("horor movies", "horror movies"),
        ("romace anime", "romance anime"),
        ("how many epsiodes has Monster", "how many episodes has Monster"),
        ("recomend something sad", "recommend something sad"),
        ("Recommnd me a comdy", "recommend me a comedy"),
        ("PSYCOLOGICAL SHOWS", "psychological SHOWS"),
        ("higest rated fantsy", "highest rated fantasy"),
        ("shows from the ninties", "shows from the nineties"),
        ("how mnay moveis", "how many movies"),
        ("zeig mir Sportanime", "zeig mir sport anime"),
        ("Anime mit Romantik", "Anime mit romantic"),
    ],
)
def test_a_misspelt_word_is_read_as_the_most_similar_word(question, read):
    text, words = respelt(question, spelling())

    assert text == read
    assert all(word.typed in question and word.read in read for word in words)


@pytest.mark.parametrize(
    "question",
    [
        "a show about knitting",  # a word of the language
        "the monster bets on a spirit",  # words of synopses, and one whose letters are in a different order
        "anime like Horimya",  # a capital makes it a name
        'shows called "horor"',
        "rom com",  # too short to tell
        "ホラー",
        "",
    ],
)
def test_correct_words_and_names_are_not_changed(question):
    assert respelt(question, spelling()) == (question, ())


def test_words_of_named_titles_are_not_changed():
    assert respelt("horor movies", spelling("horor")) == ("horor movies", ())


def test_words_are_listed_in_the_order_of_the_question():
    _, words = respelt("horor or comdy", spelling())

    assert words == (Respelling("horor", "horror"), Respelling("comdy", "comedy"))


def test_words_of_a_plot_are_not_changed():
    question = " ".join(["horor"] * 41)

    assert respelt(question, spelling()) == (question, ())
