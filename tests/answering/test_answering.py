"""Answers without a model: facts, quotes, and "no match"."""

import asyncio
import contextlib
import csv

import pytest

from animerag.answering.answering import Answering
from animerag.answering.citations import cited
from animerag.answering.prompting import DESCRIPTIONS_TOKENS, build_prompt
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import ProviderUnusableError, TransientProviderError
from animerag.jobs.jobs import Control
from animerag.models.answers import Answer, AnswerStatus, Exchange, Finish, Turn
from animerag.models.filters import Filters
from animerag.models.retrieval import Retrieval, Source
from animerag.models.shows import Show
from animerag.rate_limits import estimate_tokens
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults
from animerag.storage.answer_cache import AnswerCache
from animerag.text.cleaning import clean


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


@pytest.fixture
def simulated(settings):
    """Open services that embed and answer through a simulator."""
    stores = {name: getattr(settings, name) for name in ("data_dir", "chroma_url", "database_url")}
    return lambda url: open_services(load_settings(openai_base_url=url, **stores), warm=False)


@pytest.fixture
def source(export, record):
    return export(
        record(99, "Monster", "A surgeon saves a boy.", BeginYear=2004), record(2, "Nana", "Two girls share.")
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many episodes does Monster have?", "**Monster** has 74 episodes [1]."),
        ("What year did Monster air?", "**Monster** aired from 2004 to 2005 [1]."),
        ("What is the rating of Monster?", "**Monster** is rated 8.87 of 10 [1]."),
        ("What genre is Monster?", "**Monster** is tagged drama, seinen [1]."),
        ("モンスターは何話？", "**モンスター**：話数は全74話 [1]。"),
        ("How many episodes does Stub have?", "The catalogue does not say how many episodes **Stub** has [1]."),
        ("When did Stub air?", "The catalogue does not say which year **Stub** is from [1]."),
    ],
)
async def test_a_fact_comes_from_its_field(answering, question, expected):
    answer = await answering.ask(question)
    assert (answer.text, answer.status) == (expected, AnswerStatus.OK)
    assert answer.citations == (answer.sources[0].show.id,)


async def test_a_plot_question_quotes_the_best_sentence_verbatim(answering):
    answer = await answering.ask("spacemen who tidy up junk in orbit")
    quoted = next(line for line in answer.text.splitlines() if line.startswith("> "))[2:]
    assert quoted == "Astronauts collect trash that circles the Earth."
    assert quoted in clean(answer.sources[0].show.description)
    assert answer.citations[0] == "2"


async def test_no_match_cites_nothing_and_calls_no_model(answering):
    answer = await answering.ask("What is the capital of Mongolia?")
    assert (answer.status, answer.citations) == (AnswerStatus.NO_MATCH, ())
    assert answer.text == "The catalogue has nothing on this."


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("What is Monster season 4 about?", "Your catalogue has Monster, but no season 4 of it."),
        ("Monster season 2", "Your catalogue has Monster, but no season 2 of it."),
        ("モンスター 第3期は？", "カタログに「モンスター」の第3期はありません。"),
        ("What is Monster season 1 about?", None),
    ],
)
async def test_a_missing_season_is_named(answering, question, sentence):
    answer = await answering.ask(question)
    assert (
        (answer.status is AnswerStatus.NO_MATCH, answer.text) == (True, sentence)
        if sentence
        else answer.citations == ("1",)
    )


async def test_sources_arrive_before_the_first_word_and_the_answer_last(answering):
    async with contextlib.aclosing(answering.stream("What is Monster about?")) as stream:
        events = [event async for event in stream]
    assert isinstance(events[0], Retrieval)
    assert isinstance(events[-1], Answer)
    assert "".join(events[1:-1]).strip() == events[-1].text
    assert events[-1].timings.total_s >= events[-1].timings.retrieve_s > 0


async def test_retrieval_only_writes_no_answer(answering):
    answer = await answering.ask("What is Monster about?", retrieval_only=True)
    assert (answer.text, answer.status, answer.sources[0].show.id) == (None, AnswerStatus.OK, "1")


async def test_a_follow_up_refers_to_the_last_answer(answering):
    history = [Turn(question="What is Monster about?", answer="…", cited=("1",))]
    answer = await answering.ask("How many episodes does it have?", history=history)
    assert answer.text == "**Monster** has 74 episodes [1]."
    assert answer.question == "How many episodes does it have?"


async def test_an_empty_question_becomes_an_answer_that_says_so(answering):
    answer = await answering.ask("  ")
    assert (answer.status, answer.error) == (AnswerStatus.ERROR, "The question is empty: write one.")


class Scripted:
    """A scripted chat model over the real retrieval."""

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


def test_citations_keep_their_order_without_repetition():
    assert cited("[2] and [1], then [2]", []) == ((), (2, 1))


