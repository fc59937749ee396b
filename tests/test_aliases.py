"""Which shows a question names."""

import pytest

from animerag.aliases import AliasIndex
from animerag.models import Show

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
    ],
)
def test_a_name_counts_where_the_question_writes_it_as_one(question, ids):
    assert named(question) == ids


def test_a_shared_name_gives_every_show_and_the_stated_year_first():
    assert named("Is Berserk from 2016 any good?") == ["34", "33"]
    assert named("Is Berserk any good?") == ["33", "34"]


def test_an_empty_catalogue_names_nothing():
    assert AliasIndex([]).match("What is Monster about?") == []
