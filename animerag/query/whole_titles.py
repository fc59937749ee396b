"""Finds titles by their beginning, or with a wrong letter: for questions that are nothing but a part of a title.

Titles are compared without spaces, punctuation and the article that they begin with: "kakegurui xx", "durarara x2",
"disappearance of haruhi".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from animerag.text.cleaning import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.models.shows import Show

MOST_SHOWS = 20_000  # the titles of more shows would take more than a second to prepare
_LETTER_WRONG, _TWO_WRONG = 8, 14  # letters of a title from which one or two may be wrong
_SHORTEST, _SHORTEST_UNSPACED = 3, 2  # letters of a beginning
_ARTICLE = re.compile(r"^(?:the|an?) (?=.)")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")


def words_of_title(text: str) -> list[str]:
    """Return the folded words of a title or question without a leading article; "×" is read as "x"."""
    return _ARTICLE.sub("", normalise(text.replace("×", "x"))).split()


class WholeTitles:
    """All titles of some shows in alphabetical order."""

    def __init__(self, shows: Iterable[Show]) -> None:
        """Prepare the titles; 1,500 shows take about 30 ms."""
        names = {
            ("".join(words), tuple(words), show.id)
            for show in shows
            for title in (show.title, *show.titles)
            if (words := words_of_title(title))
        }
        self._names = sorted(names)
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for name in dict.fromkeys(name for name, _, _ in self._names):
            self._by_length[len(name)].append(name)

    def begun(self, words: list[str]) -> tuple[list[str], bool]:
        """Return the ids of shows with a title that begins with these words, and whether the last word is whole.

        Shows whose title goes on with another word are preferred to those whose title goes on with further letters.
        """
        letters, unspaced = "".join(words), _UNSPACED.search(words[-1])
        if len(letters) < (_SHORTEST_UNSPACED if unspaced else _SHORTEST):
            return [], False
        whole: list[str] = []
        cut: list[str] = []
        for at in range(bisect_left(self._names, (letters, (), "")), len(self._names)):
            name, its, show_id = self._names[at]
            if not name.startswith(letters):
                break
            (whole if len(letters) in accumulate(map(len, its)) else cut).append(show_id)
        if unspaced:  # no word has an end
            return list(dict.fromkeys((*whole, *cut))), False
        cut = cut if len(words[-1]) >= _SHORTEST else []
        return list(dict.fromkeys(whole or cut)), bool(whole)

    def misspelt(self, words: list[str]) -> list[str]:
        """Return the ids of shows with the title that is nearest to these words, if one or two letters are wrong."""
        letters = "".join(words)
        wrong = (len(letters) >= _LETTER_WRONG) + (len(letters) >= _TWO_WRONG)
        if not wrong or _UNSPACED.search(letters):
            return []
        from rapidfuzz import process  # few questions have an unknown word
        from rapidfuzz.distance import OSA

        sizes = range(len(letters) - wrong, len(letters) + wrong + 1)
        near = [name for size in sizes for name in self._by_length.get(size, ())]
        best = process.extractOne(letters, near, scorer=OSA.distance, score_cutoff=wrong)
        return self._called(best[0]) if best else []

    def _called(self, letters: str) -> list[str]:
        """Return the ids of shows with exactly this title."""
        start = bisect_left(self._names, (letters, (), ""))
        called = takewhile(lambda name: name[0] == letters, self._names[start:])
        return list(dict.fromkeys(show_id for _, _, show_id in called))
