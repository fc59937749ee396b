"""Returns the type of a show: by a file's word for it, or inferred from titles, episodes and minutes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.readers import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.shows import ShowType

_NAMES: dict[ShowType, str] = {
    "tv": "tv tvseries tvshort tvshow series テレビ テレビアニメ tvアニメ",
    "movie": "movie movies film films feature 映画 劇場版 劇場アニメ",
    "ova": "ova oav oad ovas originalvideoanimation",
    "web": "web ona onas webseries netanimation originalnetanimation 配信",
    "special": "special specials tvspecial tvspecials スペシャル",
    "music": "music musicvideo mv",
    "other": "other pv cm commercial promotionalvideo",
}
_TYPE_OF = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_NOT_A_LETTER = re.compile(r"[\W_]+")
# Words in titles that tell the type, the most reliable first. Abbreviations need capitals: "Nova" and "Ona" are names.
_IN_TITLES: tuple[tuple[ShowType, re.Pattern[str]], ...] = (
    ("special", re.compile(r"\b(?:TV[ -])?(?:Specials?|SPECIALS?)\s*$|\bTV[ -]Special\b|スペシャル\s*$")),
    ("ova", re.compile(r"\b(?:OVA|OAV|OAD)s?\b")),
    ("web", re.compile(r"\bONAs?\b")),
    ("tv", re.compile(r"\(TV\)")),
    (
        "movie",
        re.compile(
            r"\b(?:the\s+)?movie(?:\s+(?:\d+|[ivx]+))?(?=\s*(?:$|[:\-–~(]))|\bgekij[oō]u?[ -]?ban\b|劇場版"
            r"|^eiga\b|^映画|\bfilm(?:\s+\d+)?(?=\s*(?:$|[:\-–]))",
            re.IGNORECASE,
        ),
    ),
)
# In lower case: titles without any of these have none of the words above, and searching for them takes far less time.
_SIGNS = (
    "special", "スペシャル", "ova", "oav", "oad", "ona", "(tv)", "movie", "gekij", "劇場版", "eiga", "映画", "film",
)  # fmt: skip
_MOST_EPISODES: dict[ShowType, int] = {"movie": 3, "special": 6, "ova": 24}
_SERIES_EPISODES = 10  # 98 % of shows this long were made for television
_FILM_MINUTES = 55
_FILM_WORDS = re.compile(r"\b(?:film|movie|theatrical)\b", re.IGNORECASE)


def named(value: object) -> ShowType | None:
    """Return the type for a word in a file; None for any other word."""
    text = cells.text(value)[:40] if isinstance(value, str) else ""
    return _TYPE_OF.get(_NOT_A_LETTER.sub("", text.casefold()))


def inferred(
    title: str, titles: Sequence[str], *, episodes: int | None, duration: int | None = None, description: str = ""
) -> ShowType | None:
    """Infer the type from titles, episodes, minutes per episode and description; None if they do not tell."""
    together = "\n".join((title, *titles)).lower()
    for names in ([title], titles) if any(sign in together for sign in _SIGNS) else ():
        for kind, words in _IN_TITLES:
            fits = (episodes or 0) <= _MOST_EPISODES.get(kind, 100_000)
            if fits and any(words.search(name) for name in names):
                return kind
    if episodes and episodes >= _SERIES_EPISODES:
        return "tv"
    like_a_film = (duration or 0) >= _FILM_MINUTES or _FILM_WORDS.search(description)
    return "movie" if episodes == 1 and like_a_film else None
