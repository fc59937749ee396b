"""Fingerprints that recognise a show, and the ids of a file with them, in little memory: files have 200,000 rows."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.text.cleaning import normalise
from animerag.text.tokens import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.models.shows import Show


@dataclass(frozen=True, slots=True)
class ShowFingerprint:
    """The hashes of a show's normalised titles, of its main title, and of the start of its description."""

    keys: tuple[int, ...]
    title: str
    beginning: int

    def is_like(self, other: ShowFingerprint) -> bool:
        """Return whether both may be one show: a common title, similar main titles, or the same description."""
        if not set(self.keys).isdisjoint(other.keys) or (self.beginning and self.beginning == other.beginning):
            return True
        mine, theirs = set(normalise(self.title).split()), set(normalise(other.title).split())
        return 2 * len(mine & theirs) >= len(mine | theirs) > 0


def fingerprint(title: str, titles: Iterable[str], description: str) -> ShowFingerprint:
    """Return the fingerprint of a show; other titles that are not names ("and...", "I") do not count."""
    folded = {key for key in map(normalise, titles) if key and names_something(key)} | {normalise(title)}
    return ShowFingerprint(
        tuple(map(hash, sorted(folded))), title, hash(start) if (start := normalise(description[:300])) else 0
    )


def names_something(folded: str) -> bool:
    """Return whether a normalised title is more than a letter or common words."""
    return len(folded) > 1 and any(word not in STOP_WORDS for word in folded.split())


class FileIds:
    """The ids of one file with the fingerprint of each row, collected during the first reading.

    `last` has the position of the last row with each id, which is the one that counts. Fingerprints are stored in
    arrays, which take a sixth of the memory of objects.
    """

    def __init__(self, file: str, site: str = "") -> None:
        """`site` is the site that the ids come from, "" if unknown."""
        self.file = file
        self.site = site
        self.last: dict[str, int] = {}
        self.overlays: set[str] = set()
        self._keys, self._keys_end = array("q"), array("Q")
        self._titles, self._titles_end = bytearray(), array("Q")
        self._beginnings = array("q")

    def add(self, show: Show) -> None:
        """Add the next row."""
        known = fingerprint(show.title, show.titles, show.description)
        self.last[show.id] = len(self._beginnings)
        self._keys.extend(known.keys)
        self._keys_end.append(len(self._keys))
        self._titles += known.title.encode("utf-8", "surrogatepass")
        self._titles_end.append(len(self._titles))
        self._beginnings.append(known.beginning)
        if show.overlay:
            self.overlays.add(show.id)

    def of(self, given: str) -> ShowFingerprint:
        """Return the fingerprint of the last row with an id."""
        return self.at(self.last[given])

    def at(self, position: int) -> ShowFingerprint:
        """Return the fingerprint of a row by its position."""
        before = position - 1
        keys = self._keys[self._keys_end[before] if position else 0 : self._keys_end[position]]
        title = self._titles[self._titles_end[before] if position else 0 : self._titles_end[position]]
        return ShowFingerprint(tuple(keys), title.decode("utf-8", "surrogatepass"), self._beginnings[position])
