"""Titles of a large catalogue: names are looked up in the database.

A question finds the same shows as with all names in memory (`query.titles`), which take more than half of a catalogue's
memory.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from animerag.query.title_names import MOST_OF_A_WORD, Name, keys_of, part
from animerag.storage.title_names import NameRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from animerag.storage.title_names import StoredName, TitleNames

_REMEMBERED = 20_000  # keys, most of which have no name


class StoredNames:
    """Names that are looked up in the database; recent ones stay in memory."""

    in_memory = False

    def __init__(self, stored: TitleNames) -> None:
        """Use the names in `stored` as of the latest refresh."""
        self._stored = stored
        self._lately: OrderedDict[str, Sequence[Name]] = OrderedDict()
        self._turn = threading.Lock()

    def get(self, key: str) -> Sequence[Name]:
        """Return the names with a key. Raises LibraryError."""
        names = self._remembered(key)
        return self._look_up([key])[key] if names is None else names

    def part(self, word: str) -> Sequence[Name]:
        """Return the names with a word in them; none if the word is in too many. Raises LibraryError."""
        key = part(word)
        names = self._remembered(key)
        return self._look_up([key], most=MOST_OF_A_WORD + 1)[key] if names is None else names

    def expect(self, keys: Iterable[str]) -> None:
        """Look up keys together. Raises LibraryError."""
        unknown = [key for key in dict.fromkeys(keys) if self._remembered(key) is None]
        self._look_up(unknown[:_REMEMBERED])

    def _remembered(self, key: str) -> Sequence[Name] | None:
        with self._turn:
            if key in self._lately:
                self._lately.move_to_end(key)
                return self._lately[key]
        return None

    def _look_up(self, keys: Sequence[str], *, most: int | None = None) -> dict[str, Sequence[Name]]:
        stored = self._stored.find(keys, most=most) if keys else {}
        names: dict[str, Sequence[Name]] = {key: tuple(map(_name, stored.get(key, ()))) for key in keys}
        if most is not None:
            names = {key: some if len(some) < most else () for key, some in names.items()}
        with self._turn:
            self._lately.update(names)
            while len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
        return names


def row_keys(title: str, titles: Sequence[str]) -> Iterator[NameRow]:
    """Yield the keys of a show's titles as the database stores them."""
    return (NameRow(one.key, one.place, one.level, one.season) for one in keys_of(title, titles))


def _name(stored: StoredName) -> Name:
    main = stored.place == 0
    return Name(stored.id, stored.title, stored.year, stored.season, stored.level, main, stored.votes)
