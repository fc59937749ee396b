"""Questions become plans: their intent, their conditions, and the place of every word."""

import re
from datetime import date
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animerag.query.condition_text import parse
from animerag.query.grammar import SUITABLE, Named, leftovers
from animerag.query.intents import Likely, carrying_words
from animerag.query.lexicon import Unapplied, carrying, vocabulary
from animerag.query.plan import EVERYTHING, And, Not, Of, Or, Order, Plan, Predicate, both, compiled, either
from animerag.query.reader import plan_of, read
from animerag.query.rendering import phrase, render

TODAY = date(2026, 11, 30)
TAGS = ("comedy", "romance", "horror", "isekai", "mecha", "harem", "ecchi", "gore", "drama", "mystery", "sports")
SEQUELS = Predicate("relation", "=", "sequel")
WATCHED, DROPPED = Predicate("my_status", "=", "completed"), Predicate("my_status", "=", "dropped")
BEGUN = Or((Predicate("my_status", "=", "watching"), Predicate("my_status", "=", "on_hold")))
UNWATCHED = Or((Predicate("my_status", "=", "none"), Predicate("my_status", "=", "plan_to_watch")))
LEAST_FIRST = Order(field="votes", descending=False)
OLDEST_FIRST = Order(field="year", descending=False)
WORDS = vocabulary((*TAGS, "kids", "manga", "light novel", "original work", "slice of life", "iyashikei", "shounen"))


def understood(question, *, show=None, year=2026):
    """Return the plan of a question; `show` is a title in it that names the show "1"."""
    places = re.finditer(re.escape(show), question) if show else ()
    names = [Named(found.start(), found.end(), ("1",)) for found in places]
    return plan_of(read(question, names, WORDS, date(year, 11, 30)))


@pytest.mark.parametrize(
    ("question", "intent", "conditions"),
    [
        ("which comedies do I have", "list", ["tag=comedy"]),
        ("list all sequels", "list", ["relation=sequel"]),
        ("average rating of isekai vs non-isekai", "stats", ["tag=isekai or not tag=isekai"]),
        ("best drama of 2023 so far", "superlative", ["year=2023", "tag=drama"]),
        ("can you help me pick something", "recommend", []),
        ("films that aren't sequels", "list", ["type=movie", "not relation=sequel"]),
        ("shows nobody has rated", "list", ["rating unknown"]),
        ("what came out the year I was born, 1994", "list", ["year=1994"]),
        ("anime from before I was born in 1985", "list", ["year<=1984"]),
        ("shows older than me, I was born in 1990", "list", ["year<=1989"]),
        ("something to watch with the kids", "recommend", ["suitable=children"]),
        ("what was that anime with the kid in a well", "lookup", []),
        ("how many films are in here?", "count", ["type=movie"]),
        ("everything that isn't a comedy", "list", ["not tag=comedy"]),
        ("anything but isekai", "list", ["not tag=isekai"]),
        ("mystery or horror", "list", ["tag=mystery or tag=horror"]),
        ("no harem or ecchi, romance", "list", ["tag=romance", "not tag=harem", "not tag=ecchi"]),
        ("romance w/o harem", "list", ["tag=romance", "not tag=harem"]),
        ("gore-free horror", "list", ["tag=horror", "not tag=gore"]),
        ("films and OVAs from the nineties", "list", ["type=movie or type=ova", "year>=1990", "year<=1999"]),
        ("spring 2007 anime", "list", ["season=spring", "year=2007"]),
        ("this year's movies", "list", ["year=2026", "type=movie"]),
        ("short and not harem, nach 2015", "list", ["year>=2016", "episodes<=13", "not tag=harem"]),
        ("mecha between 1990 and 1995", "list", ["year>=1990", "year<=1995", "tag=mecha"]),
        ("dramas with more than two dozen episodes", "list", ["episodes>24", "tag=drama"]),
        ("sports shows based on a manga", "list", ["tag=sports", "tag=manga"]),
        ("shows with an unknown number of episodes", "list", ["episodes unknown"]),
        ("ended before 2001 and rated at least 8", "list", ["end_year<=2000", "rating>=8"]),
        ("2015年以降のホラー映画", "list", ["year>=2015", "type=movie", "tag=horror"]),
        ("コメディ以外のアニメ", "list", ["not tag=comedy"]),
        ("shows that aren't finished", "list", ["status=airing"]),
        ("what's airing", "list", ["status=airing"]),
        ("恋愛がないコメディ", "list", ["tag=comedy", "not tag=romance"]),
        ("ロボットが出ないホラー", "list", ["tag=horror", "not tag=mecha"]),
        ("日本のホラーアニメは何本ありますか", "count", ["tag=horror"]),
        ("everything except ecchi and harem", "list", ["not tag=ecchi", "not tag=harem"]),
        ("all but ecchi, harem and gore", "list", ["not tag=ecchi", "not tag=harem", "not tag=gore"]),
        ("mecha without gore and romance", "list", ["tag=mecha", "not tag=gore", "not tag=romance"]),
        (
            "horror or mystery but not both",
            "list",
            ["tag=horror or tag=mystery", "not (tag=horror and tag=mystery)"],
        ),
        (
            "mecha from the 80s and 90s",
            "list",
            ["(year>=1980 and year<=1989) or (year>=1990 and year<=1999)", "tag=mecha"],
        ),
        ("before 1990 or after 2015, comedy", "list", ["year<=1989 or year>=2016", "tag=comedy"]),
        ("since 2000 and until 2005", "list", ["year>=2000", "year<=2005"]),
        ("shows older than 30 years", "list", ["year<1996"]),
        ("shows newer than 5 years", "list", ["year>2021"]),
        ("short horror movies", "list", ["type=movie", "duration<=60", "tag=horror"]),
        ("long films", "list", ["type=movie", "duration>=120"]),
        ("which movies are shorter than an hour", "list", ["type=movie", "duration<60"]),
        ("shortest series", "superlative", ["type=tv or type=web"]),
        ("rated above 8 and below 9", "list", ["rating>8", "rating<9"]),
        ("over 12 and under 30 episodes", "list", ["episodes>12", "episodes<30"]),
        ("episodes over 20 and under 30", "list", ["episodes>20", "episodes<30"]),
        ("between 12 and 26 episodes or more than 100", "list", ["(episodes>=12 and episodes<=26) or episodes>100"]),
        ("more than 500 votes but fewer than 1000", "list", ["votes>500", "votes<1000"]),
        ("rated 7 or lower", "list", ["rating<=7"]),
        ("nothing with horror, comedy", "list", ["tag=comedy", "not tag=horror"]),
        ("which romcoms are there", "list", ["tag=romance", "tag=comedy"]),
        ("which of my shows ran the longest, in episodes, in the 2010s", "superlative", ["year>=2010", "year<=2019"]),
        ("anime that start with the letter Q", "list", ["title^=Q"]),
        ('dramas whose title begins with "blue"', "list", ["tag=drama", "title^=blue"]),
        ("movies with ocean in the title", "list", ["type=movie", "title=ocean"]),
        ("comedy AND drama, NOT romance", "list", ["tag=comedy", "tag=drama", "not tag=romance"]),
        ("hochstens zwolf Folgen, Mystery", "list", ["episodes<=12", "tag=mystery"]),
    ],
)
def test_a_list_binds_every_condition(question, intent, conditions):
    plan = understood(question)

    assert plan.intent == intent
    assert sorted(plan.conditions()) == sorted(conditions)
    assert plan.text == ""


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        (
            "films from the 90s and series from the 2000s",
            "(type=movie and year>=1990 and year<=1999) or ((type=tv or type=web) and year>=2000 and year<=2009)",
        ),
        ("isekai from 2018 or mecha from 1995", "(year=2018 and tag=isekai) or (year=1995 and tag=mecha)"),
        (
            "films until 1990 and OVAs since 2001, rated at least 7, no gore",
            "((year<=1990 and type=movie) or (year>=2001 and type=ova)) and rating>=7 and not tag=gore",
        ),
        ("films and series from 1999", "(type=movie or type=tv or type=web) and year=1999"),
        ("comedies from 2010 and 2015", "(year=2010 or year=2015) and tag=comedy"),
    ],
)
def test_parts_with_their_own_conditions_are_alternatives(question, condition):
    plan = understood(question)

    assert plan.text == ""
    assert _same(plan.condition, parse(condition))


