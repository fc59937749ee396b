"""Cleaning, sentences and hashes."""

import pytest

from animerag.models.shows import Show
from animerag.text.cleaning import clean, normalise, plot, sentences, stands_by_itself, story
from animerag.text.documents import Document, content_hash, text_hash


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("[i]He[/i] runs.", "He runs."),
        ("http://anidb.net/ch131160 [Ryza] is ordinary.", "Ryza is ordinary."),
        ("It ends.\n\n[Written by MAL Rewrite]", "It ends."),
        ("It ends.\n(Source: ANN)", "It ends."),
        ("It ends.\nSource: ANN\nNote: early screening.", "It ends."),
        ("A<br />B", "A B"),
        ("<i>the move</i>ment &quot;X&quot; &amp;quot;Y&amp;quot; &lt;b&gt;Z&lt;/b&gt;", 'the movement "X" "Y" Z'),
        ("before<script>alert(1)</script><img src=x onerror=alert(2)> after", "before after"),
        ("Tom &amp; Jerry &mdash; it&#039;s R&D", "Tom & Jerry — it's R&D"),
        ("plays &lt;Infinite Dendrogram&gt;<br>daily", "plays <Infinite Dendrogram> daily"),
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
    ],
)
def test_markup_and_credits_go_and_sentences_stay(raw, cleaned):
    assert clean(raw) == cleaned


def test_sentences_are_verbatim_pieces_of_the_text():
    text = 'He said "Stop!" and left. Did she follow? Yes.\n彼は走る。彼女は待つ。'
    found = sentences(text)
    assert found == ['He said "Stop!" and left.', "Did she follow?", "Yes.", "彼は走る。", "彼女は待つ。"]
    assert all(sentence in text for sentence in found)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Welcome to CITY. A girl seeks work. (Source: Kodansha", ["A girl seeks work."]),
        ("Note: streamed a week early. A girl seeks work.", ["A girl seeks work."]),
        ("He runs. Premiered in cinemas on May 3. It was bundled with the third volume.", ["He runs."]),
        ("The first episode was pre-aired at an event.\nHe runs. She waits.", ["He runs.", "She waits."]),
        ("He runs. The film was shown to nobody but him. She waits.", None),
        ("A note: it was his. She notes: nothing.", None),
        ("Welcome to the hotel where the dead are judged by a bartender who has no name and no past.", None),
        ("Source: unknown.", None),
        ("Based on the novel by Kim. He runs.", ["He runs."]),
        ("He runs. This anime is based on a manga, which was based on a game.", ["He runs."]),
        ("He runs. The film was later included on the DVD.", ["He runs."]),
        ("He runs. The series debuted in Italy.", ["He runs."]),
        ("Based on her dreams, she draws a map.", None),
    ],
)
def test_notes_at_either_end_are_removed(text, plain):
    assert plot(text) == (plain or sentences(text))


@pytest.mark.parametrize(
    "sentence",
    [
        "A girl seeks work.",
        "Hero sleeps.",
        "Itsuki sings.",
        "Thenceforth is a ship.",
        "彼方は走る。",
        "With her ability to read minds, Anya Forger is the only one who knows.",
        "When a boy wakes up, he is alone.",
        "In the ruins of Tokyo, they fight.",
        "Two sisters run an inn, and they are witches.",
    ],
)
def test_a_sentence_that_names_what_it_is_about_stands_by_itself(sentence):
    assert stands_by_itself(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "He runs.",
        "However, Mai waits.",
        "“But no!”",
        "and left.",
        "しかし彼は走る。",
        "Even more surprisingly, the woman claims to be a wolf.",
        "Somehow, Mai must win.",
        "Since he was a child, the schooler has wanted to be a hero.",
        "After yet another failed interview, she finds a café.",
        "Time is short though, and Mai must hurry.",
        "Despite this, Mai runs.",
        "Armed with these, Mai fights.",
        "In a panicked state, she runs.",
        "To his surprise, Mai wins.",
        "As a response, Mai runs.",
        "While departing on a trip, a giant cube appears and his plane is lost.",
        "Years later, Mai wins.",
    ],
)
def test_a_sentence_that_points_back_does_not_stand_by_itself(sentence):
    assert not stands_by_itself(sentence)


def test_a_thing_that_the_text_has_named_needs_that_text():
    assert not stands_by_itself("The entity reveals a plan to Mai.", "A strange entity comes to town.")
    assert not stands_by_itself("While the restaurant is closed, Mai works.", "Mai owns a small Restaurant.")
    assert stands_by_itself("The entity reveals a plan to Mai.", "Mai lives in town.")
    assert stands_by_itself("The world is ending for Mai.", "A world of magic.")


def test_spellings_of_one_title_compare_equal():
    assert normalise("ＳＴＥＩＮＳ；ＧＡＴＥ") == normalise("Steins;Gate") == "steins gate"


def test_titles_stay_out_of_the_vector_unless_there_is_nothing_else():
    show = Show(id="1", title="Name", titles=("Name",), tags=("mecha",), description="A robot wakes.")
    silent = Show(id="2", title="Name", titles=("Name", "Other"))
    assert Document.of(show).text == "A robot wakes.\nTags: mecha"
    assert Document.of(silent).text == "Name, Other"


def test_a_changed_rating_changes_the_content_and_not_the_text():
    before = Show(id="1", title="A", description="Same.", record={"Rating": 700})
    after = Show(id="1", title="A", description="Same.", record={"Rating": 800})
    assert content_hash(before) != content_hash(after)
    assert text_hash(Document.of(before).text) == text_hash(Document.of(after).text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Welcome to CITY.\nA girl moves in. She likes it.", "A girl moves in. She likes it."),
        ("A boy runs.\nNobody follows.\nStreamed a week early on two sites.", "A boy runs.\nNobody follows."),
        ("He wins. Note: the first episode was screened in June.", "He wins."),
        ("Bundled with the third volume.", "Bundled with the third volume."),
        ("", ""),
    ],
)
def test_a_story_has_no_notes_at_either_end(text, plain):
    assert story(clean(text)) == plain


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The crew follows Monkey D. Luffy to the sea. It is deep.", 2),
        ("Dr. Tenma saves Mr. Liebert. He runs.", 2),
        ("Plan A fails. Plan C works.", 2),
        ("Rail Wars! follows a boy. Soul Eater NOT! takes place at a school.", 2),
        ("The group CHAM! is well known.", 1),
        ("1. A human is lost. 2. A tree falls.", 2),
        ("one line ends here.\nanother begins", 2),
    ],
)
def test_an_initial_ends_no_sentence(text, count):
    assert len(sentences(text)) == count
