"""Several fields at once, parts of a franchise in an order, and numbers of seasons."""

import pytest

from animerag.query.names import unnamed_rival
from animerag.query.parts import with_seasons_named
from animerag.query.plan import Order
from tests.query.test_reading import understood


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        ("when did Monster air and how many episodes does it have", ("year", "episodes")),
        ("rating and type of Monster", ("rating", "type")),
        ("genres, year and score of Monster", ("tag", "year", "rating")),
        ("Monster episodes & votes", ("episodes", "votes")),
        ("year rating votes of Monster", ("year", "rating", "votes")),
        ("when did Monster start and end", ("year", "end_year")),
        ("how long is Monster and is it finished", ("episodes", "status")),
        ("Monsterの評価と話数", ("rating", "episodes")),
    ],
)
def test_fields_are_asked_for_together(question, fields):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.fields, plan.field) == ("field", fields, fields[0])


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("Monster type", "type"),
        ("how long is each episode of Monster", "duration"),
        ("how popular is Monster", "votes"),
    ],
)
def test_one_field_is_no_list(question, field):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.field, plan.fields) == ("field", field, ())


@pytest.mark.parametrize(
    ("question", "order", "field"),
    [
        ("best season of Monster", Order(field="rating"), "seasons"),
        ("which season of Monster is the longest", Order(field="episodes"), "seasons"),
        ("lowest rated part of Monster", Order(field="rating", descending=False), None),
        ("the best Monster show", Order(field="rating"), None),
        ("newest Monster movie", Order(field="year"), None),
        ("best season of Monster by votes", Order(field="votes"), "seasons"),
    ],
)
def test_the_first_part_of_a_franchise_is_asked_for(question, order, field):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.franchise, plan.order, plan.limit) == ("superlative", True, order, 1)
    assert (plan.field, plan.shows) == (field, ("1",))


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("best watch order of Monster", "watch_order"),
        ("best movies similar to Monster", "similar"),
        ("how many seasons of Monster are there", "seasons"),
    ],
)
def test_other_questions_about_a_franchise_have_no_order(question, intent):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.order) == (intent, None)


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("shows with more than two seasons", ["seasons>2"]),
        ("comedies with at least 4 seasons", ["seasons>=4", "tag=comedy"]),
        ("mecha with 2 to 3 seasons", ["seasons<=3", "seasons>=2", "tag=mecha"]),
        ("romance with only §1", ["seasons=1", "tag=romance"]),
        ("which shows have a §2", ["seasons>=2"]),
        ("mecha with several seasons", ["seasons>=2", "tag=mecha"]),
        ("horror with no §2", ["seasons<2", "tag=horror"]),
    ],
)
def test_the_number_of_seasons_is_a_condition(question, conditions):
    plan = understood(question)

    assert sorted(plan.conditions()) == conditions
    assert (plan.intent, plan.text, plan.number) == ("list", "", None)


def test_a_season_of_a_missing_title_is_no_condition():
    plan = understood("do I have §3 of Unheard Lake")

    assert plan.conditions() == []


@pytest.mark.parametrize(
    ("question", "measure", "group"),
    [
        ("biggest franchise", "count", "franchise"),
        ("franchise with the most episodes", "sum", "franchise"),
        ("which franchise is rated best", "average", "franchise"),
        ("franchises by number of episodes", "sum", "franchise"),
        ("how many franchises do I have", "distinct", "franchise"),
        ("ratings by type", "average", "type"),
        ("rating distribution", "count", "rating"),
        ("how many comedies vs dramas", "count", "each"),
    ],
)
def test_groups_are_counted_and_compared(question, measure, group):
    plan = understood(question)

    assert (plan.intent, plan.measure, plan.group) == ("stats", measure, group)


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("comedies with more then 20 episodes", ["episodes>20", "tag=comedy"]),
        ("first half of the 2000s, horror", ["tag=horror", "year<=2004", "year>=2000"]),
        ("movies with more than a million votes", ["type=movie", "votes>1000000"]),
        (
            (
                "please look through all of my shows and list only those films which came out after 2010, "
                "have a rating of at least 8 and are not romances, thank you very much"
            ),
            ["not tag=romance", "rating>=8", "type=movie", "year>=2011"],
        ),
    ],
)
def test_a_list_is_understood_in_any_wording(question, conditions):
    plan = understood(question)

    assert (plan.intent, sorted(plan.conditions()), plan.text) == ("list", conditions, "")


def test_a_comparison_with_a_title_is_not_a_request_for_different_shows():
    plan = understood("is Monster longer than 20 episodes", show="Monster")

    assert (plan.intent, str(plan.condition)) == ("field", "episodes>20")


def test_an_unwanted_mood_excludes_its_tags():
    plan = understood("suggest something not too sad")

    assert (plan.intent, plan.moods) == ("recommend", ())
    assert "not tag=drama" in plan.conditions()