@pytest.mark.both_databases
async def test_a_repeated_question_is_answered_again_without_a_call(simulated, source):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0, chat_latency_s=0.1)) as provider:
        async with simulated(provider.url) as services:
            await services.ingestion.run([source], Control())
            first = await services.answering.ask("What is Monster about?")
            await provider.reset()
            again = await services.answering.ask(" What is Monster about? ")
            other_filters = await services.answering.ask("What is Monster about?", filters=Filters(year_from=2020))
            repeated = await services.answering.ask("What is Monster about?", use_cache=False)
            calls = (await provider.stats()).requests["responses"]
    assert not first.cached
    assert (again.cached, again.text, again.citations, again.sources) == (
        True,
        first.text,
        first.citations,
        first.sources,
    )
    assert again.usage.cost_usd == 0
    assert again.prompt == first.prompt
    assert not other_filters.cached
    assert not repeated.cached
    assert calls == 1, "filters that leave nothing call no model; only what was bypassed does"


@pytest.mark.both_databases
async def test_a_changed_catalogue_invalidates_cached_answers(simulated, source, export, record):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0, chat_latency_s=0)) as provider:
        async with simulated(provider.url) as services:
            await services.ingestion.run([source], Control())
            await services.answering.ask("What is Monster about?")
            await services.ingestion.run([export(record(77, "Planetes", "Trash."), name="more.json")], Control())
            assert not (await services.answering.ask("What is Monster about?")).cached


@pytest.mark.both_databases
async def test_a_failed_answer_is_not_cached(answering, services):
    service = Answering(
        services.retriever, Scripted("half", TransientProviderError("It broke.")), AnswerCache(services.library)
    )
    assert (await service.ask("What is Monster about?")).status is AnswerStatus.ERROR
    cut = Scripted("half", Finish(status=AnswerStatus.TRUNCATED))
    service = Answering(services.retriever, cut, AnswerCache(services.library))
    assert (await service.ask("What is Monster about?")).status is AnswerStatus.TRUNCATED
    stored = AnswerCache(services.library)
    whole = Answering(services.retriever, Scripted("whole [1]", Finish(status=AnswerStatus.OK)), stored)
    assert not (await whole.ask("What is Monster about?")).cached
    assert (await whole.ask("What is Monster about?")).cached, "it is known before it is written"
    await stored.close()
    repeated = Answering(services.retriever, Scripted("never said"), AnswerCache(services.library))
    assert (await repeated.ask("What is Monster about?")).text == "whole [1]", "from the cache"


async def test_an_answer_has_a_span_for_each_step(simulated, source):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.1, chat_latency_s=0.2)) as provider:
        async with simulated(provider.url) as services:
            await services.ingestion.run([source], Control())
            answer = await services.answering.ask("a boy who is saved by a surgeon")
    names = [one.name for one in answer.spans]
    assert {"alias", "words", "embedding", "vectors", "model", "answer"} <= set(names)
    assert all(0 <= one.start_s <= one.end_s <= answer.timings.total_s for one in answer.spans)
    last = max(answer.spans, key=lambda one: one.end_s)
    assert last.name == "answer"
    assert answer.timings.saved_s >= 0


async def test_a_question_about_a_named_show_is_answered_before_the_searches_end(simulated, source):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.5, chat_latency_s=0)) as provider:
        async with simulated(provider.url) as services:
            await services.ingestion.run([source], Control())
            early = Answering(services.retriever, services.answering._chat, early_start=True)
            async with contextlib.aclosing(early.stream("What is Monster about?")) as stream:
                events = [event async for event in stream]
    first, *pieces, second, answer = events
    assert [one.show.id for one in first.sources] == ["99"]
    assert all(isinstance(piece, str) for piece in pieces)
    assert [one.show.id for one in second.sources] == [one.show.id for one in answer.sources] == ["99", "2"]
    assert [one.branch for one in answer.sources[0].evidence] == ["alias", "words", "vector"]
    assert answer.status is AnswerStatus.OK
    assert [one.show.id for one in answer.prompt.sources] == ["99"], "the model was sent what was known by then"
    assert answer.citations == ("99",)
    assert answer.usage.embedding_tokens > 0
    spans = {one.name: one for one in answer.spans}
    assert spans["answer"].end_s < spans["embedding"].end_s, "it did not wait"


@pytest.mark.parametrize(
    "question",
    [
        "a surgeon who saves a boy",
        "Something like Monster but shorter",
        "What comes after Monster?",
        "Which came first, Monster or Nana?",
        "What is Monster season 4 about?",
        "How many shows are there from 2004?",
    ],
)
async def test_a_question_that_needs_more_than_one_show_waits_for_the_searches(services, source, question):
    await services.ingestion.run([source], Control())
    assert await services.retriever.exact_match(question) is None
    chat = Scripted("[1]", Finish(status=AnswerStatus.OK))
    async with contextlib.aclosing(Answering(services.retriever, chat, early_start=True).stream(question)) as stream:
        found = [event async for event in stream if isinstance(event, Retrieval)]
    assert len(found) == 1


