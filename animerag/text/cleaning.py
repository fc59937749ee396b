"""Text as search and embedding see it: cleaned, normalised, hashed. The original is kept for display elsewhere."""

from __future__ import annotations

import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields

from animerag.models import Show

# Part of every collection's name: a change here means new vectors, so it is never edited in place.
# Titles stay out of the text: they pull plot questions towards shows that merely sound alike (docs/quality.md).
RECIPE = "description-tags-1"
EMBEDDED_CHARACTERS = 6000  # beyond any honest synopsis; keeps one huge record from filling a request

_BBCODE = re.compile(r"\[/?(?:i|b|u|s|url|quote|spoiler|code|size|color)(?:=[^\]]*)?\]", re.IGNORECASE)
_ANIDB_LINK = re.compile(r"https?://anidb\.net/\S+ \[([^\]]*)\]")
_SCRIPT = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_INLINE_TAG = re.compile(r"</?(?:a|abbr|b|em|font|i|mark|s|small|span|strong|sub|sup|u)\b[^<>]*>", re.IGNORECASE)
# By name, so that "<Infinite Dendrogram>" stays: synopses write names of games and skills like that.
_HTML_TAG = re.compile(
    r"</?(?:article|audio|blockquote|body|br|button|center|code|dd|details|div|dl|dt|embed|form|h[1-6]|head|hr|html"
    r"|iframe|img|input|li|link|meta|object|ol|p|picture|pre|section|source|svg|table|tbody|td|th|thead|tr|ul|video)"
    r"\b[^<>]*>",
    re.IGNORECASE,
)
_CREDITS = re.compile(
    r"\[Written by [^\]]*\]|\(Source:[^)]*\)|^\s*(?:\* Based on|Source:|Note:).*$", re.IGNORECASE | re.MULTILINE
)
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]」』]*\s+|(?<=[。！？])(?=[^\s」』])|\n+")
_KANA = re.compile(r"[ぁ-ヿ]")
_NOT_WORD = re.compile(r"[^\w]+")
_NOT_STORED = ("record", "overlay", "origin")  # the record is hashed by itself; the others end with the reading
_STORED = tuple(each.name for each in fields(Show) if each.name not in _NOT_STORED)


def clean(text: str) -> str:
    """Drop markup, AniDB link addresses, credits and notes; keep every sentence of the synopsis as written.

    What comes back is text and still no HTML: it may hold `<` and `&` that somebody wrote as such.
    """
    text = _INLINE_TAG.sub("", _SCRIPT.sub(" ", _unescaped(text)))
    text = _ANIDB_LINK.sub(r"\1", text)
    text = _CREDITS.sub(" ", _HTML_TAG.sub(" ", _BBCODE.sub("", text)))
    lines = (_SPACE.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _unescaped(text: str) -> str:
    """Entities are often escaped twice, by one tool after another."""
    for _ in range(3):
        plain = html.unescape(text) if "&" in text else text
        if plain == text:
            break
        text = plain
    return text.replace("\xa0", " ")


def sentences(text: str) -> list[str]:
    """Split cleaned text; each sentence is a verbatim piece of it."""
    found = []
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        end = mark.start() + len(mark.group().rstrip())
        found.append(text[start:end].strip())
        start = mark.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def is_japanese(text: str) -> bool:
    """Tell whether a question is to be answered in Japanese."""
    return bool(_KANA.search(text))


def normalise(text: str) -> str:
    """Fold width, case, accents' composition and punctuation, so that spellings of one title compare equal."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub(" ", folded).replace("_", " ").strip()


@dataclass(frozen=True, slots=True)
class Document:
    """A show with the text that is embedded for it and both hashes, worked out once."""

    show: Show
    description: str  # cleaned
    text: str
    text_hash: str
    content_hash: str

    @classmethod
    def of(cls, show: Show) -> Document:
        """Make a show's document."""
        description = clean(show.description)
        text = _text(show, description)
        return cls(show, description, text, text_hash(text), content_hash(show))

    @property
    def hashes(self) -> tuple[str, str]:
        """Return (content hash, text hash), which tell whether a stored show is out of date."""
        return self.content_hash, self.text_hash


def _text(show: Show, body: str) -> str:
    """Return what the vector of a show stands for; titles only where there is nothing else."""
    parts = [body[:EMBEDDED_CHARACTERS]] if body else [", ".join(show.titles or (show.title,))]
    if show.tags:
        parts.append("Tags: " + ", ".join(show.tags))
    return "\n".join(parts)


def text_hash(text: str) -> str:
    """Hash an embedding text together with the recipe it was made by."""
    return _digest("text", RECIPE, unicodedata.normalize("NFC", text))


def content_hash(show: Show) -> str:
    """Hash every field that is stored of a show, and its record independent of key order.

    The fields count beside the record: a merge, a corrected column mapping or a better reader changes them alone.
    """
    values = {name: getattr(show, name) for name in _STORED}
    values |= {name: None if values[name] is None else float(values[name]) for name in ("rating", "my_score")}
    told = json.dumps(values, ensure_ascii=False, sort_keys=True, default=_plain)
    record = json.dumps(show.record, ensure_ascii=False, sort_keys=True, default=str)
    return _digest("show", show.id, record, told)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return [getattr(value, name) for name in ("id", "title", "kind", "year")]  # a related show


def _digest(domain: str, *fields: str) -> str:
    """Length prefixes keep ("ab", "c") apart from ("a", "bc")."""
    digest = hashlib.sha256()
    for value in (domain, *fields):
        data = value.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:40]
