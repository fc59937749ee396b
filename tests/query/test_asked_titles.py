"""Which questions no catalogue record can answer, and which words a question uses as a title."""

import pytest

from animerag.query.asked_titles import asked_title, asks_for_what_is_not_kept


@pytest.mark.parametrize(
    "question",
    [
        "Who voices the hero?",
        "Which studio animated it?",
        "What is the opening theme?",
        "Where can I watch it?",
        "Is it on Netflix?",
        "How much did it cost?",
        "Which episode has the beach?",
        "When will the next season come out?",
        "It is good, but who sings in it?",
        "Do you know who directed it?",
        "Can I watch in Germany?",
        "What is the height of the hero?",
        "Price of the box?",
        "How tall is he?",
        "声優は誰ですか",
    ],
)
def test_what_no_record_holds_is_known(question):
    assert asks_for_what_is_not_kept(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is it about?",
        "Who is the hero?",
        "How many episodes are there?",
        "a girl who sings in the opening of a shop",
        "a studio of animators who make their first show",
        "a boy who plays the violin",
        "an actress, who performs for ghosts, at the height of her career",
        "somebody who learns the price of immortality and the weight of his past",
        "a pilot who finds out how much money revenge takes",
        "something to watch that is set in space",
        "What shows have a time travel theme?",
        "主人公は誰ですか",
    ],
)
def test_what_a_record_may_hold_is_asked_for(question):
    assert not asks_for_what_is_not_kept(question)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is Monster about?", "Monster"),
        ("tell me more about Planetes", "Planetes"),
        ("plot of Ghost Stories (2000)", "Ghost Stories"),
        ("Do you have Naruto?", "Naruto"),
        ("Who are the villains in Hellsing", "Hellsing"),
        ("Is there an anime called “Nana”?", "Nana"),
        ("Summarise spirited away", "spirited away"),
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
        "two brothers who lose everything travel through Amestris to find a stone that heals",
        "describe the boy who sees how long people live",
    ],
)
def test_a_description_is_no_title(question):
    assert asked_title(question) is None
