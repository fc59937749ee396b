"""Which words a question uses as a title."""

import pytest

from animerag.query.asked_titles import asked_title


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is Monster about?", "Monster"),
        ("tell me more about Planetes", "Planetes"),
        ("plot of Ghost Stories (2000)", "Ghost Stories"),
        ("Do you have Naruto?", "Naruto"),
        ("do i have one piece film stampede", "one piece film stampede"),
        ("Is Elfen Lied suitable for children?", "Elfen Lied"),
        ("Who are the villains in Hellsing", "Hellsing"),
        ("Is there an anime called “Nana”?", "Nana"),
        ("Summarise spirited away", "spirited away"),
        ("when did Trigun air", "Trigun"),
        ("rating of Samurai Champloo?", "Samurai Champloo"),
        ("bleach movies", "bleach"),
        ("shows like trigun but newer", "trigun"),
        ("which is more popular, Death Note or Monster", "Death Note"),
        ("compare Hellsing, Trigun and Monster", "Hellsing"),
        ("how many episodes does naruto have?", "naruto"),
        ("how many people have watched death note", "death note"),
        ("how many viewers rated bleach", "bleach"),
        ("anime like your name", "your name"),  # its words say nothing elsewhere
    ],
)
def test_a_question_about_one_title_names_it(question, title):
    assert asked_title(question) == title


@pytest.mark.parametrize(
    "question",
    [
        "What happens in a show about robots?",
        "summarize the one with the robots",
        "a notebook that kills whoever is named in it",
        "What is it about?",
        "a headless rider looks for her head in Tokyo",
        "two brothers who lose everything travel through Amestris to find a stone that heals",
        "describe the boy who sees how long people live",
        "a robot that looks like a dog",
        "a girl who fights with a sword movie",
        "something like that one",
        "Two boys grow up in a perfect city. There were bees in it. I think eleven episodes.",
    ],
)
def test_a_description_is_no_title(question):
    assert asked_title(question) is None
