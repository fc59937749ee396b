"""All folded titles in one text, because Python searches one text of 3 MB in a fraction of the time of 30,000 texts."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_END = "\n"  # folded titles contain no line break


class TitleText:
    """Finds shows by a part of their folded titles."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """`titles` are the folded titles of each show by its id."""
        self._ids = list(titles)
        self._starts = [0, *accumulate(len(title) + len(_END) for title in titles.values())]
        self._text = _END.join((*titles.values(), ""))

    def __contains__(self, part: str) -> bool:
        return part in self._text

    def ids_with(self, part: str) -> Iterator[str]:
        """Yield the ids of the shows with a part in their titles, in the order of the titles."""
        at = self._text.find(part)
        while 0 <= at < len(self._text):
            number = bisect_right(self._starts, at)  # of the next show
            yield self._ids[number - 1]
            at = self._text.find(part, self._starts[number])
