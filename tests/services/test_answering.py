"""Answers without a model: facts, quotes and an honest no."""

import contextlib

import pytest

from animerag.errors import TransientProviderError
from animerag.jobs import Control
from animerag.models import Answer, AnswerStatus, Finish, Retrieval, Turn
from animerag.services.answering import Answering
from animerag.services.prompting import cited
from animerag.texts import clean


@pytest.fixture
async def answering(services, export, record):
    rows = [
        record(
            1,
            "Monster",
            "A surgeon hunts the boy whose life he saved. It rains.",
            EpisodeCountNormal=74,
            BeginYear=2004,
            EndYear=2005,
            Rating=887,
            AllTags="drama|seinen",
            AllTitles="Monster|モンスター",
        ),
        record(2, "Planetes", "Debris kills. Astronauts collect trash that circles the Earth. They quarrel."),
        record(3, "Stub"),
    ]
    await services.ingestion.run([export(*rows)], Control())
    return services.answering


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("How many episodes does Monster have?", "**Monster** has 74 episodes [1]."),
        ("What year did Monster air?", "**Monster** aired from 2004 to 2005 [1]."),
        ("What is the rating of Monster?", "**Monster** is rated 8.87 of 10 [1]."),
        ("What genre is Monster?", "**Monster** is tagged drama, seinen [1]."),
        ("モンスターは何話？", "**モンスター**：全74話 [1]。"),
        ("How many episodes does Stub have?", "The catalogue does not say the episodes of **Stub** [1]."),
        ("When did Stub air?", "The catalogue does not say the year of **Stub** [1]."),
    ],
)
async def test_a_fact_comes_from_its_field(answering, question, told):
    answer = await answering.ask(question)
    assert (answer.text, answer.status) == (told, AnswerStatus.OK)
    assert answer.citations == (answer.sources[0].show.id,)


async def test_a_plot_is_answered_by_its_most_telling_sentence_verbatim(answering):
    answer = await answering.ask("spacemen who tidy up junk in orbit")
    quoted = next(line for line in answer.text.splitlines() if line.startswith("> "))[2:]
    assert quoted == "Astronauts collect trash that circles the Earth."
    assert quoted in clean(answer.sources[0].show.description)
    assert answer.citations[0] == "2"


async def test_an_honest_no_cites_nothing_and_calls_no_model(answering):
    answer = await answering.ask("What is the capital of Mongolia?")
    assert (answer.status, answer.citations) == (AnswerStatus.NO_MATCH, ())
    assert answer.text == "The catalogue has nothing on this."


async def test_sources_arrive_before_the_first_word_and_the_answer_last(answering):
    async with contextlib.aclosing(answering.stream("What is Monster about?")) as stream:
        events = [event async for event in stream]
    assert isinstance(events[0], Retrieval)
    assert isinstance(events[-1], Answer)
    assert "".join(events[1:-1]).strip() == events[-1].text
    assert events[-1].timings.total_s >= events[-1].timings.retrieve_s > 0


async def test_retrieval_only_writes_nothing(answering):
    answer = await answering.ask("What is Monster about?", retrieval_only=True)
    assert (answer.text, answer.status, answer.sources[0].show.id) == (None, AnswerStatus.OK, "1")


async def test_a_follow_up_leans_on_the_last_answer(answering):
    history = [Turn(question="What is Monster about?", answer="…", cited=("1",))]
    answer = await answering.ask("How many episodes does it have?", history=history)
    assert answer.text == "**Monster** has 74 episodes [1]."
    assert answer.question == "How many episodes does it have?"


async def test_an_empty_question_becomes_an_answer_that_says_so(answering):
    answer = await answering.ask("  ")
    assert (answer.status, answer.error) == (AnswerStatus.ERROR, "Question cannot be empty")


class Scripted:
    """A chat model that plays a script over the real retrieval."""

    provider, model = "openai", "scripted"

    def __init__(self, *events):
        self.events = events
        self.prompts = []

    async def stream(self, prompt, *, priority):
        self.prompts.append(prompt)
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self):
        pass


async def test_an_empty_or_broken_answer_is_never_a_success(answering, services):
    for events in ((Finish(status=AnswerStatus.OK),), ("half", TransientProviderError("It broke."))):
        answer = await Answering(services.retriever, Scripted(*events)).ask("What is Monster about?")
        assert answer.status is AnswerStatus.ERROR
        assert answer.error
        assert answer.sources


async def test_sources_are_fenced_by_a_line_that_differs_each_time(answering, services):
    chat = Scripted("Yes [1] [7] [99].", Finish(status=AnswerStatus.OK))
    service = Answering(services.retriever, chat)
    answer = await service.ask("What is Monster about?")
    await service.ask("What is Monster about?")
    fences = [prompt.user.splitlines()[1] for prompt in chat.prompts]
    assert fences[0] != fences[1]
    assert all(prompt.user.count(fence) == 3 for prompt, fence in zip(chat.prompts, fences, strict=True))
    assert answer.citations == ("1",), "numbers that nobody sent are no citations"


def test_citations_keep_their_order_and_stand_once():
    assert cited("[2] and [1], then [2]", []) == ((), (2, 1))