def _same(one, other):
    if isinstance(one, Predicate | Not):
        return str(one) == str(other)
    return type(one) is type(other) and {str(_sorted(part)) for part in one.parts} == {
        str(_sorted(part)) for part in other.parts
    }


def _sorted(condition):
    """Return a condition with the parts of an "and" and an "or" in one order."""
    if isinstance(condition, Predicate | Not):
        return condition
    return type(condition)(tuple(sorted(map(_sorted, condition.parts), key=str)))


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("which shows have no description", ["description unknown"]),
        ("comedies without tags or without a rating", ["tag=comedy", "tag unknown or rating unknown"]),
        ("shows with no year and no episode count", ["year unknown", "episodes unknown"]),
        ("movies whose rating is missing", ["type=movie", "rating unknown"]),
        ("unrated horror", ["tag=horror", "rating unknown"]),
        ("horror with no rating above 8", ["tag=horror", "not rating>8"]),
        ("films without a sequel", ["type=movie", "not relation=has sequel"]),
        ("あらすじのない映画", ["type=movie", "description unknown"]),
    ],
)
def test_missing_values_are_a_condition(question, conditions):
    plan = understood(question)

    assert sorted(plan.conditions()) == sorted(conditions)
    assert (plan.intent, plan.text) == ("list", "")


@pytest.mark.parametrize(
    ("question", "order", "limit"),
    [
        ("top 5 horror", Order(field="rating"), 5),
        ("the three longest shows", Order(field="episodes"), 3),
        ("newest movies, top 3", Order(field="year"), 3),
        ("which comedy has the most votes", Order(field="votes"), 1),
        ("worst isekai", Order(field="rating", descending=False), 1),
        ("overrated shows", Order(field="underrated", descending=False), None),
        ("what is the most obscure thing in here", Order(field="votes", descending=False), 1),
        ("romance but no ecchi, best rated first", Order(field="rating"), None),
        ("一番古い映画はどれ", Order(field="year", descending=False), 1),
    ],
)
def test_a_superlative_is_an_order(question, order, limit):
    plan = understood(question)

    assert (plan.intent, plan.order, plan.limit) == ("superlative", order, limit)


def test_a_rank_skips_those_before_it():
    plan = understood("third best movie")

    assert (plan.offset, plan.limit) == (2, 1)


