"""The keys by which titles are looked up, and where a phrase stands in a title."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.title_names import UNSPACED, initials, joined, spaced
from animerag.query.title_spellings import LONGEST_TITLE, MARK, Token, title_tokens, without_articles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_UNSPACED = 40  # characters
JOINED_TOKENS = 4  # "dan da dan" for "Dandadan"
_KANJI, _KATAKANA = re.compile(r"[㐀-鿿豈-﫿々]"), re.compile(r"[゠-ヿ]")
_INITIALS_AFTER = range(3, 7)  # letters that shorten what follows the head of a title: "bleach tybw"


def letters_of(tokens: Sequence[Token]) -> list[tuple[str, Token]]:
    """Return the letters of tokens without the marks of seasons, each with its token."""
    return [(letter, token) for token in tokens for letter in token.folded if not letter.startswith(MARK)]


def lookup_keys(tokens: Sequence[Token], corrected: Sequence[str]) -> Iterator[str]:
    """Yield the keys that a match may look up, except for words in part of a title."""
    written = [token.folded for token in tokens]
    for start in range(len(tokens)):
        yield initials(written[start])
        for end in range(start + 1, min(start + LONGEST_TITLE, len(tokens)) + 1):
            yield spaced(written[start:end])
            yield spaced(corrected[start:end])
            yield spaced(without_articles(written[start:end]))
            if end - start <= JOINED_TOKENS:
                yield joined("".join(written[start:end]))
    text = "".join(letter for letter, _ in letters_of(tokens))
    for at in range(len(text)):
        for end in range(at + 2, min(len(text), at + LONGEST_UNSPACED) + 1):
            if UNSPACED.search(text[at:end]):
                yield joined(text[at:end])


def is_inside(part: tuple[str, ...], tokens: Sequence[Token]) -> bool:
    """Return whether these words are consecutive among the tokens, joined or not: "dressup" is "dress up"."""
    words, wanted = [token.folded for token in tokens], "".join(part)
    ends = (range(at + 1, len(words) + 1) for at in range(len(words)))
    return any("".join(words[at:end]) == wanted for at, rest in enumerate(ends) for end in rest)


def goes_on(title: str, length: int, word: str) -> bool:
    """Return whether a title contains a word, or has it as the initials of words after the first ones: "tybw"."""
    words = [token.folded for token in title_tokens(title)]
    rest = "".join(one[0] for one in words[length:])
    return word in words or (len(word) in _INITIALS_AFTER and rest.startswith(word))


def is_whole_run(text: str, start: int, end: int) -> bool:
    """Return whether a match in kanji or katakana is not part of a longer run of the same script."""
    for kind in (_KANJI, _KATAKANA):
        if end < len(text) and kind.match(text[end - 1]) and kind.match(text[end]):
            return False
        if start and kind.match(text[start]) and kind.match(text[start - 1]):
            return False
    return True
