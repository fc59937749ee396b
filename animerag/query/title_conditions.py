"""Reads conditions on words of titles: "that start with the letter Z", "with “Kimi” in the title"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.query.plan import Or, Predicate

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from datetime import date

    from animerag.query.plan import Condition

_SHORTEST = 3  # letters of a word in the singular
_BEGINS = r"(?:(?:titles?|names?)(?: that| which)? )?(?:starts?|starting|begins?|beginning)(?: out)? with"
_END = r"(?=[\"'”’]?\s*(?:$|[,.?!]|and\b|or\b|but\b))"
_KINDS_OF_CHARACTERS = {
    f"{article}{kind}{plural}"
    for article in ("", "a ", "any ", "one ")
    for kind in ("number", "digit", "colon", "exclamation mark", "question mark", "symbol", "colour", "color", "animal")
    for plural in ("", "s")
}
_QUOTED = r"[\"'“‘「](?P<words>[^\"'“”‘’「」]{1,40})[\"'”’」]"


def _condition(match: re.Match[str], _today: date) -> Condition:
    groups = match.groupdict()
    letters = groups.get("letter") or groups.get("words") or ""
    return Predicate("title", "^=", letters.upper() if len(letters) == 1 else letters.strip())


def _contained(match: re.Match[str], _today: date) -> Condition | None:
    if match["contained"].strip() in _KINDS_OF_CHARACTERS:
        return None  # "with a number in the title" means any number
    words = match["contained"].strip()
    title = Predicate("title", "=", words)
    singular = words.removesuffix("s")
    if match["quoted"] or " " in words or len(singular) < _SHORTEST or singular in (words, f"{words[:-2]}s"):
        return title
    return Or((title, Predicate("title", "=", singular)))  # "with cats in the title"


# Patterns over a question in lower case, each with the meaning of its match. A plot may "start with a murder", so only
# a letter, or words in quotation marks, are the beginning of a title.
PATTERNS: tuple[tuple[str, Callable[[re.Match[str], date], Condition | None]], ...] = (
    (
        rf"\b(?:(?:that|which|whose) )?{_BEGINS} (?:the |an? )?(?:capital )?(?:letters? )?[\"'“‘]?(?P<letter>\w){_END}",
        _condition,
    ),
    (rf"\b(?:(?:that|which|whose) )?{_BEGINS} (?:the )?(?:words? )?{_QUOTED}", _condition),
    (
        (
            r"\b(?:with|has|have|having|contain(?:s|ing)?) (?:the words? )?(?P<quoted>[\"'“])?"
            r"(?P<contained>[\w' -]{1,30}?)[\"'”]? in (?:the|its|their|a) (?:titles?|names?)\b"
        ),
        _contained,
    ),
    (
        (
            r"(?:\b(?:that|which|whose) )?\b(?:titles?|names?)\b(?: that| which)? "
            r"(?:contain(?:s|ing)?|includ(?:es?|ing)|with|ha(?:s|ve))"
            rf" (?:the words? (?P<quoted>[\"'“])?|[\"“])(?P<contained>[\w' -]{{1,30}}?)[\"'”]?{_END}"
        ),
        _contained,
    ),
    (r"\b(?:under|with) (?:the )?letter [\"'“‘]?(?P<letter>\w)\b", _condition),
    (r"[「\"“]?(?P<letter>\w)[」\"”]?から始まる|[「\"“](?P<words>[^」\"”]{1,40})[」\"”](?:から|で)始まる", _condition),
)
