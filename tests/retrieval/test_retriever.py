"""Three searches at once, one ranked list."""

import pytest

from animerag.errors import InvalidInputError, LibraryError, ProviderUnusableError, VectorStoreError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.models.shows import Show
from animerag.providers.local import LocalEmbedder
from animerag.retrieval import snapshots
from animerag.retrieval.example_intents import ExampleIntents
from animerag.storage import show_fields
from animerag.text.documents import Document


@pytest.fixture
async def retriever(services, export, record):
    rows = [
        record(1, "Monster", "A surgeon hunts the boy whose life he saved.", AllTitles="Monster|モンスター"),
        record(2, "Planetes", "Astronauts collect trash that circles the Earth.", AllTags="space|drama"),
        record(3, "Kitchen Tale", "A cook prepares monster meat in a dungeon."),
        record(4, "Stub", "A monster sleeps."),
    ]
    await services.ingestion.run([export(*rows)], Control())
    return services.retriever


async def test_a_named_show_comes_first_with_all_its_evidence(retriever):
    found = await retriever.search("What is Monster about?")
    first = found.sources[0]
    assert first.show.id == "1"
    assert first.found_by[0] == "alias"
    assert not found.no_match


async def test_a_plot_is_found_by_its_meaning(retriever):
    found = await retriever.search("spacemen who tidy up junk in orbit")
    assert found.sources[0].show.id == "2"
    assert 0 < found.sources[0].distance < 1
    assert "vector" in found.sources[0].found_by


async def test_each_show_appears_once_and_k_limits_the_list(retriever):
    found = await retriever.search("monster meat", k=2)
    ids = [source.show.id for source in found.sources]
    assert len(ids) == len(set(ids)) == 2
    assert ids[0] == "3"


async def test_nothing_similar_is_no_match(retriever):
    assert (await retriever.search("What is the capital of Mongolia?")).no_match


@pytest.mark.parametrize("question", ["", "  \n", "x" * 5000])
async def test_an_unusable_question_is_refused_with_a_sentence(retriever, question):
    with pytest.raises(InvalidInputError, match=r"The question is empty|shorten it"):
        await retriever.search(question)


async def test_a_failing_word_search_is_noted_and_does_not_prevent_an_answer(retriever, services, monkeypatch):
    async def fail(*_arguments, **_options):
        raise LibraryError("The words are gone.")

    monkeypatch.setattr(services.library, "search_words", fail)
    found = await retriever.search("What is Monster about?")
    assert found.sources[0].show.id == "1"
    assert found.notes == ("Words were not searched: The words are gone.",)


async def test_a_failing_vector_search_is_an_error_the_user_sees(retriever, services, monkeypatch):
    async def fail(*_arguments, **_options):
        raise VectorStoreError("Chroma is gone.")

    monkeypatch.setattr(services.index, "query", fail)
    with pytest.raises(VectorStoreError):
        await retriever.search("What is Monster about?")


async def test_a_show_stored_by_another_process_is_named_at_once(retriever, services, export, record):
    assert not await retriever.match_titles("Tell me about Zyxwell")
    await services.ingestion.run([export(record(9, "Zyxwell", "New."))], Control())
    assert (await retriever.search("Tell me about Zyxwell")).sources[0].show.id == "9"


