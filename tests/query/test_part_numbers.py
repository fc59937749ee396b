"""Numbers behind titles that stand for seasons."""

import pytest

from animerag.models.shows import Show
from animerag.query.part_numbers import title_beside_season, with_season
from animerag.query.title_spellings import folded
from animerag.query.titles import AliasIndex

SHOWS = [
    Show(id="jjk", title="Jujutsu Kaisen", titles=("Jujutsu Kaisen", "JJK"), description="A boy eats a finger."),
    Show(id="lord", title="Overlord", description="A monster in a tower lifts a stone."),
    Show(id="lord2", title="Overlord II"),
    Show(id="geass2", title="Code Geass R2", titles=("Code Geass R2",)),
    Show(id="geass", title="Code Geass"),
    Show(id="mob", title="Mob Psycho 100", description="A monster beneath a stone."),
    Show(id="six", title="No.6", titles=("No.6",)),
    Show(id="sk8", title="SK8 the Infinity", titles=("SK8 the Infinity", "SK")),
    Show(id="86", title="86"),
    Show(id="monster", title="Monster"),
]
TITLES = AliasIndex(SHOWS)
TEXT = " | ".join(f" {show.title.lower()} " for show in SHOWS)


def titled(words):
    return f" {words.lower()} " in TEXT


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("JJK3", "JJK season 3"),
        ("how many episodes does jjk3 have", "how many episodes does jjk season 3 have"),
        ("Overlord V", "Overlord season 5"),
        ("what is overlord iii about?", "what is overlord season 3 about?"),
        ("mob psycho 3", "mob psycho season 3"),
        ("rating of mob psycho 100 3", "rating of mob psycho 100 season 3"),
        ("code geass r3", "code geass season 3"),
        ("86 3", "86 season 3"),
        ("overlord 4 part 2", "overlord season 4 part 2"),
        ("overlord 2", None),  # is a title
        ("code geass R2", None),
        ("No.6", None),
        ("sk8 the infinity", None),
        ("Overlord 3 movies", None),
        ("overlord v", None),  # as in "versus"
        ("top 5 overlord movies", None),
        ("best romance 3", None),
        ("mob 3.5", None),
        ("overlord season 2 or 3", None),
        ("a monster 3 meters tall attacks a town and a boy has to fight it", None),
    ],
)
def test_a_number_behind_a_title_is_a_season(question, read):
    assert with_season(question, TITLES, titled, {"romance"}) == read


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("how many episodes does mob psycho season 5 have", "mob psycho"),
        ("season 2 of mob psycho", "mob psycho"),
        ("the second season of horror", None),  # a condition
        ("season 2", None),
        ("mob psycho", None),
        ("in season 2 of their life a mob psycho and a girl find out that the world ends soon", None),
    ],
)
def test_words_of_a_title_beside_a_season_are_found(question, words):
    text = folded(question)
    place = title_beside_season(text, lambda one: titled(one) or one == "horror" or one in "mob psycho 100", {"horror"})
    assert (place and text[place[0] : place[1]]) == words
