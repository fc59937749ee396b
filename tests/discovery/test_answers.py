"""Answers about franchises, similar shows and recommendations, from plans."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.discovery.answers import answer, needs_likeness, resolved
from animerag.discovery.recommendations import recommend
from animerag.discovery.starters import starters
from animerag.models.filters import Filters
from animerag.models.shows import Show
from animerag.query.plan import And, Order, Plan, Predicate, both
from tests.discovery.shows import SHOWS, collection, related

ALL = collection()
FILMS = Predicate("type", "=", "movie")


def test_a_watch_order_is_numbered_and_marks_optional_parts():
    fact = answer(Plan(intent="watch_order", shows=("two",)), ALL)

    assert (fact.kind, fact.ids) == ("sequence", ("one", "side", "two", "half", "zero", "recap"))
    assert "side story, optional" in fact.reasons[1]
    assert "can be skipped" in fact.reasons[5]
    assert "Not in your catalogue: Dawn: The Final (2016)." in fact.remarks


def test_story_order_starts_with_a_part_that_was_made_later():
    assert answer(Plan(intent="watch_order", shows=("one",), field="story"), ALL).ids[0] == "zero"


@pytest.mark.parametrize(("show", "value"), [("side", "yes"), ("recap", "yes"), ("two", "no")])
def test_only_side_stories_can_be_skipped(show, value):
    assert answer(Plan(intent="watch_order", shows=(show,), field="skip"), ALL).value == value


def test_seasons_are_counted_with_their_parts():
    fact = answer(Plan(intent="seasons", shows=("one",)), ALL)

    assert (fact.value, fact.ids, fact.complete) == (2, ("one", "two", "half"), True)
    assert "in 3 parts" in fact.heading


@pytest.mark.parametrize(
    ("group", "value", "words"),
    [("year", 2, "from 1999, 2001, 2 of the years between 1998 and 2002"), ("decade", 0, "from every decade")],
)
def test_years_and_decades_without_shows_are_listed(group, value, words):
    shows = [Show(id=str(year), title=f"Show {year}", year=year) for year in (1998, 2000, 2002)]
    fact = answer(Plan(intent="stats", measure="absent", group=group), collection(shows))

    assert fact.value == value
    assert words in fact.heading


def test_shows_are_counted_by_the_month_in_which_they_began():
    dates = ("2010-04-01", "2011-04-09", "2012-01-02", "2013", None)
    shows = [Show(id=str(number), title=str(number), air_date=began) for number, began in enumerate(dates)]
    fact = answer(Plan(intent="stats", measure="count", group="month"), collection(shows))

    assert (fact.value, fact.remarks) == ("April", ("January: 1 show", "April: 2 shows"))


def test_a_random_pick_says_so():
    fact = answer(Plan(intent="recommend", moods=("picked at random",), condition=FILMS), ALL)

    assert fact.heading == "Picked at random from your catalogue (movies):"


def test_franchises_are_completed_with_their_last_part():
    parts = {"one", "two", "half", "zero", "side", "recap", "calm"}
    seen = [replace(show, my_status="completed") if show.id in parts else show for show in SHOWS]
    asked = Plan(intent="next", field="my_franchises")
    fact = answer(asked, collection(seen))
    unfinished = answer(
        asked, collection([replace(show, my_status="completed" if show.id != "two" else "watching") for show in SHOWS])
    )

    assert (fact.ids, fact.reasons) == (("one",), ("all 6 parts",))
    assert "one" not in unfinished.ids


def test_scores_of_one_kind_are_compared_with_all_scores():
    shows = [
        Show(id="1", title="1", tags=("mecha",), my_score=9, rating=8.0),
        Show(id="2", title="2", tags=("comedy",), my_score=5, rating=7.0),
    ]
    plan = Plan(intent="stats", measure="average", field="my_score", condition=Predicate("tag", "=", "mecha"))

    assert answer(plan, collection(shows)).remarks == (
        "The average rating of these shows is 8.00: your scores are 1 higher than the ratings.",
        "The average of all 2 scores by you is 7.00.",
    )


def test_parts_that_the_owner_has_seen_are_counted_among_all():
    seen = [replace(show, my_status="completed") if show.id == "one" else show for show in SHOWS]
    plan = Plan(intent="list", shows=("one",), franchise=True, condition=Predicate("my_status", "=", "completed"))

    assert answer(plan, collection(seen)).heading == "1 of 6 parts of **Dawn** (completed)."


def test_the_tags_beside_a_tag_are_counted_without_it():
    tags = {"1": ("horror", "school"), "2": ("horror", "school", "gore"), "3": ("comedy",)}
    shows = [Show(id=show_id, title=show_id, tags=of_show) for show_id, of_show in tags.items()]
    horror = Predicate("tag", "=", "horror")
    fact = answer(Plan(intent="stats", measure="count", group="tag", condition=horror), collection(shows))

    assert (fact.value, fact.remarks) == ("school", ("school: 2 shows", "gore: 1 show"))


def test_a_random_wish_is_drawn_from_all_shows_that_suit():
    shows = [Show(id=str(number), title=f"Show {number}", year=2000, rating=5.0 + number / 10) for number in range(40)]
    wish = Plan(intent="recommend", moods=("picked at random",), limit=1)
    drawn = {answer(wish, collection(shows)).ids for _ in range(60)}

    assert len(drawn) > 10


def test_a_missing_season_is_reported():
    missing = answer(Plan(intent="seasons", shows=("one",), number=5), ALL)

    assert (missing.ids, missing.value) == ((), "no")
    assert resolved(Plan(intent="lookup", shows=("one",), number=2), ALL).shows == ("two",)


@pytest.mark.parametrize(
    ("plan", "ids"),
    [
        (Plan(intent="next", shows=("one",)), ("two", "half")),
        (Plan(intent="next", shows=("one",), field="before"), ("zero",)),
        (Plan(intent="list", shows=("one",), franchise=True, condition=FILMS), ("zero", "recap")),
        (Plan(intent="list", shows=("one",), franchise=True, field="side"), ("side",)),
    ],
)
def test_the_next_and_the_previous_part_and_all_parts_are_named(plan, ids):
    assert answer(plan, ALL).ids == ids


def test_without_a_sequel_similar_shows_are_listed():
    shows = [replace(show, similar=(), relations=()) for show in SHOWS if show.id in ("calm", "dark")]
    fact = answer(Plan(intent="next", shows=("calm",)), collection(shows, likeness={"dark": 0.9}))

    assert fact.ids == ("dark",)
    assert "no known sequel" in fact.heading


def test_missing_sequels_of_the_whole_catalogue():
    fact = answer(Plan(intent="seasons", field="missing"), ALL)

    assert (fact.value, fact.ids) == (1, ("two",))


def test_similar_shows_are_of_other_franchises():
    fact = answer(Plan(intent="similar", shows=("one",)), ALL)

    assert fact.ids[0] == "calm"
    assert not set(fact.ids) & {"one", "two", "half", "zero", "side", "recap", "adult"}
    assert "called similar by viewers" in fact.reasons[0]


@pytest.mark.parametrize(
    ("wish", "ids"), [("darker", {"dark"}), ("shorter", {"calm", "dark", "film"}), ("older", {"film", "loose"})]
)
def test_similar_shows_differ_as_requested(wish, ids):
    likeness = dict.fromkeys([show.id for show in SHOWS], 0.5)
    fact = answer(Plan(intent="similar", shows=("one",), relative=(wish,)), collection(likeness=likeness))

    assert fact.ids
    assert set(fact.ids) <= ids


def test_a_recommendation_suits_its_mood_and_gives_a_reason():
    fact = answer(Plan(intent="recommend", moods=("sad",)), ALL)

    assert fact.ids[0] in ("film", "zero")
    assert "drama" in fact.reasons[0]
    assert "calm" not in fact.ids


def test_shows_for_adults_are_only_recommended_on_request():
    assert "adult" not in answer(Plan(intent="recommend"), ALL).ids
    asked = Plan(intent="recommend", condition=Predicate("restricted", "=", value=True))
    assert answer(asked, ALL).ids == ("adult",)


def test_recommendations_fit_the_available_time():
    assert set(answer(Plan(intent="recommend", minutes=120), ALL).ids) == {"film", "zero"}


def test_too_little_time_for_a_whole_show_is_enough_for_an_episode():
    fact = answer(Plan(intent="recommend", minutes=20, condition=Predicate("type", "=", "tv")), ALL)
    assert fact.heading.startswith("Nothing is complete within 20 minutes (TV series). One episode of each")
    assert set(fact.ids) == {"calm", "dark", "loose"}
    assert not answer(Plan(intent="recommend", minutes=5), ALL).ids


def test_without_a_show_that_suits_the_whole_wish_those_that_suit_most_come_first():
    tags = [Predicate("tag", "=", tag) for tag in ("drama", "psychological", "iyashikei")]
    fact = answer(Plan(intent="recommend", condition=And(tuple(tags))), ALL)
    assert fact.heading.startswith("No show that you have not started suits all of this (drama, psychological and")
    assert fact.ids[0] == "dark", "it has two of the tags"
    assert "calm" in fact.ids
    films = answer(Plan(intent="recommend", condition=both(*tags[:2], FILMS)), ALL)
    assert set(films.ids) == {"film", "zero"}, "a wish for films is not given up"


def test_words_without_a_field_are_what_a_recommendation_is_close_to():
    wish = Plan(intent="recommend", text="pirates")
    assert recommend(wish, collection(likeness={"film": 0.9, "calm": 0.1})).heading.endswith("closest to “pirates”:")
    assert "closest" not in recommend(wish, collection()).heading


STATUSES = (None, "completed", "dropped", "watching", "plan_to_watch")


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(0, 10)), min_size=len(SHOWS), max_size=len(SHOWS)))
def test_started_shows_and_sequels_of_unwatched_ones_are_not_recommended(entries):
    shows = [
        replace(show, my_status=status, my_score=score or None)
        for show, (status, score) in zip(SHOWS, entries, strict=True)
    ]
    mine = collection(shows)

    for plan in (Plan(intent="recommend"), Plan(intent="similar", shows=("film",)), Plan(intent="recommend", limit=8)):
        for show_id in answer(plan, mine).ids:
            show = mine.show(show_id)
            assert show.my_status in (None, "plan_to_watch")
            if plan.intent == "recommend":
                before = mine.franchises.of(show_id).before(show_id)
                assert all(entry.show.my_status == "completed" for entry in before)


def test_shows_that_share_tags_with_well_scored_ones_come_first():
    liked = {"calm": 10, "dark": 2}
    shows = [replace(show, my_score=liked.get(show.id, 6), my_status=None) for show in SHOWS]
    shows += [
        Show(
            id="new calm",
            title="Lake Two",
            type="tv",
            year=2020,
            episodes=12,
            rating=7.5,
            votes=100,
            tags=("iyashikei",),
        ),
        Show(id="new dark", title="Alley", type="tv", year=2020, episodes=12, rating=7.5, votes=100, tags=("gore",)),
    ]
    ids = answer(Plan(intent="recommend", limit=8), collection(shows)).ids

    assert ids.index("new calm") < (ids.index("new dark") if "new dark" in ids else 99)


def test_an_empty_result_names_the_condition_that_empties_it():
    plan = Plan(intent="list", condition=Predicate("year", "=", 1950))
    single = answer(plan, ALL)
    both = answer(replace(plan, condition=And((plan.condition, FILMS))), ALL)

    assert single.ids == ()
    assert single.remarks == ("The years in your catalogue go from 2000 to 2019.",)
    assert "Leaving out “from 1950”, 3 shows match." in both.remarks


def test_only_fields_that_a_show_lacks_are_named():
    condition = And((Predicate("type", "=", "movie"), Predicate("duration", "<", 90)))

    assert "no recorded running time and" in answer(Plan(intent="list", condition=condition), ALL).remarks[0]


def test_a_show_without_the_value_is_named():
    shows = [*SHOWS, Show(id="bare", title="Bare", type="tv", year=2001)]
    fact = answer(Plan(intent="count", condition=Predicate("episodes", ">", 20)), collection(shows))

    assert (fact.value, fact.undecided) == (3, ("bare",))
    assert fact.remarks == ("Bare has no recorded episode count and is left out.",)


def test_films_are_not_ordered_by_episodes():
    longest = Plan(intent="superlative", condition=FILMS, order=Order(field="episodes"))
    timed = [replace(show, duration=90 + len(show.title)) for show in SHOWS]

    assert answer(longest, ALL).missing == ("duration",)
    assert answer(longest, collection(timed)).ids[0] == "zero"


def test_a_greeting_is_answered_and_help_names_shows_of_this_catalogue():
    assert answer(Plan(intent="help", field="thanks"), ALL).remarks == ()
    fact = answer(Plan(intent="help"), ALL)
    assert fact.remarks == tuple(starters(ALL))
    assert any(show.title in remark for remark in fact.remarks for show in SHOWS)
    assert starters(ALL) == starters(ALL)


def test_sentences_are_in_the_language_of_the_question():
    japanese = collection(japanese=True)

    assert "視聴順" in answer(Plan(intent="watch_order", shows=("one",)), japanese).heading
    assert "夜明け" in answer(Plan(intent="watch_order", shows=("one",)), japanese).heading


@pytest.mark.parametrize("plan", [Plan(intent="recommend"), Plan(intent="similar", shows=("one",))])
def test_filters_of_the_user_apply_to_recommendations_too(plan):
    likeness = dict.fromkeys([show.id for show in SHOWS], 0.5)
    ids = answer(plan, collection(likeness=likeness), Filters(types=("movie",))).ids

    assert ids
    assert {ALL.show(show_id).type for show_id in ids} == {"movie"}


@pytest.mark.parametrize(
    ("plan", "needed"),
    [
        (Plan(intent="recommend", condition=FILMS), False),
        (Plan(intent="recommend", moods=("sad",)), True),
        (Plan(intent="recommend", text="pirates"), True),
        (Plan(intent="next", shows=("one",)), False),
        (Plan(intent="next", shows=("calm",)), True),
        (Plan(intent="similar", shows=("one",)), True),
    ],
)
def test_only_plans_that_need_similarity_wait_for_a_search(plan, needed):
    assert needs_likeness(plan, ALL) is needed


def test_the_first_show_of_a_franchise_must_match_the_request():
    likeness = {"two": 0.9, "film": 0.1}
    newer = answer(Plan(intent="similar", shows=("film",), relative=("newer",)), collection(likeness=likeness))
    short = Plan(intent="similar", shows=("film",), condition=Predicate("episodes", "<=", 12))

    assert newer.ids[0] == "one"
    assert "one" not in answer(short, collection(likeness=likeness)).ids
    assert "two" in answer(short, collection(likeness=likeness)).ids


def test_a_gap_without_a_title_is_named_after_the_show_before_it():
    nameless = Show(id="a", title="Lone", relations=(related("Sequel", "99", ""),))
    fact = answer(Plan(intent="watch_order", shows=("a",)), collection([nameless]))

    assert "Not in your catalogue: a sequel of Lone." in fact.remarks


def test_a_show_in_the_catalogue_is_confirmed():
    fact = answer(Plan(intent="field", shows=("one",), field="owned"), ALL)

    assert (fact.value, fact.ids, fact.complete) == ("yes", ("one",), True)
    assert fact.heading == "Yes. Your catalogue has **Dawn** (2010, 24 episodes)."


@pytest.mark.parametrize(
    ("shows", "sentence"),
    [
        (("one", "two"), "**Dawn Season 2** is the sequel of **Dawn**."),
        (("two", "one"), "**Dawn** is the prequel of **Dawn Season 2**."),
        (("one", "side"), "is a side story of **Dawn**."),
        (("side", "two"), "belong to one franchise, linked by other shows."),
        (("one", "calm"), "Your catalogue has no relation between **Dawn** and"),
    ],
)
def test_the_relation_of_two_shows_is_described(shows, sentence):
    assert sentence in answer(Plan(intent="compare", shows=shows, field="relation"), ALL).heading


def test_the_answer_says_whether_a_numbered_season_exists():
    there = answer(Plan(intent="seasons", shows=("one",), number=2, yes_no=True), ALL)
    absent = answer(Plan(intent="seasons", shows=("one",), number=7, yes_no=True), ALL)

    assert there.heading.startswith("Yes. Season 2 of **Dawn**")
    assert absent.heading.startswith("No. Your catalogue has no season 7 of Dawn. It has season 1 (Dawn, 2010)")


def test_the_first_of_each_group_is_named_with_its_group():
    fact = answer(Plan(intent="superlative", order=Order(field="rating"), group="decade"), ALL)
    shows = [ALL.show(show_id) for show_id in fact.ids]

    assert list(fact.reasons) == sorted({f"{show.year // 10 * 10}s" for show in ALL.table.shows() if show.year})
    for decade, best in zip(fact.reasons, shows, strict=True):
        rivals = [show.rating for show in ALL.table.shows() if show.year and f"{show.year // 10 * 10}s" == decade]
        assert best.rating == max(rating for rating in rivals if rating is not None)


def test_different_values_of_a_field_are_counted():
    fact = answer(Plan(intent="stats", measure="distinct", group="tag"), ALL)

    assert fact.value == len({tag for show in ALL.table.shows() for tag in show.tags})
    assert fact.heading == f"Your catalogue has {fact.value} tags."


def test_a_title_is_found_by_its_beginning():
    fact = answer(Plan(intent="list", condition=Predicate("title", "^=", "dawn s")), ALL)

    assert set(fact.ids) == {"two", "half"}


def test_a_later_season_without_the_earlier_ones_is_not_recommended():
    later = Show(id="later", title="Noon Season 3", type="tv", episodes=12, year=2020, rating=9.9, votes=90_000)
    first = replace(later, id="first", title="Evening", rating=6.0)

    assert answer(Plan(intent="recommend"), collection([later, first])).ids == ("first",)


def test_shows_for_adults_only_are_suggested_only_if_the_owner_allows_it():
    adult, plain = (
        Show(id=one, title=one, type="tv", episodes=12, rating=9.0, votes=90, restricted=one == "adult")
        for one in ("adult", "plain")
    )
    wish = Plan(intent="recommend")

    assert answer(wish, collection([adult, plain])).ids == ("plain",)
    assert set(answer(wish, collection([adult, plain], shows_restricted=True)).ids) == {"adult", "plain"}
    asked = replace(wish, condition=Predicate("restricted", "=", True))
    assert answer(asked, collection([adult, plain])).ids == ("adult",)