@pytest.mark.parametrize(
    ("question", "intent", "field"),
    [
        ("how many episodes does Monster have", "field", "episodes"),
        ("when did Monster end", "field", "end_year"),
        ("what is Monster based on", "field", "source"),
        ("is Monster a film", "field", None),
        ("Monsterは何話", "field", "episodes"),
        ("what is Monster about?", "lookup", None),
        ("anime like Monster", "similar", None),
        ("Monster watch order", "watch_order", None),
        ("all seasons of Monster", "seasons", None),
        ("just finished Monster, what next?", "next", None),
        ("who directed Monster", "unsupported", None),
        ("can I skip Monster fillers", "unsupported", None),
    ],
)
def test_a_question_about_a_show(question, intent, field):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.field, plan.shows) == (intent, field, ("1",))


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("hello there", "help"),
        ("what can I ask you?", "help"),
        ("average rating per decade", "stats"),
        ("which tag do I own most", "stats"),
        ("what's on my watchlist", "my_list"),
        ("what have I not seen yet", "my_list"),
        ("something sad", "recommend"),
        ("what should I watch tonight", "recommend"),
        ("a boy finds a magic sword in a lake", "lookup"),
        ("a sad film about romance and the sea", "lookup"),
    ],
)
def test_an_intent_is_recognised(question, intent):
    assert understood(question).intent == intent


def test_a_show_gives_a_bound():
    plan = understood("everything longer than Monster", show="Monster")

    assert plan.condition == Predicate("episodes", ">", Of("1"))
    assert plan.shows == ()


def test_a_year_is_no_bound_of_a_rating():
    plan = understood("average rating of 2019 shows")

    assert (plan.measure, plan.field, plan.ignored, str(plan.condition)) == ("average", "rating", (), "year=2019")


def test_unrecorded_topics_are_named():
    assert understood("who composed the soundtrack of Monster", show="Monster").missing == ("soundtrack",)


def test_a_light_novel_is_not_something_light():
    without, with_tag = vocabulary(("comedy",)), vocabulary(("comedy", "light novel"))
    assert plan_of(read("light novel anime", (), without, TODAY)).moods == ()
    assert plan_of(read("something light", (), without, TODAY)).moods == ("cheerful",)
    assert plan_of(read("light novel anime", (), with_tag, TODAY)).condition == Predicate("tag", "=", "light novel")


def test_a_topic_that_a_file_records_is_not_missing():
    recorded = vocabulary(TAGS, recorded=["studio"])

    assert plan_of(read("which studio made Monster", [Named(18, 25, ("1",))], recorded, TODAY)).missing == ()


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Who voices the hero?", "voice actor"),
        ("Which studio animated it?", "studio"),
        ("What is the opening theme?", "soundtrack"),
        ("Where can I watch it?", "streaming"),
        ("Is it on Netflix?", "streaming"),
        ("Which episode has the beach?", "episode title"),
        ("does it have fillers", "filler episodes"),
        ("which anime has the longest title", "title length"),
        ("which titles are only one word", "title length"),
        ("anime with a number in the title", "digits and signs in titles"),
        ("which titles contain a number", "digits and signs in titles"),
        ("who is the voice of the cat", "voice actor"),
        ("what did Madhouse make in 2006", "studio"),
        ("what does isekai mean", "meaning of words"),
        ("When will the next season come out?", "upcoming"),
        ("Do you know who directed it?", "director"),
        ("films by Satoshi Kon", "director or studio"),
        ("ghibli films", "studio"),
        ("How tall is he?", "character"),
        ("声優は誰ですか", "voice actor"),
    ],
)
def test_unrecorded_topics_of_a_question_are_recognised(question, topic):
    plan = understood(question)

    assert plan.intent == "unsupported"
    assert topic in plan.missing


@pytest.mark.parametrize(
    "question",
    [
        "a girl finds bones in the forest",
        "a boy who pulls the trigger at sunrise",
        "a stream in the woods and a fox",
        "a studio of animators who make their first show",
        "what did the hero make of the sword",
        "staff at an animation studio struggle to finish a series",
        "a boy is sold off to crawl through chimneys",
        "anime about a voice actor",
        "an actress, who performs for ghosts, at the height of her career",
        "something to watch that is set in space",
        "主人公は誰ですか",
    ],
)
def test_a_word_of_a_plot_is_no_topic(question):
    assert understood(question).missing == ()


@pytest.mark.parametrize(
    ("question", "intent", "conditions", "preferred"),
    [
        ("cyberpunk from the 90s", "list", ["year>=1990", "year<=1999"], ""),
        ("a film from 2006 about a leap through time", "lookup", ["type=movie", "year=2006"], ""),
        ("a leap through time, I think 2006", "lookup", [], "year=2006"),
        ("a film about a leap through time, maybe 2006", "lookup", [], "type=movie and year=2006"),
    ],
)
def test_a_year_binds_unless_it_is_only_remembered(question, intent, conditions, preferred):
    plan = understood(question)

    assert (plan.intent, plan.conditions(), str(plan.preferred)) == (intent, conditions, preferred)


@pytest.mark.parametrize("question", ["was Dawn made before Eve", "did Dawn come out earlier than Eve"])
def test_two_shows_are_compared_by_when_they_aired(question):
    names = [Named(question.index(name), question.index(name) + len(name), (name,)) for name in ("Dawn", "Eve")]
    plan = plan_of(read(question, names, WORDS, TODAY))
    assert (plan.intent, plan.shows, plan.order) == ("compare", ("Dawn", "Eve"), Order(field="year", descending=False))


