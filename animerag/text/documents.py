"""The text of a show that is embedded, and the hashes that show whether it must be stored or embedded again."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields

from animerag.models.shows import Show
from animerag.text.cleaning import clean, story

# Part of every collection's name: a change here means new vectors, so it is never edited in place.
# Titles stay out of the text: they pull plot questions towards shows that merely sound alike (docs/quality.md).
RECIPE = "description-tags-1"
# Version of the rules for sentences that are left out of the text; after a change, stored texts are compared again.
TEXT_RULES = "3"
EMBEDDED_CHARACTERS = 6000  # longer than any real synopsis, so that one huge record cannot fill a request
# The record is hashed separately; the others exist only while a file is read.
_NOT_STORED = ("record", "overlay", "origin")
_STORED = tuple(each.name for each in fields(Show) if each.name not in _NOT_STORED)
# Newer fields count only if they are known, so that the hashes of stored shows do not change.
_LATER = (
    *("owned_episodes", "missing_episodes", "audio_languages", "subtitle_languages", "resolution", "file_size"),
    "spoiler_tags",
)


@dataclass(frozen=True, slots=True)
class Document:
    """A show with the text that is embedded for it and both hashes, computed once."""

    show: Show
    description: str  # the cleaned description
    text: str
    text_hash: str
    content_hash: str

    @classmethod
    def of(cls, show: Show) -> Document:
        """Make a show's document."""
        description = clean(show.description)
        text = _text(show, story(description))
        return cls(show, description, text, text_hash(text), content_hash(show))

    @property
    def hashes(self) -> tuple[str, str]:
        """Return (content hash, text hash), which show whether a stored show is out of date."""
        return self.content_hash, self.text_hash


def _text(show: Show, body: str) -> str:
    """Return the text that a show's vector represents; titles only if there is nothing else."""
    parts = [body[:EMBEDDED_CHARACTERS]] if body else [", ".join(show.titles or (show.title,))]
    if show.tags:
        parts.append("Tags: " + ", ".join(show.tags))
    return "\n".join(parts)


def text_hash(text: str) -> str:
    """Hash an embedded text together with its recipe."""
    return _digest("text", RECIPE, unicodedata.normalize("NFC", text))


def content_hash(show: Show) -> str:
    """Hash every stored field of a show, and its record independent of key order.

    The fields are included because a merge, a corrected column mapping or a better reader changes only them.
    """
    values = {name: getattr(show, name) for name in _STORED}
    values = {name: value for name, value in values.items() if name not in _LATER or value not in (None, ())}
    values |= {name: None if values[name] is None else float(values[name]) for name in ("rating", "my_score")}
    stored = json.dumps(values, ensure_ascii=False, sort_keys=True, default=_plain)
    record = json.dumps(show.record, ensure_ascii=False, sort_keys=True, default=str)
    return _digest("show", show.id, record, stored)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return [getattr(value, name) for name in ("id", "title", "kind", "year")]  # a related show


def _digest(domain: str, *fields: str) -> str:
    """Add a part with its length, which distinguishes ("ab", "c") from ("a", "bc")."""
    digest = hashlib.sha256()
    for value in (domain, *fields):
        data = value.encode("utf-8", "surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:40]
