"""Conditions evaluated by sets of ids have the semantics of the same conditions evaluated show by show."""

from hypothesis import given
from hypothesis import strategies as st

from animerag.models.filters import Filters
from animerag.models.shows import Show
from animerag.query.execution import meeting, verdicts
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.plan import And, Not, Or, Predicate
from animerag.query.title_text import TitleText

TAGS = ("mecha", "romance", "space")
SHOWS = [
    Show(
        id=f"{year}-{episodes}-{'-'.join(tags)}",
        title=f"Show {number}",
        tags=tags,
        tag_weights=dict.fromkeys(tags[:1], 0.1),
        year=year,
        episodes=episodes,
    )
    for number, (year, episodes, tags) in enumerate(
        (year, episodes, tags)
        for year in (None, 1990, 2010)
        for episodes in (None, 12)
        for tags in ((), ("mecha",), ("mecha", "space"), ("romance",))
    )
]
TABLE = FieldsInMemory(SHOWS)
COMPARISONS = st.one_of(
    st.builds(Predicate, st.just("tag"), st.sampled_from(("=", ">=")), st.sampled_from(TAGS)),
    st.builds(Predicate, st.just("year"), st.sampled_from(("<", ">=", "unknown")), st.sampled_from((1990, 2000))),
    st.builds(Predicate, st.just("episodes"), st.just("="), st.sampled_from((12, 24))),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(And, st.lists(part, max_size=3).map(tuple)),
        st.builds(Or, st.lists(part, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@given(CONDITIONS, st.sampled_from((Filters(), Filters(year_from=1980), Filters(tags=("mecha",)))))
def test_every_condition_selects_the_shows_for_which_its_function_holds(condition, filters):
    verdict, selected = verdicts(condition, TABLE), meeting(condition, TABLE, filters)
    shows = [show for show in TABLE.shows() if TABLE.meets(show, filters)]
    assert selected.met == [show.id for show in shows if verdict(show)]
    assert selected.undecided == [show.id for show in shows if verdict(show) is None]


def test_a_text_of_titles_gives_the_shows_in_their_order_each_once():
    titles = TitleText({"b": " alien | alien nine |", "c": " 超時空要塞 |", "a": " the alien |", "d": ""})
    assert list(titles.ids_with("alien")) == ["b", "a"]
    assert list(titles.ids_with("時空")) == ["c"]
    assert list(titles.ids_with("nine |\n")) == ["b"]
    assert list(titles.ids_with("missing")) == []
    assert " the " in titles
    assert "nine | 超" not in titles
    assert list(TitleText({}).ids_with("alien")) == []