@pytest.mark.parametrize(
    ("question", "intent", "slots"),
    [
        ("is there a film of Monster", "list", {"franchise": True}),
        ("how many Monster movies are there", "count", {"franchise": True}),
        ("can I skip the Monster movie, what order", "watch_order", {"field": "skip"}),
        ("chronological order of Monster", "watch_order", {"field": "story"}),
        ("prequel to Monster", "next", {"field": "before"}),
        ("is Monster a comedy", "field", {"yes_no": True}),
        ("like Monster but shorter and darker", "similar", {"relative": ("shorter", "darker")}),
    ],
)
def test_questions_about_a_franchise_are_read(question, intent, slots):
    plan = understood(question, show="Monster")

    assert plan.intent == intent
    assert {name: getattr(plan, name) for name in slots} == slots


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("what did I rate above 8", ["my_score>8"]),
        ("shows I scored 10", ["my_score=10"]),
        ("what did I drop after 2 episodes", ["my_progress<=2", "my_status=dropped"]),
        ("unwatched movies", ["type=movie", "my_status=none or my_status=plan_to_watch"]),
        ("finish what I started", ["my_status=watching"]),
        ("which shows did I score lower than everyone else", ["above_rating<0"]),
        ("what do I like more than most people", ["above_rating>0"]),
        ("movies I rated below their rating", ["type=movie", "above_rating<0"]),
        ("where is my score higher than the crowd's", ["above_rating>0"]),
        ("my favourites", []),
        ("where do my ratings differ most from the crowd", []),
    ],
)
def test_conditions_on_the_list_are_read_like_others(question, conditions):
    plan = understood(question)

    assert plan.intent == "my_list"
    assert sorted(plan.conditions()) == sorted(conditions)


@pytest.mark.parametrize(
    ("question", "field", "condition"),
    [
        ("have I seen Monster", None, "my_status=completed"),
        ("how far am I in Monster", "my_progress", ""),
        ("what did I give Monster", "my_score", ""),
        ("what did I rate Monster", "my_score", ""),
        ("what score did I give Monster", "my_score", ""),
    ],
)
def test_questions_about_a_show_in_the_list_are_read(question, field, condition):
    plan = understood(question, show="Monster")

    assert (plan.intent, plan.shows, plan.field, str(plan.condition)) == ("field", ("1",), field, condition)


@pytest.mark.parametrize(
    ("question", "slots"),
    [
        ("give me 3 sad movies", {"limit": 3, "moods": ("sad",)}),
        ("I have two hours, what should I watch", {"minutes": 120}),
        ("something for my kids", {"moods": ("for children",)}),
        ("which sequels am I missing", {"field": "missing"}),
        ("least popular comedy", {"order": Order(field="votes", descending=False)}),
        ("thanks a lot!", {"field": "thanks"}),
        ("no, the 2003 one", {"reference": "other"}),
        ("which of those is the shortest", {"reference": "those"}),
        ("tell me about the second one", {"reference": 2}),
        ("and its sequel?", {"continues": True}),
    ],
)
def test_questions_have_the_expected_slots(question, slots):
    plan = understood(question)

    assert {name: getattr(plan, name) for name in slots} == slots


def test_conditions_in_a_plot_are_only_preferences():
    plan = understood("a girl plays in a horror house with a doll")

    assert (plan.intent, plan.condition) == ("lookup", EVERYTHING)
    assert plan.preferred == Predicate("tag", "=", "horror")


def test_for_a_child_excludes_unsuitable_shows():
    plan = understood("comedies ok for a 9-year-old?")

    assert SUITABLE in plan.condition.parts


def test_words_that_only_look_like_a_condition_are_ignored():
    assert understood("list all hand drawn comedies").ignored == ("hand drawn",)


def test_neither_nor_excludes_both():
    plan = understood("horror or mystery but not both")

    assert [phrase(part) for part in plan.condition.parts] == ["horror or mystery", "not both horror and mystery"]


def test_examples_decide_only_if_no_rule_does():
    unsure = read("a boy at a lake", [], WORDS, TODAY)
    sure = read("top 5 horror", [], WORDS, TODAY)
    clear, unclear = (Likely("recommend", margin, ("surprise me",)) for margin in (0.9, 0.2))
    by_examples, by_rule = plan_of(unsure, clear), plan_of(sure, clear)

    assert (by_examples.intent, by_examples.decided_by, by_examples.overruled) == ("recommend", "examples", "lookup")
    assert plan_of(unsure, unclear).intent == "lookup"
    assert (by_rule.intent, by_rule.decided_by, by_rule.overruled) == ("superlative", "rule", "recommend")


@pytest.mark.parametrize(("question", "intent"), [("air", "lookup"), ("what is this thing", "help")])
def test_a_single_word_is_never_taken_for_small_talk_by_example(question, intent):
    likely = Likely("help", 0.9, ("what can you do", "what is this"))

    assert plan_of(read(question, [], WORDS, TODAY), likely).intent == intent


def tags():
    return st.sampled_from(TAGS).map(lambda tag: Predicate("tag", "=", tag))


