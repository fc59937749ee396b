"""Titles and words of a catalogue in a file: a new process reads them in a tenth of the time that deriving them takes.

The file is used only if the same code derived it from the same texts; otherwise it is replaced. It is JSON, because a
data directory, perhaps from another machine, must not contain code that runs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import unicodedata
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.query import title_names, title_spellings, titles
from animerag.query.titles import AliasIndex
from animerag.retrieval import word_coverage
from animerag.retrieval.word_coverage import WordStatistics
from animerag.text import cleaning, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.json_types import JsonMapping
    from animerag.models.shows import Show

log = logging.getLogger(__name__)

DIRECTORY, NAME = "cache", "titles.json"
# The fields from which titles and words are derived.
_TEXTS = ("id", "title", "titles", "description", "tags", "year", "votes")
_DERIVING = (titles, title_names, title_spellings, word_coverage, cleaning, tokens)


def texts_key(rows: Sequence[JsonMapping]) -> str:
    """Return a hash of the source of titles and words: the rows' texts, in order, and the code."""
    texts = [row[name] for row in rows for name in _TEXTS]
    return hashlib.sha256(f"{_code_key()}{json.dumps(texts)}".encode()).hexdigest()


class SnapshotFile:
    """The file in a data directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def load(self, key: str, shows: Sequence[Show]) -> tuple[AliasIndex, WordStatistics] | None:
        """Return the titles and words of these shows; None if the file is missing, damaged, or made from other texts.

        `key` is the `texts_key` of the rows of the shows.
        """
        try:
            head, _, body = self._path.read_bytes().partition(b"\n")
            if head != _head(key, body):
                return None
            stored = json.loads(body)
            return AliasIndex.restored(shows, stored["titles"]), WordStatistics.restored(stored["words"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read and is written again: %s", self._path.name, type(error).__name__)
            return None

    def save(self, key: str, aliases: AliasIndex, statistics: WordStatistics) -> None:
        """Write the file, replacing an earlier one atomically; if that fails, the next process derives everything.

        Takes some hundredths of a second for thousands of shows, so call it in a thread.
        """
        stored = {"titles": aliases.stored(), "words": statistics.stored()}
        body = json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        unfinished = self._path.with_name(f"{NAME}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_bytes(_head(key, body) + b"\n" + body)
            unfinished.replace(self._path)
        except OSError as error:
            log.info("%s was not written: %s", self._path.name, error.strerror)
            with suppress(OSError):
                unfinished.unlink()


def _head(key: str, body: bytes) -> bytes:
    return f"{key} {hashlib.sha256(body).hexdigest()}".encode()


@cache
def _code_key() -> str:
    """Return a hash of the code and of Python's table of characters, since other code may derive other values."""
    code = hashlib.sha256(unicodedata.unidata_version.encode())
    for module in (*_DERIVING, None):
        code.update(Path(module.__file__ or "" if module else __file__).read_bytes())
    return code.hexdigest()