def test_a_question_about_skippable_parts_is_not_a_negation():
    plan = understood("can I skip the ovas of Monster", show="Monster")

    assert (plan.intent, plan.field, plan.conditions()) == ("watch_order", "skip", ["type=ova"])


def test_bounds_continue_after_one_that_names_the_show():
    plan = understood("rated lower than Monster and with more votes", show="Monster")

    assert [(one.field, one.operator) for one in plan.condition.parts] == [("rating", "<"), ("votes", ">")]


@pytest.mark.parametrize(
    ("question", "place", "rival"),
    [
        ("is monster older than zorro princess", (3, 10), "zorro princess"),
        ("compare zorro princess with monster", (28, 35), "zorro princess"),
        ("which is longer, monster or zorro princess?", (17, 24), "zorro princess"),
        ("monster or something else", (0, 7), ""),
    ],
)
def test_the_other_side_of_a_comparison_may_have_no_show(question, place, rival):
    assert unnamed_rival(question, [place]) == rival


@pytest.mark.parametrize(
    ("question", "measure", "conditions"),
    [
        ("how many comedies are there each decade", "count", ["tag=comedy"]),
        ("movies per year", "count", ["type=movie"]),
        ("number of shows with rating over 8 per year", "count", ["rating>8"]),
        ("which decade has the most romance", "count", ["tag=romance"]),
        ("what was the best year for movies", "average", ["type=movie"]),
        ("映画とOVAどっちが多い", "count", ["type=movie or type=ova"]),
    ],
)
def test_conditions_between_the_words_of_a_measure_are_read(question, measure, conditions):
    plan = understood(question)

    assert (plan.intent, plan.measure, plan.conditions(), plan.ignored) == ("stats", measure, conditions, ())


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("anime rated exactly 8", ["rating=8"]),
        ("romance, and none from the 2020s", ["not (year>=2020 and year<=2029)", "tag=romance"]),
        ("movies rated 8", ["rating<9", "rating>=8", "type=movie"]),
        ("from the 2010s onwards, mecha", ["tag=mecha", "year>=2010"]),
    ],
)
def test_values_and_ranges_are_read_literally(question, conditions):
    assert sorted(understood(question).conditions()) == conditions


@pytest.mark.parametrize(
    ("question", "intent", "slots"),
    [
        ("how many Monster episodes in total", "field", {"measure": "sum", "field": "episodes"}),
        ("last season of Monster", "superlative", {"order": Order(field="year"), "field": "seasons"}),
        ("do I need to watch the Monster ovas", "watch_order", {"field": "needed"}),
        ("Monsterの映画", "list", {"franchise": True}),
        ("what should I see before Monster", "next", {"field": "before"}),
        ("gibt es eine Fortsetzung von Monster", "next", {"field": None}),
    ],
)
def test_further_questions_about_a_franchise_are_read(question, intent, slots):
    plan = understood(question, show="Monster")

    assert plan.intent == intent
    assert {name: getattr(plan, name) for name in slots} == slots


def test_shows_for_children_are_suitable_for_them():
    plan = understood("what can my kids watch")

    assert (plan.intent, plan.conditions()) == ("recommend", ["suitable=children"])


@pytest.mark.parametrize("question", ["is there anything longer than Monster", "which shows are longer than Monster"])
def test_a_show_gives_a_bound_in_a_question_about_existence(question):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.condition.field, plan.shows) == ("list", "episodes", ())


@pytest.mark.parametrize(
    ("text", "spelt_out"),
    [
        ("which is better, §1 or §2 of monster", "which is better, monster season 1 or monster season 2"),
        ("is §2 of monster longer than §1", "is monster season 2 longer than monster season 1"),
        ("monster §1 or 3", "monster season 1 or monster season 3"),
        ("compare the first and §2 of monster", "compare the monster season 1 and monster season 2"),
        ("which season of monster is better, 1 or 2", "which is better, monster season 1 or monster season 2"),
        ("which monster season is longer: 1 or 2?", "which is longer: monster season 1 or monster season 2"),
        ("do i have seasons 1 and 2 of monster", "do i have monster season 1 and monster season 2"),
        ("monster §2", None),
        ("all seasons of monster", None),
        ("is §2 of monster out and §2 good or bad", None),
    ],
)
def test_two_seasons_of_one_show_are_compared_by_name(text, spelt_out):
    start = text.index("monster")

    assert with_seasons_named(text, start, start + len("monster")) == spelt_out


@pytest.mark.parametrize(
    ("question", "order", "conditions"),
    [
        ("is Monster the longest show", "episodes", []),
        ("is Monster really the best mystery", "rating", ["tag=mystery"]),
        ("was Monster my oldest series?", "year", []),
    ],
)
def test_a_question_may_ask_whether_a_show_is_first(question, order, conditions):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.order.field, plan.limit, plan.yes_no) == ("superlative", order, 1, True)
    assert sorted(plan.conditions()) == conditions