def fields():
    numbers = st.sampled_from(["<", "<=", ">", ">="])
    return st.one_of(
        tags(),
        st.sampled_from(["movie", "ova", "tv"]).map(lambda name: Predicate("type", "=", name)),
        st.integers(1960, 2030).map(lambda year: Predicate("year", "=", year)),
        st.builds(Predicate, st.just("episodes"), numbers, st.integers(1, 500)),
        st.builds(Predicate, st.just("votes"), numbers, st.integers(1000, 90_000)),
    )


def subject(part):
    """Return the subject of a part; a question has one condition for each field, and for each tag."""
    inner = part.part if isinstance(part, Not) else part
    return (inner.field, inner.value) if inner.field == "tag" else inner.field


def plans():
    parts = st.lists(st.one_of(fields(), tags().map(Not)), min_size=1, max_size=4, unique_by=subject)
    return st.builds(
        lambda intent, some: Plan(intent=intent, condition=both(*some)), st.sampled_from(["list", "count"]), parts
    )


@settings(max_examples=60)
@given(plans())
def test_a_plan_can_be_read_back_from_its_words(plan):
    again = understood(render(plan))

    assert again.intent == plan.intent
    assert set(again.conditions()) == set(plan.conditions())
    assert (again.text, again.ignored, again.missing) == ("", (), ())


SHOWS = [
    {"tag": set(some), "episodes": episodes, "year": year, "type": kind, "votes": None}
    for some in combinations(TAGS[:5], 2)
    for episodes, year, kind in ((12, 1990, "tv"), (None, 2010, "movie"), (300, None, None))
]


def holds(show):
    def compare(one):
        if one.field == "tag":
            return one.value in show["tag"]
        value = show[one.field]
        if value is None or one.operator == "=":
            return None if value is None else value == one.value
        ways = {"<": value < one.value, ">": value > one.value, "<=": value <= one.value, ">=": value >= one.value}
        return ways[one.operator]

    return compare


def matching(condition):
    verdict = compiled(condition, lambda one: lambda show: holds(show)(one))
    return {number for number, show in enumerate(SHOWS) if verdict(show)}


def expressions():
    def joined(inner):
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.one_of(inner.map(Not), some.map(And), some.map(Or))

    return st.recursive(fields(), joined, max_leaves=5)


@given(expressions(), expressions())
def test_conditions_behave_like_sets(one, other):
    assert matching(both(one, other)) == matching(one) & matching(other)
    assert matching(either(one, other)) == matching(one) | matching(other)
    assert not matching(one) & matching(Not(one))


@given(tags())
def test_a_negated_tag_is_the_complement(tag):
    assert matching(tag) | matching(Not(tag)) == set(range(len(SHOWS)))


def placed_words(reading):
    """Return every meaningful word with its place in the plan: a slot, `text`, `ignored` or `missing`."""
    places = []
    for claim in reading.question.claims:
        if claim.value != "":
            place = "missing" if claim.value == "missing" else "slot"
            place = "ignored" if isinstance(claim.value, Unapplied) else place
            text = reading.question.text[claim.start : claim.end]
            places += [(word, place) for word in re.findall(r"[^\W_]+", text)]
    return places + [(word, "text") for word in leftovers(reading.question, carrying_words(reading.intent))[0]]


@pytest.mark.parametrize(
    "question",
    [
        "recommend me a sad romance movie from 2012 with robots and pirates",
        "list every hand drawn horror show about a haunted lighthouse",
        "best comedies, no ecchi, at least 20 episodes",
        "which pirates sail with talking parrots?",
    ],
)
def test_every_word_ends_in_one_place(question):
    places = [word for word, _ in placed_words(read(question, [], WORDS, TODAY))]
    meaningful = {word for word in re.findall(r"[^\W_]+", question.lower()) if word not in carrying()}

    assert len(places) == len(set(places))
    assert meaningful - {"recommend"} <= set(places)