async def test_a_search_that_fails_after_an_early_answer_is_noted(services, simulated, source):
    """Services whose provider refuses; the chat model is scripted, so only the embedding fails."""
    await services.ingestion.run([source], Control())
    chat = Scripted("A surgeon [1].", Finish(status=AnswerStatus.OK))
    async with SimulatorProcess(SimulatorSettings(faults=parse_faults("401@1"))) as provider:
        async with simulated(provider.url) as refused:
            answer = await Answering(refused.retriever, chat, early_start=True).ask("What is Monster about?")
    assert (answer.text, answer.status, answer.citations) == ("A surgeon [1].", AnswerStatus.OK, ("99",))
    assert "The search for others failed" in answer.notes[-1]


async def test_fields_answer_while_the_provider_refuses_to_embed(services, simulated, source, monkeypatch):
    await services.ingestion.run([source], Control())
    async with SimulatorProcess(SimulatorSettings(faults=parse_faults("401@1"))) as provider:
        async with simulated(provider.url) as refused:
            read = refused.retriever._read

            async def read_after_the_refusal(*args, **options):
                while not refused.gate.state().refused_by:
                    await asyncio.sleep(0.005)
                return await read(*args, **options)

            monkeypatch.setattr(refused.retriever, "_read", read_after_the_refusal)
            found = await refused.retriever.search("How many shows are there from 2004?")
            answer = await refused.answering.ask("List all shows from 2004")
            with pytest.raises(ProviderUnusableError, match="rejects the key"):
                await refused.retriever.search("a surgeon who saves a boy")
    assert found.fact is not None
    assert (answer.status, answer.error, answer.provider, answer.prompt) == (AnswerStatus.OK, None, "local", None)
    assert "Monster" in answer.text
    assert "The provider rejects the key." in answer.notes[-1]


@pytest.mark.both_databases
async def test_a_conversation_is_stored_and_read_back_completely(services, answering):
    stored = services.conversations
    filters = Filters(year_from=1990)
    first = Exchange("What is Monster about?", filters=filters, ignored=("year",))
    async for event in answering.stream(first.question):
        match event:
            case Retrieval():
                first.retrieval = event
            case Answer():
                first.answer, first.text = event, event.text
    number = await stored.put(None, 0, first)
    await stored.put(number, 1, Exchange("And the second season?", error="The provider is away."))
    assert (await stored.exchanges(number))[0] == first
    assert [one.error for one in await stored.exchanges(number)] == [None, "The provider is away."]
    await stored.put(number, 1, Exchange("And the third?"))
    listed = await stored.latest()
    assert [(one.title, one.exchanges) for one in listed] == [("What is Monster about?", 2)]
    await stored.delete(number)
    assert (await stored.exchanges(number), await stored.latest()) == ([], [])


def test_long_descriptions_share_the_budget_and_short_ones_are_sent_whole():
    texts = ["short.", "word " * 4000, "word " * 3000, "言葉。" * 3000]
    sources = [
        Source(show=Show(id=str(n), title=str(n), description=text), evidence=(), score=1)
        for n, text in enumerate(texts)
    ]
    prompt = build_prompt("Which?", sources)
    assert prompt.sent[0] == len("short.")
    assert all(0 < sent < len(clean(text)) for sent, text in zip(prompt.sent[1:], texts[1:], strict=True))
    assert abs(prompt.sent[1] - prompt.sent[2]) < 10
    assert 0.9 * DESCRIPTIONS_TOKENS < estimate_tokens(prompt.user) < 1.1 * DESCRIPTIONS_TOKENS
    assert prompt.user.count(" …") == 3


async def test_every_quote_without_a_model_comes_from_its_source(real_services, real_export):
    questions = real_export.with_name("questions.csv")
    if not questions.exists():
        pytest.skip(f"{questions} is not here")
    quoted = 0
    with questions.open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            answer = await real_services.answering.ask(row["question"])
            assert answer.status in (AnswerStatus.OK, AnswerStatus.NO_MATCH), row
            assert "I think" not in answer.text
            shown = [clean(source.show.description) for source in answer.sources]
            quotes = [line[2:] for line in answer.text.splitlines() if line.startswith("> ")]
            quoted += len(quotes)
            for quote in quotes:
                if "no description" in quote or "説明文" in quote:
                    continue
                assert any(" ".join(quote.split()) in " ".join(text.split()) for text in shown), quote
    assert quoted > 60
