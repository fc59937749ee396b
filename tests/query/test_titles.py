"""Which shows a question names."""

import pytest

from animerag.models.shows import Show
from animerag.query.title_spellings import folded
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
        ("Clannadのような話", ["7"]),
        ("Monsterは何話", ["19"]),
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
def test_a_name_counts_if_the_question_writes_it_as_one(question, ids):
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
        ("tell me about the snafu romantic comedy", []),  # not in a row, as the title has it
        ("「銀の匙」はどんな話ですか？", ["2"]),
        ("What is Silver Spoon about?", ["2"]),
        ("What is Space Pirate about?", []),  # six shows share it
        ("What is Pirate Spoon about?", []),  # no title has both
        ("What is blue about?", []),  # an ordinary word
        ("a snafu at work leads to romance", []),  # not used as a title
    ],
)
def test_a_rare_part_of_a_title_names_its_shows_where_a_title_is_meant(question, ids):
    assert [match.id for match in PARTS.match(question) if match.named] == ids


def test_an_empty_catalogue_names_nothing():
    assert AliasIndex([]).match("What is Monster about?") == []


PARTS_OF_TITLES = AliasIndex(
    [
        Show(id="jojo4", title="JoJo no Kimyou na Bouken Part 4: Diamond", titles=("JoJo's Bizarre Adventure Part 4",)),
        Show(id="jojo5", title="JoJo no Kimyou na Bouken Part 5: Ougon no Kaze"),
        Show(id="jjk1", title="Jujutsu Kaisen", titles=("Jujutsu Kaisen", "JJK")),
        Show(id="jjk2", title="Jujutsu Kaisen 2nd Season", titles=("Jujutsu Kaisen 2nd Season", "JJK")),
        Show(id="voice", title="Koe no Katachi", titles=("Koe no Katachi", "A Silent Voice")),
        Show(id="dress", title="Sono Bisque Doll", titles=("Sono Bisque Doll", "My Dress-Up Darling")),
        Show(id="nhk", title="NHK ni Youkoso!", description="A silent voice at the gate of the dungeon."),
        Show(
            id="dungeon", title="Is It Wrong to Try to Pick Up Girls in a Dungeon, My Lord and Master of the Old Tower?"
        ),
        Show(
            id="gate",
            title="Gate: Jieitai Kanochi nite",
            description="A silent voice is all that it gives, and a gate.",
        ),
        *(Show(id=f"hero{n}", title=f"Boku no Hero Academia Season {n}") for n in range(1, 7)),
        Show(id="lord1", title="Overlord", votes=9),
        Show(id="lord2", title="Overlord II"),
        Show(id="geass1", title="Code Geass: Lelouch of the Rebellion", votes=9),
        Show(id="geass2", title="Code Geass: Lelouch of the Rebellion R2", titles=("Code Geass Season 2",)),
        Show(id="sins", title="Nanatsu no Taizai", titles=("Nanatsu no Taizai", "The Seven Deadly Sins")),
        Show(id="kaguya", title="Kaguya-sama", titles=("Kaguya-sama: Love is War",)),
        Show(id="ghost", title="Ghost", description="A ghost in love, at war."),
        Show(id="house", title="House", description="A ghost, in love with war."),
    ]
)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("jojo part 4", "jojo4"),
        ("what is jojo part 5 about", "jojo5"),
        ("jjk 2", "jjk2"),
        ("JJK2", "jjk2"),
        ("JJK3", "jjk1"),  # there is none
        ("bnha 3", "hero3"),
        ("overlord2", "lord2"),
        ("overlord 2", "lord2"),
        ("jojo 4", "jojo4"),
        ("jojo5", "jojo5"),
        ("code geass r2", "geass2"),
        ("what is code geass about", "geass1"),
        ("7 deadly sins", "sins"),
        ("the 7 deadly sins", "sins"),
        ("love is war", "kaguya"),
        ("a soldier and a nurse whose love is war", None),
        ("ghost", "ghost"),
        ("show me a ghost anime", None),
        ("bnha", "hero1"),
        ("silent voice", "voice"),
        ("dressup darling", "dress"),
        ("nhk anime", "nhk"),
        ("hi", None),
        ("and the second season?", None),
        ("is it wrong to try to pick up girls", "dungeon"),
        ("is it wrong to try to pick up girls in a dungeon", "dungeon"),
        ("When did Gate start airing?", "gate"),
        ("a silent voice speaks to a boy through a gate", None),
        ("she tried to pick up girls", None),
        ("he is told to try to pick flowers in 2 gardens", None),
    ],
)
def test_a_title_is_found_by_its_beginning_by_its_number_and_by_a_rare_part(question, first):
    matches = [match.id for match in PARTS_OF_TITLES.match(question) if match.named]
    assert (matches[0] if matches else None) == first


def test_a_title_part_of_one_word_is_one_phrase():
    assert [match.phrase for match in PARTS_OF_TITLES.match("nhk anime")] == ["nhk"]


def test_stop_words_name_a_show_only_without_other_words_or_with_a_capital():
    titles = AliasIndex([Show(id="1", title="Another"), Show(id="2", title="IS")])
    named_of = {
        question: [match.id for match in titles.match(question) if match.named]
        for question in ("another", "is that Another?", "she is just another one")
    }
    assert named_of == {"another": ["1"], "is that Another?": ["1"], "she is just another one": []}


@pytest.mark.parametrize(
    ("text", "marked"), [("2nd cour", "§2"), ("cour 2", "§2"), ("2 season", "§2"), ("2-cour shows", "2-cour shows")]
)
def test_a_number_of_cours_is_no_season(text, marked):
    assert folded(text).strip() == marked


def test_right_now_is_no_title():
    index = AliasIndex([Show(id="right", title="Right?", votes=1)])
    assert [match.id for match in index.match("right?") if match.named] == ["right"]
    assert not [match for match in index.match("what am I watching right now") if match.named]