@pytest.mark.parametrize(
    ("question", "show", "intent", "slots"),
    [
        ("do I have Dawn", "Dawn", "field", {"field": "owned"}),
        ("is Dawn in our library?", "Dawn", "field", {"field": "owned"}),
        ("is Blue Noon in my collection", None, "field", {"field": "owned", "text": "blue noon"}),
        ("do we own Blue Noon already?", None, "field", {"field": "owned", "text": "blue noon"}),
        ("do I own both Dawn and Dawn", "Dawn", "field", {"field": "owned"}),
        ("do I have Dawn §1 and Dawn", "Dawn", "field", {"field": "owned"}),
        ("how long would it take to watch all of Dawn", "Dawn", "field", {"field": "duration", "franchise": True}),
        ("how many hours is Dawn", "Dawn", "field", {"field": "duration", "measure": "sum", "franchise": False}),
        ("how long does Dawn take to finish?", "Dawn", "field", {"field": "duration", "measure": "sum"}),
        ("how many minutes does an episode of Dawn last", "Dawn", "field", {"field": "duration", "measure": ""}),
        ("what else came out the year Dawn did", "Dawn", "list", {"condition": Predicate("year", "=", Of("1"))}),
        ("anything from the year Dawn aired", "Dawn", "list", {"condition": Predicate("year", "=", Of("1"))}),
        ("the year Dawn aired", "Dawn", "field", {"field": "year"}),
        ("does Dawn have any spin-offs", "Dawn", "list", {"field": "side", "franchise": True}),
        ("how many side stories does Dawn have", "Dawn", "count", {"field": "side", "franchise": True}),
        ("something I have not seen like Dawn", "Dawn", "similar", {}),
        ("what should I watch based on what I liked", None, "recommend", {}),
        ("four random movies", None, "recommend", {"limit": 4}),
        ("shows airing right now", None, "list", {"condition": Predicate("status", "=", "airing")}),
        ("what's new in 2024", None, "list", {"condition": Predicate("year", "=", 2024)}),
        ("did I like Dawn", "Dawn", "field", {"field": "my_score"}),
        ("what is left to watch of Dawn", "Dawn", "list", {"franchise": True, "condition": UNWATCHED}),
        ("what did I rate highest", None, "my_list", {"order": Order(field="my_score")}),
        ("my favourite comedy", None, "my_list", {"order": Order(field="my_score")}),
        ("which of my 10s is the oldest", None, "my_list", {"condition": Predicate("my_score", "=", 10)}),
        ("what's my average score", None, "stats", {"measure": "average", "field": "my_score"}),
        ("what genre do I rate best", None, "stats", {"group": "genre", "field": "my_score"}),
        ("how many episodes have I watched in total", None, "stats", {"field": "my_progress", "condition": EVERYTHING}),
        ("how much time have I spent watching anime", None, "stats", {"field": "my_time", "condition": EVERYTHING}),
        ("how many hours are left in my backlog", None, "stats", {"field": "duration", "condition": UNWATCHED}),
        ("what share of my collection have I watched", None, "stats", {"measure": "share", "condition": WATCHED}),
        ("which tag is most common among my dropped shows", None, "stats", {"condition": DROPPED}),
        ("dropped shows that others love", None, "my_list", {"order": Order(field="rating"), "condition": DROPPED}),
        ("is there a §3 of Dawn", "Dawn", "seasons", {"number": 3, "yes_no": True}),
        ("do I have the §2 of Dawn", "Dawn", "seasons", {"number": 2}),
        ("is Dawn worth watching", "Dawn", "field", {"field": "rating"}),
        ("is Dawn on my list", "Dawn", "field", {"field": "my_status"}),
        ("how many different genres are there", None, "stats", {"measure": "distinct", "group": "genre"}),
        ("highest rated of each decade", None, "superlative", {"group": "decade"}),
        (
            "which of my shows are older than 1990",
            None,
            "list",
            {"condition": Predicate("year", "<=", 1989), "order": None},
        ),
        ("anime with an average score below 6", None, "list", {"condition": Predicate("rating", "<", 6)}),
        ("what share is rated above 8", None, "stats", {"measure": "share", "condition": Predicate("rating", ">", 8)}),
        (
            "which genre do I have least of",
            None,
            "stats",
            {"group": "genre", "order": Order(field="votes", descending=False)},
        ),
        ("median rating of films vs OVAs", None, "stats", {"measure": "median", "group": "each"}),
        ("the longest under 8.0", None, "superlative", {"condition": Predicate("rating", "<", 8)}),
        ("films longer than 2 hours", None, "list", {}),
        ("I only have 20 minutes", None, "recommend", {"minutes": 20}),
        ("what has subtitles in german", None, "unsupported", {"missing": ("dub",)}),
        (
            "anything like Dawn but with less romance",
            "Dawn",
            "similar",
            {"condition": Not(Predicate("tag", "=", "romance"))},
        ),
        ("what percent is romance", None, "stats", {"measure": "share", "condition": Predicate("tag", "=", "romance")}),
        ("compare mecha and comedy", None, "stats", {"measure": "count", "group": "each"}),
        ("shows I can finish in a weekend", None, "recommend", {"minutes": 960}),
        ("the best comedy for a date", None, "recommend", {"order": None}),
        ("a good first anime for my sister", None, "recommend", {"moods": ("newcomer",)}),
        ("anything under an hour that we can watch right now", None, "recommend", {"minutes": 60}),
        ("which years do I have nothing from", None, "stats", {"measure": "absent", "group": "year"}),
        (
            "in which decades is there no horror",
            None,
            "stats",
            {"measure": "absent", "group": "decade", "condition": Predicate("tag", "=", "horror")},
        ),
        ("which tags go with horror", None, "stats", {"measure": "count", "group": "tag"}),
        ("votes per decade", None, "stats", {"measure": "average", "group": "decade", "field": "votes"}),
        ("pick a random comedy", None, "recommend", {"limit": 1, "moods": ("picked at random",)}),
        ("surprise me", None, "recommend", {"limit": None, "moods": ("picked at random",)}),
        ("what should I finish first", None, "next", {"field": "my_started"}),
        ("which show am I closest to finishing", None, "next", {"field": "my_started"}),
        ("sequels of shows I finished that I have not seen", None, "next", {"field": "my_following"}),
        ("what is next in my franchises", None, "next", {"field": "my_following"}),
        ("which of my shows have a §2 I do not own", None, "seasons", {"field": "missing"}),
        ("how many seasons does dawnlight have", None, "seasons", {"text": "dawnlight"}),
        ("is there a sequel to dawnlight", None, "next", {"text": "dawnlight"}),
        ("when did I finish Dawn", "Dawn", "unsupported", {"missing": ("when you watched",)}),
        ("what was I watching in 2012", None, "unsupported", {"missing": ("when you watched",)}),
        ("anime with episodes shorter than 15 minutes", None, "list", {"condition": Predicate("duration", "<", 15)}),
        ("shows under 12 minutes per episode", None, "list", {"condition": Predicate("duration", "<", 12), "text": ""}),
        ("which shows share the most tags with Dawn", "Dawn", "similar", {}),
        ("what did people think of Dawn", "Dawn", "field", {"field": "rating"}),
        ("how was Dawn received", "Dawn", "field", {"field": "rating"}),
        ("how many hours did I spend on Dawn", "Dawn", "field", {"measure": "sum", "field": "duration"}),
        ("how many Dawn entries are there", "Dawn", "count", {"franchise": True}),
        ("which show did the most people rate", None, "superlative", {"order": Order(field="votes"), "limit": 1}),
        ("top 5 genres", None, "stats", {"measure": "count", "group": "genre", "limit": 5}),
        ("what are my top three decades", None, "stats", {"measure": "count", "group": "decade", "limit": 3}),
        ("which anime has the most sequels", None, "stats", {"measure": "count", "group": "franchise"}),
        ("which seasons of the year have the most shows", None, "stats", {"group": "time of year"}),
        ("are older shows rated higher", None, "stats", {"measure": "average", "group": "decade", "ignored": ()}),
        ("do I prefer older or newer shows", None, "stats", {"group": "decade", "field": "my_score"}),
        ("my most watched genre", None, "stats", {"measure": "count", "group": "genre", "condition": WATCHED}),
        ("how does my average compare to the public rating", None, "stats", {"field": "my_score"}),
        ("how long to binge everything from 2011", None, "stats", {"field": "duration", "ignored": ()}),
        ("rank my favourites", None, "my_list", {"order": Order(field="my_score"), "text": ""}),
        ("year with most shows", None, "stats", {"group": "year", "measure": "count"}),
        ("isekai by year", None, "stats", {"group": "year", "condition": Predicate("tag", "=", "isekai")}),
        ("shows by month", None, "stats", {"group": "month", "measure": "count"}),
        ("films by rating", None, "superlative", {"order": Order(field="rating")}),
        ("compare 80s and 90s ratings", None, "stats", {"group": "each", "measure": "average", "ignored": ()}),
        ("how does 2011 compare to 2012", None, "stats", {"group": "each", "field": "rating", "ignored": ()}),
        ("the 80s vs the 90s", None, "stats", {"group": "each", "measure": "average", "ignored": ()}),
        (
            "what about 2011 or 2012",
            None,
            "list",
            {"condition": Or((Predicate("year", "=", 2011), Predicate("year", "=", 2012)))},
        ),
        ("underrated gems", None, "superlative", {"order": Order(field="underrated"), "text": ""}),
        ("are films better rated than OVAs", None, "stats", {"group": "each", "field": "rating", "ignored": ()}),
        ("high ratings but few votes", None, "superlative", {"order": Order(field="underrated")}),
        ("I loved Dawn, what next", "Dawn", "similar", {}),
        ("I finished Dawn, what next", "Dawn", "next", {}),
        ("is Dawn a sequel", "Dawn", "next", {"field": "before"}),
        ("how big is my collection", None, "count", {"condition": EVERYTHING, "missing": ()}),
        (
            "which ovas are rated best",
            None,
            "superlative",
            {"order": Order(field="rating"), "condition": Predicate("type", "=", "ova"), "text": ""},
        ),
        ("eps in Dawn", "Dawn", "field", {"field": "episodes"}),
        ("a cross between Dawn and Comet", "Dawn", "similar", {}),
        ("what is the first gundam", None, "superlative", {"order": OLDEST_FIRST, "text": "gundam"}),
        ("which gundam came out first", None, "superlative", {"order": OLDEST_FIRST, "text": "gundam"}),
        ("how many people have seen Dawn", "Dawn", "field", {"field": "votes"}),
        ("how many episodes are there in my library", None, "stats", {"measure": "sum", "field": "episodes"}),
        ("is there more Dawn", "Dawn", "next", {}),
        ("worst rated sequel", None, "superlative", {"condition": Predicate("relation", "=", "sequel"), "text": ""}),
        ("hidden gems with few votes", None, "superlative", {"order": Order(field="underrated"), "text": ""}),
        ("most popular genre in my collection", None, "stats", {"measure": "count", "group": "genre"}),
        ("which source has the best ratings", None, "stats", {"measure": "average", "group": "source"}),
        (
            "are sequels rated higher than originals",
            None,
            "stats",
            {"condition": Or((SEQUELS, Not(SEQUELS))), "group": "each"},
        ),
        (
            "do sequels score better than first seasons",
            None,
            "stats",
            {"condition": Or((SEQUELS, Not(SEQUELS))), "group": "each"},
        ),
        ("two people swapping bodies", None, "lookup", {"condition": EVERYTHING}),
        ("100 people trapped in a death game", None, "lookup", {"condition": EVERYTHING}),
        ("list sequels rated higher than the first season", None, "list", {"condition": SEQUELS}),
        ("rated by exactly 10 people", None, "list", {"condition": Predicate("votes", "=", 10)}),
        ("how many sequels do I own", None, "count", {"condition": Predicate("relation", "=", "sequel"), "text": ""}),
        ("films from the same year as Dawn", "Dawn", "list", {"text": "", "ignored": ()}),
        (
            "which completed show did I score highest",
            None,
            "my_list",
            {"order": Order(field="my_score"), "condition": WATCHED},
        ),
        ("completed films", None, "my_list", {"condition": And((Predicate("type", "=", "movie"), WATCHED))}),
        ("how many episodes have I watched", None, "stats", {"measure": "sum", "field": "my_progress"}),
        (
            "what am I watching right now",
            None,
            "my_list",
            {"text": "", "condition": Predicate("my_status", "=", "watching")},
        ),
        ("my 9/10 shows", None, "my_list", {"condition": Predicate("my_score", "=", 9)}),
        (
            "shows I dropped but rated above 6",
            None,
            "my_list",
            {"condition": And((Predicate("my_score", ">", 6), Predicate("my_status", "=", "dropped")))},
        ),
        (
            "what should I watch next from my list",
            None,
            "recommend",
            {"condition": Predicate("my_status", "=", "plan_to_watch")},
        ),
        ("my favourite genre", None, "stats", {"group": "genre", "field": "my_score", "measure": "average"}),
        ("what's my favourite decade", None, "stats", {"group": "decade", "field": "my_score"}),
        ("which decade do I watch most", None, "stats", {"group": "decade", "condition": WATCHED}),
        ("what do I watch most", None, "stats", {"group": "genre", "measure": "count", "condition": WATCHED}),
        ("do I like comedy", None, "stats", {"field": "my_score", "condition": Predicate("tag", "=", "comedy")}),
        ("my scores vs the ratings", None, "stats", {"measure": "average", "field": "my_score"}),
        ("which franchises have I completed", None, "next", {"field": "my_franchises"}),
        (
            "completed shows that I rated 4",
            None,
            "my_list",
            {"condition": And((Predicate("my_score", "=", 4), WATCHED))},
        ),
        ("unfinished shows I started", None, "my_list", {"condition": BEGUN}),
        ("what's next on my list", None, "my_list", {"condition": Predicate("my_status", "=", "plan_to_watch")}),
        ("comedies in order of rating", None, "superlative", {"order": Order(field="rating")}),
        ("list horror by year", None, "superlative", {"order": Order(field="year"), "limit": None}),
        ("three short comedies to start with", None, "recommend", {"limit": 3, "moods": ("newcomer",)}),
        ("one good mystery please", None, "recommend", {"limit": 1}),
        ("a short anime for the train", None, "recommend", {"text": ""}),
        ("something for someone who hates anime", None, "recommend", {"moods": ("newcomer",)}),
        ("do I have every part of dawnlight", None, "seasons", {"text": "dawnlight"}),
        ("what is the difference between an OVA and an ONA", None, "unsupported", {"missing": ("meaning of words",)}),
        ("how many have no episodes count", None, "count", {"condition": Predicate("episodes", "unknown")}),
        ("adult content", None, "list", {"condition": Predicate("restricted", "=", True)}),
        ("shows whose titles contain the word sword", None, "list", {"condition": Predicate("title", "=", "sword")}),
        (
            "anime with cats in the title",
            None,
            "list",
            {"condition": Or((Predicate("title", "=", "cats"), Predicate("title", "=", "cat")))},
        ),
        (
            "shows from this season",
            None,
            "list",
            {"condition": And((Predicate("season", "=", "fall"), Predicate("year", "=", 2026)))},
        ),
        (
            "what aired last season",
            None,
            "list",
            {"condition": And((Predicate("season", "=", "summer"), Predicate("year", "=", 2026)))},
        ),
    ],
)
def test_everyday_questions_have_the_expected_intent(question, show, intent, slots):
    plan = understood(question, show=show)

    assert plan.intent == intent
    assert {name: getattr(plan, name) for name in slots} == slots