async def test_watched_shows_are_not_listed_as_unwatched(services, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,title,my_status\n1,Monster,completed\n2,Planetes,plan to watch\n3,Aria,\n", encoding="utf-8")
    await services.ingestion.run([SourceFile(path=path, name=path.name)], Control())
    unwatched = await services.retriever.search("Which shows are unwatched?")
    assert set(unwatched.fact.ids) == {"2", "3"}
    watched = await services.retriever.search("Which shows have I watched?")
    assert watched.fact.ids == ("1",)


async def test_titles_are_not_read_again_for_every_question_during_an_import(services, export, record, monkeypatch):
    read = 0
    load = show_fields.load

    async def counted(library, paced):
        nonlocal read
        read += 1
        return await load(library, paced)

    await services.ingestion.run([export(record(1, "Monster", "A surgeon saves a boy."))], Control())
    await services.retriever.match_titles("Monster")
    monkeypatch.setattr(show_fields, "load", counted)
    async with services.ingestion._import_lock.held(Control()):
        for number in range(2, 6):
            document = Document.of(Show(id=str(number), title=f"Planetes {number}", description="They collect trash."))
            await services.ingestion.import_documents([document], Control())
            assert [match.id for match in await services.retriever.match_titles("Monster")] == ["1"]
        assert read == 0

    # Imported shows are found as soon as the import has ended.
    assert [match.id for match in await services.retriever.match_titles("Planetes 5")] == ["5"]
    assert read == 1


async def test_titles_are_read_again_in_the_background_during_an_import(services, export, record, monkeypatch):
    monkeypatch.setattr(snapshots, "_RELOAD_S", 0.0)
    await services.ingestion.run([export(record(1, "Monster", "A surgeon saves a boy."))], Control())
    await services.retriever.match_titles("Monster")
    services.retriever._catalogue._load_took_s = 0.0
    async with services.ingestion._import_lock.held(Control()):
        document = Document.of(Show(id="2", title="Planetes", description="They collect trash."))
        await services.ingestion.import_documents([document], Control())
        assert await services.retriever.match_titles("Planetes") == []
        await services.retriever._catalogue._reloading
        assert [match.id for match in await services.retriever.match_titles("Planetes")] == ["2"]


def recorded(embedder, monkeypatch):
    """Return a list to which the embedder adds every text from now on."""
    embedded, embed = [], embedder.embed

    async def record(texts, *, priority):
        embedded.extend(texts)
        return await embed(texts, priority=priority)

    monkeypatch.setattr(embedder, "embed", record)
    return embedded


@pytest.mark.parametrize(("question", "intent"), [("entertain me", "recommend"), ("what continues Planetes", "next")])
async def test_a_question_without_a_cue_is_recognised_by_examples(retriever, question, intent):
    assert (await retriever.search(question)).intent == intent


async def test_a_question_is_encoded_once_for_its_intent_and_its_search(retriever, monkeypatch):
    question = "people who collect rubbish"
    embedded = recorded(retriever._indexer.embedder, monkeypatch)
    await retriever.search(question)

    assert embedded.count(question) == 1


async def test_without_its_encoder_a_question_is_read_by_rules(monkeypatch):
    async def broken(texts, *, priority):
        raise ProviderUnusableError("The embedded encoder is not installed.")

    encoder = LocalEmbedder()
    monkeypatch.setattr(encoder, "embed", broken)
    examples = ExampleIntents(encoder)

    assert await examples.compare(["entertain me"], Priority.LIVE) == {}
    assert await examples.compare(["surprise us"], Priority.LIVE) == {}
    await encoder.close()


async def test_passages_are_not_embedded_twice(retriever, monkeypatch):
    question = "people who gather rubbish high above the planet in a space ship"
    first = await retriever.search(question)
    embedded = recorded(retriever._indexer.embedder, monkeypatch)
    again = await retriever.search(question)

    assert first.sources[0].show.id == "2"
    assert [source.show.id for source in again.sources] == [source.show.id for source in first.sources]
    assert embedded == []


async def test_among_shows_at_equal_distance_those_with_most_votes_are_candidates(services, export, record):
    rows = [record(n, f"Copy {n}", "A lighthouse keeper writes letters.", VoteCount=n) for n in range(1, 91)]
    await services.ingestion.run([export(*rows)], Control())
    question = "somebody on an island sends mail"
    embedding = await services.retriever.embed([question], priority=Priority.LIVE)
    [hits] = await services.retriever.locate([embedding.vectors[0]])
    for vector in (None, hits):
        found = await services.retriever.search(question, k=5, vector=vector)
        assert [source.show.id for source in found.sources] == ["90", "89", "88", "87", "86"]


async def test_a_recommendation_like_a_show_that_is_missing_says_so(services, export, record):
    planetes = "Debris haulers clean up the orbit."
    rows = [record(1, "Planetes", planetes), record(2, "Monster", "A surgeon saves a boy in the East.")]
    await services.ingestion.run([export(*rows)], Control())
    search = services.retriever.search
    assert (await search("recommend something like weathering with you")).missing == (
        "“weathering with you” is not in your catalogue."
    )
    assert (await search("suggest a show like your name")).missing == "“your name” is not in your catalogue."
    for understood in ("recommend something like a comedy", "recommend something I would like", "recommend anything"):
        assert not (await search(understood)).missing
    assert (await search("recommend something like planetes")).intent == "similar"
