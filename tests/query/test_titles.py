"""Which shows a question names."""

import pytest

from animerag.models import Show
from animerag.query.titles import AliasIndex

CATALOGUE = [
    Show(id="19", title="Monster", titles=("Monster", "モンスター"), description="A surgeon saves a monster of a boy."),
    Show(id="11", title="Another", titles=("Another",), description="Another student sees a monster."),
    Show(id="33", title="Berserk", titles=("Berserk",), year=1997),
    Show(id="34", title="Berserk", titles=("Berserk",), year=2016),
    Show(id="16", title="Shingeki no Kyojin", titles=("Shingeki no Kyojin", "Attack on Titan", "AoT", "進撃の巨人")),
    Show(id="25", title="Shingeki no Kyojin Season 2", titles=("Attack on Titan Season 2",)),
    Show(id="38", title="Kimetsu no Yaiba", titles=("Demon Slayer: Kimetsu no Yaiba",)),
    Show(id="14", title="K", titles=("K",)),
    Show(id="7", title="Clannad", titles=("Clannad",), description="I would like to see it again."),
]
INDEX = AliasIndex(CATALOGUE)


def named(question):
    return [match.id for match in INDEX.match(question) if match.named]


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("What is Monster about?", ["19"]),
        ("モンスターの話は？", ["19"]),
        ("what's aot about", ["16"]),
        ("Tell me about attack on titan season 2", ["25"]),
        ("進撃の巨人は何話？", ["16"]),
        ("How does Demon Slayer start?", ["38"]),
        ("Tell me about K", ["14"]),
        ("Is Another scary?", ["11"]),
        ("Another show like AoT?", ["16"]),
        ('something like "another"', ["11"]),
        ("alias:aot", ["16"]),
        ("Are there any monster hunting shows similar to Clannad?", ["7"]),
        ("a quiet show about nature", []),
        ("who are the main characters in monster", ["19"]),
        ("a girl meets another monster", []),
        ("Is attack on titan season two any good?", ["25"]),
        ("He fights. Another boy sees it. Monster of a town", []),
        ("A girl with a sword, not Clannad and not the one with a monster in school", []),
        ("Is it not Clannad?", ["7"]),
    ],
)
def test_a_name_counts_where_the_question_writes_it_as_one(question, ids):
    assert named(question) == ids


def test_a_shared_name_gives_every_show_and_the_stated_year_first():
    assert named("Is Berserk from 2016 any good?") == ["34", "33"]
    assert named("Is Berserk any good?") == ["33", "34"]


PARTS = AliasIndex(
    [
        Show(id="1", title="Yahari Ore no", titles=("Yahari Ore no", "My Teen Romantic Comedy SNAFU")),
        Show(id="2", title="Gin no Saji", titles=("銀の匙 Silver Spoon",)),
        *(Show(id=f"s{n}", title=f"Space Pirate {n}", description="The pirate sails.") for n in range(6)),
        Show(id="3", title="Blue Garden", description="A garden and a blue door."),
        Show(id="4", title="Blue House", description="A house with a garden and a blue door."),
    ]
)


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("What is SNAFU about?", ["1"]),
        ("tell me about the romantic comedy snafu", []),  # not in a row, as the title has it
        ("「銀の匙」はどんな話ですか？", ["2"]),
        ("What is Silver Spoon about?", ["2"]),
        ("What is Space Pirate about?", []),  # six shows share it
        ("What is Pirate Spoon about?", []),  # no title has both
        ("What is blue about?", []),  # a word as any other
        ("a snafu at work leads to romance", []),  # nobody uses it as a title
    ],
)
def test_words_of_a_title_that_few_shows_have_name_them_where_a_title_is_meant(question, ids):
    assert [match.id for match in PARTS.match(question) if match.named] == ids


def test_an_empty_catalogue_names_nothing():
    assert AliasIndex([]).match("What is Monster about?") == []
