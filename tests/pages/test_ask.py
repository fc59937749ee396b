"""Ask: the list of an answer as cards, and the words of a match."""

import subprocess
import sys

import pytest

from animerag.models.answers import Answer, AnswerStatus, Exchange, Prompt, Timings
from animerag.models.providers import Usage
from animerag.models.retrieval import Evidence, Retrieval, Source
from animerag.models.shows import Show
from animerag.ui.ask import adds_words, written_by
from animerag.ui.ask_sources import list_as_cards, match, used_and_others
from animerag.ui.source_dialog import spent
from animerag.ui.text import answer_markdown

LIST = """**2 shows**: mecha.

- **Old Robot** · Robot (1985, OVA): short [1]
- **New Robot** (2015) [2]

and 3 more.
"""


def found(branch, rank, detail=""):
    return Evidence(branch=branch, rank=rank, detail=detail)


def test_a_list_of_cited_shows_becomes_cards():
    before, about, after = list_as_cards(LIST, 2)
    assert (before, after) == ("**2 shows**: mecha.", "and 3 more.")
    assert about == {1: "Robot (1985, OVA): short", 2: "(2015)"}


@pytest.mark.parametrize(
    ("text", "sources"),
    [(LIST, 1), (LIST.replace(" [2]", ""), 2), ("1. **Old Robot** [1]\n2. **New Robot** [2]", 2), ("- a point [1]", 1)],
)
def test_a_list_that_the_sources_do_not_cover_stays_text(text, sources):
    assert list_as_cards(text, sources) == (text, {}, "")


def test_only_a_citation_of_a_source_is_a_link():
    assert answer_markdown("A [1], B [2].", 1, linked=True).count("](#source-") == 1
    assert "](" not in answer_markdown("A [1], B [2].", 1)


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ([found("alias", 1, "Planetes"), found("vector", 7)], "Strong match: title, plot"),
        ([found("vector", 1)], "Good match: plot"),
        ([found("words", 9), found("vector", 7)], "Weak match: words, plot"),
        ([found("relation", 1, "sequel of Alpha")], "sequel of Alpha"),
        ([], ""),
    ],
)
def test_a_match_is_named_in_words(evidence, words):
    show = Show(id="1", title="Planetes")
    assert match(Source(show=show, evidence=tuple(evidence), score=1.0)) == words


def sources(*ids):
    return tuple(Source(show=Show(id=one, title=f"Show {one}"), evidence=(), score=1.0) for one in ids)


PROMPT = Prompt(question="q", sources=sources("1", "2"), system="s", user="u")


def answered(text, *, citations=(), prompt=None, status=AnswerStatus.OK, **other):
    return Answer(
        question="q", status=status, text=text, citations=citations, prompt=prompt, model="gpt", provider="openai",
        timings=Timings(total_s=2.0, retrieve_s=0.5), **other,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answered("A [1].", prompt=PROMPT, citations=("1",)), "Written by gpt · "),
        (answered("The catalogue has nothing on this."), "From your catalogue, without the language model · "),
        (answered(None, status=AnswerStatus.ERROR, prompt=PROMPT), "Failed after 2"),
    ],
)
def test_only_text_that_a_model_wrote_is_credited_to_it(answer, words):
    assert written_by(answer).replace("\\", "").startswith(words)


@pytest.mark.parametrize(
    ("rewritten", "asked", "adds"),
    [
        ("How long is it? (Monster)", "How long is it?", True),
        ("How long is Monster? (Monster)", "how long is MONSTER", False),
        ("Mob Psycho 100 III", "mob psycho 100 III", False),
        ("Is Steins;Gate good?", "is stiens gate good?", True),
    ],
)
def test_a_rewritten_question_is_shown_only_if_it_has_other_words(rewritten, asked, adds):
    assert adds_words(rewritten, asked) is adds


def test_tokens_of_questions_and_of_answers_are_named():
    assert spent(Usage(input_tokens=1200, output_tokens=80, cost_usd=0.5)) == "1,200 tokens in, 80 out, $0.5000"
    assert spent(Usage(embedding_tokens=12)) == "12 tokens, cost unknown"


@pytest.mark.parametrize(
    ("text", "answer", "complete", "used"),
    [
        ("Mono [2]", None, True, [2]),  # stopped
        ("Mono [2]", None, False, [1, 2, 3]),  # more may follow
        ("Mon", None, True, [1, 2, 3]),
        ("", answered("None", prompt=None), True, []),  # no match, so no cards
        ("", answered("A [3]", prompt=PROMPT, citations=("3",)), True, [3]),
    ],
)
def test_sources_that_an_answer_uses_are_shown_and_the_others_collapsed(text, answer, complete, used):
    item = Exchange("q", retrieval=Retrieval(question="q", sources=sources("1", "2", "3")), text=text, answer=answer)

    drawn, folded = used_and_others(item, {}, complete=complete)

    assert [number for number, _ in drawn] == used
    assert sorted(number for number, _ in drawn + folded) == [1, 2, 3]


def test_the_sources_of_a_failed_answer_are_collapsed():
    failed = answered(None, status=AnswerStatus.ERROR, prompt=PROMPT)
    item = Exchange(
        "q", retrieval=Retrieval(question="q", sources=sources("1")), answer=failed, error="The key is bad."
    )

    assert used_and_others(item, {}, complete=True)[0] == []


def test_ask_loads_nothing_that_only_figures_and_imports_need():
    others = ("pandas", "chromadb", "openai", "httpx", "animerag.readers", "animerag.ingestion.importer")
    program = (
        "import sys, animerag.ui.components, animerag.ui.ask, animerag.answering.answering;"
        f"print([n for n in {others} if n in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
