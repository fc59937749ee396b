"""Seasons and parts by their numbers, and the sentences about missing ones."""

import pytest

from animerag.discovery.asked_parts import no_such_part, season_of
from animerag.discovery.collection import Collection
from animerag.discovery.franchises import Franchises
from animerag.models.shows import Show
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.plan import LAST
from tests.discovery.shows import SHOWS, related


def series(*titles):
    """Return shows, each of which is the sequel of the one before."""
    return [
        Show(
            id=title,
            title=title,
            type="tv",
            episodes=12,
            year=2000 + place,
            relations=(related("Sequel", titles[place + 1]),) if place + 1 < len(titles) else (),
        )
        for place, title in enumerate(titles)
    ]


def collection(shows):
    return Collection(table=FieldsInMemory(shows), franchises=Franchises(shows))


GHOUL = collection(series("Ghoul", "Ghoul Root A", "Ghoul:re", "Ghoul:re 2nd Season"))
ODD = collection(series("Odd", "Odd Part 3: Stars", "Odd Part 3: Stars - South", "Odd Part 4: Gems", "Odd Part 5"))
TITAN = collection(series("Titan", "Titan Season 2", "Titan The Final Season", "Titan The Final Season Part 2"))


@pytest.mark.parametrize(
    ("shows", "number", "part", "expected"),
    [
        (GHOUL, 2, None, "Ghoul Root A"),
        (GHOUL, 3, None, "Ghoul:re"),  # the numbers begin again, the places do not
        (GHOUL, 5, None, None),
        (ODD, 3, 2, "Odd Part 3: Stars - South"),
        (ODD, 4, None, "Odd Part 4: Gems"),
        (ODD, 5, None, "Odd Part 5"),
        (ODD, 7, None, None),
        (TITAN, 3, 2, "Titan The Final Season Part 2"),
        (TITAN, 3, 3, None),
        (TITAN, LAST, None, "Titan The Final Season"),
        (TITAN, LAST, 2, "Titan The Final Season Part 2"),
    ],
)
def test_a_season_is_found_by_its_number(shows, number, part, expected):
    first = next(iter(sorted(shows.table.shows(), key=lambda show: show.year)))
    assert season_of(first.id, number, shows, part) == expected


def test_the_sentence_about_a_missing_part_names_the_existing_ones():
    sentence = no_such_part("Odd", 7, None, "part", ODD)

    assert sentence.startswith("Your catalogue has no part 7 of Odd. It has part 1 (Odd, 2000), part 3 (Odd Part 3")
    assert sentence.endswith("and part 5 (Odd Part 5, 2004).")
    assert "season" not in no_such_part("Ghoul", 9, None, "season", GHOUL).split("It has")[1].replace("Season", "")


def test_a_show_without_other_parts_is_the_only_one_named():
    shows = collection(SHOWS)
    assert no_such_part("calm", 2, None, "season", shows) == "Your catalogue has Quiet Lake, but no season 2 of it."
