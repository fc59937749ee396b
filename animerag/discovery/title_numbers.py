"""Reads season and part from the titles of a show: "2nd Season", "Season 3 Part 2", "第2期", "IV"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from animerag.models.shows import Show

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_ORDINAL = rf"(?:(?P<{{0}}n>\d\d?)(?:st|nd|rd|th)?|(?P<{{0}}o>{'|'.join(_ORDINALS)}))"
_SEASON = re.compile(
    rf"\b{_ORDINAL.format('a')}\s+season\b|\bseason\s+{_ORDINAL.format('b')}\b|第?\s*(?P<k>[1-9一二三四五六七八九])\s*(?:期|シーズン)",
    re.IGNORECASE,
)
_PART = re.compile(
    rf"\b(?:part|cour)\s+{_ORDINAL.format('a')}\b|\b(?:(?P<bn>\d\d?)(?:st|nd|rd|th)|(?P<bo>{'|'.join(_ORDINALS)}))\s+(?:part|cour)\b|第?\s*(?P<k>[2-9二三四五])\s*クール"
    r"|\b(?P<late>kouhan(?:-?sen)?)\b",
    re.IGNORECASE,
)
_NUMBER_AT_END = re.compile(r"[\s!](?P<n>[2-9])\s*$|\s(?P<r>ii|iii|iv|v|vi|vii|viii|ix)\s*$", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_KANJI = "一二三四五六七八九"


def numbers_in(show: Show) -> tuple[int | None, int | None]:
    """Return the season and the part in a show's titles; None for either that is missing."""
    season = part = None
    for title in (show.title, *show.titles):
        match, piece = _SEASON.search(title), _PART.search(title)
        if match and season is None:
            season = _number(match)
        if piece and part is None:
            part = 2 if piece["late"] else _number(piece)
    if season is None:
        bare = _IN_BRACKETS.sub("", _PART.sub("", show.title)).strip()  # "II (Second)"
        at_end = _NUMBER_AT_END.search(bare)
        if at_end:
            season = int(at_end["n"]) if at_end["n"] else _ROMAN.index(at_end["r"].lower()) + 1
    return season, part


def _number(match: re.Match[str]) -> int:
    groups = match.groupdict()
    if kanji := groups.get("k"):
        return int(kanji) if kanji.isdigit() else _KANJI.index(kanji) + 1
    for name in ("a", "b"):
        if groups.get(f"{name}n"):
            return int(groups[f"{name}n"])
        if groups.get(f"{name}o"):
            return _ORDINALS.index(groups[f"{name}o"].lower()) + 1
    return 1