@pytest.mark.parametrize(
    "question", ["do I have any mystery", "do I have something sad", "is there anything in my library with gore"]
)
def test_a_described_show_is_no_title(question):
    assert understood(question).field != "owned"


def test_a_plot_that_starts_with_something_is_no_title():
    assert understood("a story that starts with a murder").conditions() == []


@pytest.mark.parametrize(
    ("question", "intent", "slots"),
    [
        ("and when did it air", "field", {"field": "year", "reference": "it"}),
        ("what's it about", "lookup", {"reference": "it"}),
        ("ok, tell me more", "lookup", {"reference": "it"}),
        ("what should I watch after that", "next", {"reference": "it"}),
        ("something similar but lighter", "similar", {"reference": "it", "relative": ("lighter",)}),
        ("how many seasons does it have", "seasons", {"reference": "it"}),
        ("do I need the movies", "watch_order", {"field": "needed"}),
        ("anything newer?", "recommend", {"reference": "those", "relative": ("newer",)}),
        ("is it okay for a 9 year old", "field", {"reference": "it", "condition": SUITABLE}),
        ("What is the second one about?", "lookup", {"reference": 2}),
        ("and how long is the third one?", "field", {"reference": 3, "field": "episodes"}),
        ("is the first one a film?", "field", {"reference": 1, "condition": Predicate("type", "=", "movie")}),
        ("the last one sounds good, tell me more", "lookup", {"reference": -1}),
        ("which lasted longer", "compare", {"reference": "those", "order": Order(field="episodes")}),
        ("sort by year", "superlative", {"reference": "those"}),
        ("list them by rating", "superlative", {"reference": "those", "order": Order(field="rating")}),
    ],
)
def test_a_follow_up_is_marked_as_one(question, intent, slots):
    plan = understood(question)

    assert plan.intent == intent
    assert {name: getattr(plan, name) for name in slots} == slots
