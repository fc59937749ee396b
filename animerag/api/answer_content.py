"""Builds a chat message from an answer: its text as it arrives, then its sources as text and as annotations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from animerag.models.answers import Answer
    from animerag.models.json_types import JsonObject
    from animerag.models.retrieval import Source

# Clients render Markdown and load its images: a description must not make them send requests to other servers.
_LIVE = re.compile(r"!(?=\[)|<(?=[A-Za-z/!?])")


class AnswerContent:
    """Collects a message and escapes images and HTML in it."""

    def __init__(self, base_url: str) -> None:
        """`base_url` is the address of the app; annotations link to its Catalogue page."""
        self._base_url = base_url
        self._pieces: list[str] = []
        self._rest = ""
        self.annotations: list[JsonObject] = []

    @property
    def text(self) -> str:
        """Return the whole message so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """Add a piece of the answer's text and return what can be sent now."""
        piece = self._rest + piece
        self._rest = piece[-1:] if piece[-1:] in ("!", "<") else ""  # the next character decides whether to escape it
        return self._sent(_inert(piece[: len(piece) - len(self._rest)]))

    def end(self, answer: Answer) -> str:
        """Return the rest of the message: the end of the text and the sources that it cites."""
        ending = self._rest + (self._sources(answer, len(self.text) + len(self._rest)) if answer.sources else "")
        self._rest = ""
        return self._sent(ending)

    def _sources(self, answer: Answer, place: int) -> str:
        cited = [pair for pair in enumerate(answer.sources, 1) if pair[1].show.id in answer.citations]
        if not cited and answer.prompt is not None and answer.text:
            cited = list(enumerate(answer.sources, 1))  # the model cited none of the sources that it was sent
        if not cited:
            return ""
        listed = "\n\nSources:"
        for number, source in cited:
            entry = _entry(number, source)
            start = place + len(listed) + 1
            listed += f"\n{entry}"
            self.annotations.append(self._annotation(source, start, start + len(entry)))
        return listed

    def _annotation(self, source: Source, start: int, end: int) -> JsonObject:
        url = f"{self._base_url}/catalogue?show={quote(source.show.id, safe='')}"
        cited = {"url": url, "title": source.show.title, "start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": cited}

    def _sent(self, text: str) -> str:
        self._pieces.append(text)
        return text


def _entry(number: int, source: Source) -> str:
    year = f" ({source.show.year})" if source.show.year else ""
    return f"[{number}] {_inert(_on_one_line(source.show.title))}{year} · id {_on_one_line(source.show.id)}"


def _inert(text: str) -> str:
    return _LIVE.sub(lambda match: f"{match[0]}\\" if match[0] == "!" else f"\\{match[0]}", text)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
