"""Which shows a question means by words that may name them."""

import pytest

from animerag.discovery.franchises import Franchises
from animerag.models.shows import Show
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.lexicon import vocabulary
from animerag.query.titles import AliasIndex
from animerag.retrieval.snapshots import CatalogueSnapshot
from animerag.retrieval.understanding import understand
from animerag.retrieval.word_coverage import WordStatistics
from tests.discovery.shows import related, snapshot

SHOWS = [
    Show(id="orange", title="Orange", type="tv", episodes=13),
    Show(
        id="saw",
        title="Chainsaw Man",
        titles=("Chainsaw Man", "CSM"),
        type="tv",
        episodes=12,
        relations=(related("Side Story", "ova"),),
    ),
    Show(id="ova", title="Teeth of Steel", type="ova", episodes=1),
    Show(
        id="dungeon",
        title="DanMachi",
        titles=("Is It Wrong to Try to Pick Up Girls in a Dungeon?",),
        type="tv",
        votes=9,
        relations=(related("Sequel", "dungeon2"),),
    ),
    Show(
        id="dungeon2", title="DanMachi II", titles=("Is It Wrong to Try to Pick Up Girls in a Dungeon? II",), type="tv"
    ),
    Show(id="nhk", title="NHK ni Youkoso!", titles=("Welcome to the N.H.K.", "Welcome to the NHK"), type="tv"),
    Show(id="inn", title="The Girls of an Inn That Was in a Town Before", type="tv"),
]
CATALOGUE = snapshot(SHOWS)


def ask(question):
    return understand(question, CATALOGUE.aliases.match(question), CATALOGUE)


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("a girl with orange hair fights demons", ()),
        ("the one with the orange cat and a witch", ()),
        ("what is orange about", ("orange",)),
        ("an anime called orange", ("orange",)),
        ("a girl in Orange writes letters", ("orange",)),  # a capital makes it a name
        ("is it wrong to pick up girls in a dungeon", ("dungeon", "dungeon2")),
        ("pick up dungeon girls", ()),  # not in the order of the title
        ("girls in a town before a murder", ()),
        ("welcome to nhk plot", ("nhk",)),
        ("csm ova", ("ova", "saw")),
        ("when did welcome end", ("nhk",)),
    ],
)
def test_words_name_a_show_where_they_are_meant_as_its_title(question, lead):
    assert ask(question).lead == lead


def test_a_film_that_is_not_there_is_not_replaced_by_the_series():
    reading = ask("CSM movie")

    assert reading.missing == "Your catalogue has Chainsaw Man, but no film of it."
    assert reading.lead == ("saw",)


def test_the_best_match_of_a_franchise_counts_as_named_without_its_exact_title():
    assert next(match.title for match in ask("csm ova").matches if match.named) == "Teeth of Steel"


WHOLE = [
    Show(id="kaguya1", title="Kaguya-sama: Love is War", titles=("Kaguya-sama: Love is War",), votes=90),
    Show(id="princess", title="Kaguya-hime no Monogatari", votes=20),
    Show(id="eva", title="Shinseiki Evangelion", titles=("Evangelion (1995)", "新世紀エヴァンゲリオン"), votes=9),
    Show(id="evade", title="Evade", votes=0),
    Show(id="wrong", title="DanMachi", titles=("Is It Wrong to Try to Pick Up Girls?",), votes=5),
    Show(id="gintama", title="Gintama", votes=50),
    Show(id="gintama2", title="Gintama'", votes=5),
    Show(id="wolf", title="Ookami", titles=("Spice and Wolf",), votes=5),
    Show(id="fate", title="Fate/stay night: Unlimited Blade Works", votes=5),
    Show(id="girls", title="The Girls of the Inn", description="girls of the inn", votes=1),
    Show(id="girls2", title="The Girls of Town", description="girls of the inn of town", votes=1),
    Show(id="ghoul", title="Tokyo Ghoul", votes=5),
]
OF_WHOLE = CatalogueSnapshot(
    revision=1,
    aliases=AliasIndex(WHOLE),
    table=FieldsInMemory(WHOLE),
    franchises=Franchises(WHOLE),
    vocabulary=vocabulary(("isekai",)),
    statistics=WordStatistics(WHOLE),
)


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("kaguya", ("kaguya1", "princess")),
        ("eva", ("eva", "evade")),
        ("is it wrong", ("wrong",)),
        ("what is evangelion about", ("eva",)),
        ("Gintama'", ("gintama2", "gintama")),
        ("gintama", ("gintama", "gintama2")),
        ("spice & wolf", ("wolf",)),
        ("spice and wolf", ("wolf",)),
        ("ubw", ("fate",)),
        ("tokyo goul", ("ghoul",)),
        ("the girls of", ()),
        ("girls", ()),
        ("a girl of the inn fights ghosts", ()),
        ("isekai", ()),
    ],
)
def test_a_question_that_is_part_of_a_title_names_it(question, lead):
    assert understand(question, OF_WHOLE.aliases.match(question), OF_WHOLE).lead[:2] == lead


@pytest.mark.parametrize(
    ("question", "intent", "shows"),
    [
        ("yuri anime", "list", ()),
        ("yuri", "list", ()),
        ("what is yuri on ice about", "lookup", ("ice",)),
        ("is Yuri on Ice good", "field", ("ice",)),
    ],
)
def test_a_genre_that_begins_a_title_is_a_genre(question, intent, shows):
    skaters = [
        Show(id="ice", title="Yuri!!! on Ice", type="tv", votes=900),
        Show(id="bloom", title="Bloom", tags=("girls love",), type="tv"),
    ]
    catalogue = snapshot(skaters)
    plan = understand(question, catalogue.aliases.match(question), catalogue).plan

    assert (plan.intent, plan.shows) == (intent, shows)


@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("is monster good", "field"),
        ("is monster any good", "field"),
        ("is monster worth watching", "field"),
        ("monster worth it", "field"),
        ("should i watch monster", "lookup"),
    ],
)
def test_whoever_asks_whether_something_is_good_names_it(question, intent):
    catalogue = snapshot([Show(id="monster", title="Monster", votes=900), Show(id="hunt", title="Monster Hunt")])
    plan = understand(question, catalogue.aliases.match(question), catalogue).plan

    assert (plan.intent, plan.shows) == (intent, ("monster",))
