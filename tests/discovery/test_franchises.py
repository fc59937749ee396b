"""Franchises: their parts, order and gaps, even with broken relations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.discovery import franchise_groups
from animerag.discovery.franchises import Franchises
from animerag.discovery.title_numbers import numbers_in
from animerag.models.shows import Show
from tests.discovery.shows import SHOWS, related

FRANCHISES = Franchises(SHOWS)
DAWN = FRANCHISES.of("one")


def test_relations_are_followed_from_show_to_show():
    assert set(DAWN.ids) == {"one", "side", "two", "half", "zero", "recap"}
    assert all(FRANCHISES.of(show_id) is DAWN for show_id in DAWN.ids)
    assert FRANCHISES.of("calm").ids == ("calm",)


def test_shows_are_ordered_by_release_and_by_story():
    assert DAWN.ids == ("one", "side", "two", "half", "zero", "recap")
    story = [entry.show.id for entry in DAWN.by_story()]
    assert story.index("zero") < story.index("one") < story.index("two") < story.index("half")


def test_side_stories_and_recaps_are_marked():
    roles = {entry.show.id: entry.role for entry in DAWN.entries}
    assert roles == {
        "one": "main",
        "two": "main",
        "half": "main",
        "zero": "main",
        "side": "side story",
        "recap": "recap",
    }
    assert DAWN.entry("side").of == "one"


def test_a_second_part_belongs_to_its_season():
    assert [(entry.show.id, entry.season, entry.part) for entry in DAWN.seasons("one")] == [
        ("one", 1, None),
        ("two", 2, None),
        ("half", 2, 2),
    ]


def test_parts_that_count_the_series_are_its_seasons():
    shows = [
        Show(id="1", title="Odd", type="tv", year=2012, relations=(related("Sequel", "3"),)),
        Show(id="3", title="Odd Part 3: Stars", type="tv", year=2014, relations=(related("Sequel", "4"),)),
        Show(id="4", title="Odd Part 4: Gems", type="tv", year=2016),
    ]
    assert [entry.season for entry in Franchises(shows).of("1").seasons("1")][:2] == [1, 3]


def test_sequels_and_gaps_are_listed():
    assert [entry.show.id for entry in DAWN.after("one")] == ["two"]
    assert [entry.show.id for entry in DAWN.before("one")] == ["zero"]
    assert [(gap.title, gap.year, gap.after) for gap in DAWN.gaps] == [("Dawn: The Final", 2016, "two")]


def test_titles_decide_if_relations_are_missing():
    comet = FRANCHISES.of("loose")

    assert comet.ids == ("loose", "loose2")
    assert comet.inferred
    assert not DAWN.inferred
    assert [entry.season for entry in comet.entries] == [1, 2]


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        ("X Season 3", (3, None)),
        ("X 2nd Season Part 2", (2, 2)),
        ("X Season 3 Part 2", (3, 2)),
        ("X IV", (4, None)),
        ("X 2", (2, None)),
        ("X 第3期", (3, None)),
        ("X 0", (None, None)),
        ("X 100", (None, None)),
        ("Last Part", (None, None)),
    ],
)
def test_numbers_are_read_from_titles(title, numbers):
    assert numbers_in(Show(id="1", title=title)) == numbers


def test_a_title_with_only_the_same_beginning_is_another_show():
    shows = [Show(id="1", title="Monster"), Show(id="2", title="Monster Musume"), Show(id="3", title="Monster: Film")]
    assert Franchises(shows).of("1").ids == ("1", "3")


KINDS = (
    "Sequel",
    "Prequel",
    "Side Story",
    "Parent Story",
    "Summary",
    "Full Story",
    "Alternative Version",
    "Other",
    "?",
)
IDS = [str(number) for number in range(7)]


def graphs():
    """Any relations between seven shows, including to themselves, to missing shows, and in cycles."""
    links = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from([*IDS, "absent"])), max_size=4)
    years = st.one_of(st.none(), st.integers(1990, 2000))
    show = st.tuples(links, years)
    return st.lists(show, min_size=7, max_size=7).map(
        lambda some: [
            Show(id=show_id, title=f"Show {letter}", year=year, relations=tuple(related(*link) for link in links_of))
            for show_id, letter, (links_of, year) in zip(IDS, "ABCDEFG", some, strict=True)
        ]
    )


@given(graphs())
def test_any_graph_is_divided_into_ordered_groups(shows):
    franchises = Franchises(shows)

    for show_id in IDS:
        franchise = franchises.of(show_id)
        assert sorted(entry.show.id for entry in franchise.by_story()) == sorted(franchise.ids)
        assert show_id in franchise.ids
        assert {other for one in franchise.ids for other in franchises.of(one).ids} == set(franchise.ids)
        assert all(one.show.id in franchise.ids for one in (*franchise.seasons(show_id), *franchise.after(show_id)))


@given(st.permutations(SHOWS))
def test_the_order_in_which_shows_are_stored_changes_nothing(shows):
    assert Franchises(shows).of("one").ids == DAWN.ids


def test_a_first_word_that_thousands_of_titles_share_costs_no_comparison_in_pairs(monkeypatch):
    compared = []

    def counting(title, other):
        compared.append((title, other))
        return continues(title, other)

    continues = franchise_groups.continues
    monkeypatch.setattr(franchise_groups, "continues", counting)
    shows = [Show(id=str(number), title=f"Voyage {number:04}") for number in range(400)]
    shows += [Show(id="a", title="Voyage"), Show(id="b", title="Voyage: The Return")]
    assert set(Franchises(shows).of("b").ids) >= {"a", "b"}
    assert len(compared) < 3 * len(shows)
