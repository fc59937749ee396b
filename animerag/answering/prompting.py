"""Builds prompts within a token budget."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from animerag.answering.prompts import answer_prompt
from animerag.models.answers import Prompt
from animerag.rate_limits import estimate_tokens
from animerag.text.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.retrieval import Source
    from animerag.models.shows import Show

DESCRIPTIONS_TOKENS = 3_000  # for all sources together; longer ones may use what shorter ones leave


def build_prompt(
    question: str, sources: Sequence[Source], fact: str | None = None, *, language: str = "auto"
) -> Prompt:
    """Return the prompt: the sources, between fence lines that no document can predict, and the question.

    `fact` is the complete answer from the catalogue's fields; it is placed with the sources. The `language` `auto`
    means the question's own.
    """
    fence = f"===== {secrets.token_hex(8)} ====="
    descriptions = [clean(source.show.description) for source in sources]
    sent = _shares(descriptions, DESCRIPTIONS_TOKENS)
    listed = "\n\n".join(
        _listed(number, source.show, text[:length] + (" …" if length < len(text) else ""))
        for number, (source, text, length) in enumerate(zip(sources, descriptions, sent, strict=True), 1)
    )
    if fact is not None:
        listed = f"From the catalogue's fields, complete:\n{fact}\n{listed}"
    user = f"Sources between the lines {fence}\n{fence}\n{listed}\n{fence}\n\nQuestion: {question}"
    return Prompt(
        question=question, sources=tuple(sources), system=answer_prompt(language), user=user, sent=tuple(sent)
    )


def _listed(number: int, show: Show, description: str) -> str:
    facts = [
        f"year: {show.year}" if show.year else "",
        f"episodes: {show.episodes}" if show.episodes else "",
        f"rating: {show.rating:.2f}/10" if show.rating else "",
        f"tags: {', '.join(show.tags[:12])}" if show.tags else "",
    ]
    other = " | ".join(show.titles[1:6])
    title = f"[{number}] {show.title}" + (f" (also: {other})" if other else "")
    return "\n".join(part for part in (title, "; ".join(filter(None, facts)), description) if part)


def _shares(texts: Sequence[str], budget: int) -> list[int]:
    """Return the number of characters of each text that fit: short texts completely, long ones cut to equal shares."""
    lengths = [0] * len(texts)
    left = budget
    tokens = [estimate_tokens(text) for text in texts]
    for place, number in enumerate(sorted(range(len(texts)), key=lambda one: tokens[one])):
        share = left // (len(texts) - place)
        lengths[number] = len(texts[number]) if tokens[number] <= share else _cut(texts[number], tokens[number], share)
        left -= min(tokens[number], share)
    return lengths


def _cut(text: str, tokens: int, share: int) -> int:
    end = len(text) * share // tokens
    return max(text.rfind(" ", 0, end), text.rfind("。", 0, end) + 1, 0) or end
