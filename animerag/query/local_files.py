"""Reads questions about files on disk: episodes owned and missing, languages, resolution, size. Pure."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from animerag.query.plan import Not, Predicate, both, either
from animerag.text import languages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from animerag.models.shows import Show
    from animerag.query.plan import Condition, FieldName, Operator

NUMBERS = ("owned_episodes", "missing_episodes", "resolution", "file_size")
LANGUAGES = {"audio_language": "audio_languages", "subtitle_language": "subtitle_languages"}
ANY, DUBBED = "any", "dubbed"  # values for a language: any, and any but the original
ORIGINAL = "Japanese"
_UNITS = {"tb": 10**12, "tib": 2**40, "gb": 10**9, "gib": 2**30, "mb": 10**6, "mib": 2**20}
_NAMED_HEIGHTS = {"4k": 2160, "uhd": 2160, "ultra hd": 2160, "full hd": 1080, "fullhd": 1080, "fhd": 1080}
_HD = 720
_LANGUAGE = r"\b(?:" + "|".join(name.casefold() for name in languages.NAMES) + r")\b"
_SEVERAL = rf"(?P<languages>{_LANGUAGE}(?:\s*(?:,|\bor\b|\band\b)+\s*{_LANGUAGE})*)"
_COMPARE: dict[Operator, str] = {
    ">=": r"at least|no fewer than|minimum",
    "<=": r"at most|no more than|up to",
    ">": r"more than|over|above|larger than|bigger than|better than|higher than",
    "<": r"less than|fewer than|under|below|smaller than|lower than|worse than",
}
_CMP = r"(?:\b(?P<cmp>" + "|".join(_COMPARE.values()) + r")\s+)"


def recorded(shows: Iterable[Show]) -> tuple[str, ...]:
    """Return the topics of the lexicon's `missing` that the files of some show record."""
    topics: dict[str, None] = {}
    for show in shows:
        if show.owned_episodes is not None:
            topics["file"] = None
        if show.audio_languages or show.subtitle_languages:
            topics["dub"] = None
        if show.resolution:
            topics["picture quality"] = None
    return tuple(topics)


def read(text: str, topics: Iterable[str]) -> Iterator[tuple[int, int, Condition]]:
    """Yield each condition on files with its place, as far as the catalogue records its topic."""
    for topic, pattern, condition_of in _PATTERNS if topics else ():
        if topic not in topics:
            continue
        for match in list(pattern.finditer(text)):
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            yield start, match.end(), condition_of(match)
            text = text[:start] + "\x00" * (match.end() - start) + text[match.end() :]


def value_of(show: Show, field: str) -> Any:
    """Return the value of a field for conditions and orders; None if it is unknown."""
    if field == "resolution":
        return int(show.resolution.removesuffix("p")) if show.resolution else None
    return getattr(show, LANGUAGES.get(field, field))


def speaks(wanted: str, field: str) -> Callable[[Show], bool | None]:
    """Return a test of a show's languages, whose result is None if none are known."""

    def test(show: Show) -> bool | None:
        known = getattr(show, LANGUAGES[field])
        if wanted == ANY:
            return bool(known) if show.owned_episodes else None
        if not known:
            return False if field == "subtitle_language" and show.audio_languages else None
        return any(name != ORIGINAL for name in known) if wanted == DUBBED else wanted in known

    return test


def phrase(one: Predicate) -> str:
    """Return a condition on files in words."""
    value, words = one.value, _WORDED.get(one.operator, "{}")
    if one.operator == "unknown":
        return f"unknown {one.field.replace('_', ' ')}"
    if one.field == "audio_language":
        return "dubbed" if value == DUBBED else "with audio" if value == ANY else f"with {value} audio"
    if one.field == "subtitle_language":
        return "with subtitles" if value == ANY else f"with {value} subtitles"
    if one.field == "resolution":
        return f"in {words.format(f'{value}p')}"
    if one.field == "file_size":
        return f"with {words.format(size_text(int(value)))} on disk"  # type: ignore[arg-type]
    if (one.field, one.operator, value) == ("owned_episodes", ">=", 1):
        return "on disk"
    if (one.field, one.operator, value) == ("owned_episodes", "=", 0):
        return "not on disk"
    if (one.field, one.operator, value) == ("missing_episodes", ">=", 1):
        return "with missing episodes"
    if (one.field, one.operator, value) == ("missing_episodes", "=", 0):
        return "with no missing episodes"
    kind = "missing episodes" if one.field == "missing_episodes" else "episodes on disk"
    return f"with {words.format(value)} {kind}"


def statement(show: Show, name: str) -> str | None:
    """Return the predicate of a sentence about one of these fields; None for other fields or if it is unknown."""
    if name == "owned_episodes" and show.owned_episodes is not None:
        of = f" of {show.episodes:,}" if show.episodes else ""
        return f"has {show.owned_episodes:,}{of} episodes on disk"
    if name == "missing_episodes" and show.missing_episodes is not None:
        return f"is missing {_episodes(show.missing_episodes)}" if show.missing_episodes else "is missing no episodes"
    if name == "file_size" and show.file_size:
        return f"takes {size_text(show.file_size)} on disk"
    if name == "resolution" and show.resolution:
        return f"has the resolution {show.resolution}"
    if name == "audio_languages" and show.audio_languages:
        return f"has audio in {_listed(show.audio_languages)}"
    if name == "subtitle_languages" and show.subtitle_languages:
        return f"has subtitles in {_listed(show.subtitle_languages)}"
    return None


def size_text(size: int) -> str:
    """Return a number of bytes as people read it: "12.3 GB"."""
    unit = next((unit for unit in ("tb", "gb") if size >= _UNITS[unit]), "mb")
    number = size / _UNITS[unit]
    return f"{number:.1f} {unit.upper()}".replace(".0 ", " ")


def _episodes(number: int) -> str:
    return "1 episode" if number == 1 else f"{number:,} episodes"


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


_WORDED = {"<": "under {}", "<=": "at most {}", "=": "{}", ">": "over {}", ">=": "at least {}"}


def _operator(match: re.Match[str], otherwise: Operator) -> Operator:
    comparison = match["cmp"] or ""
    return next((operator for operator, words in _COMPARE.items() if re.fullmatch(words, comparison)), otherwise)


def _fixed(condition: Condition) -> Callable[[re.Match[str]], Condition]:
    return lambda _: condition


def _in_languages(field: FieldName) -> Callable[[re.Match[str]], Condition]:
    def condition(match: re.Match[str]) -> Condition:
        names = [languages.name_of(name) or "" for name in re.findall(_LANGUAGE, match["languages"])]
        tests = [Predicate(field, "=", name) for name in names]
        return either(*tests) if re.search(r"\bor\b", match["languages"]) else both(*tests)

    return condition


def _resolution(match: re.Match[str]) -> Condition:
    text = match["height"]
    height = int(text[:-1]) if text[0].isdigit() and text.endswith("p") else _NAMED_HEIGHTS.get(text, _HD)
    better: Operator = ">=" if match["post"] or text == "hd" else "="
    return Predicate("resolution", _operator(match, better), height)


def _size(match: re.Match[str]) -> Condition:
    size = float(match["n"].replace(",", "")) * _UNITS[match["unit"]]
    return Predicate("file_size", _operator(match, ">="), int(size))


def _count(field: FieldName) -> Callable[[re.Match[str]], Condition]:
    return lambda match: Predicate(field, _operator(match, "="), int(match["n"]))


_ON_DISK = r"\bon (?:my |the )?(?:disk|disc|hard ?(?:disk|drive)|drive|server|nas)\b"
_INCOMPLETE, _COMPLETE = Predicate("missing_episodes", ">=", 1), Predicate("missing_episodes", "=", 0)
_OWNED = Predicate("owned_episodes", ">=", 1)
# In the order in which they are tried; words that one pattern explains are not read again.
_PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], Condition]], ...] = tuple(
    (topic, re.compile(pattern), condition)
    for topic, pattern, condition in (
        (
            "dub",
            rf"{_SEVERAL}[\s-]+(?:subtitles?|subs?\b|subbed|captions?)",
            _in_languages("subtitle_language"),
        ),
        (
            "dub",
            rf"\b(?:subtitled|subbed|subtitles|subs) (?:in|are|is) {_SEVERAL}",
            _in_languages("subtitle_language"),
        ),
        (
            "dub",
            rf"{_SEVERAL}[\s-]+(?:audio|dub(?:s|bed)?|voices?|sound|spoken)(?: tracks?)?\b",
            _in_languages("audio_language"),
        ),
        ("dub", rf"\b(?:dubbed|dub|dubs|audio|spoken) (?:in|is) {_SEVERAL}", _in_languages("audio_language")),
        (
            "dub",
            r"\b(?:are |is |that are )?dubbed\b|\bwith (?:an? )?dub\b",
            _fixed(Predicate("audio_language", "=", DUBBED)),
        ),
        (
            "dub",
            r"\b(?:without|with no|no|lack|lacking|have no|has no) (?:any )?(?:subtitles|subs)\b",
            _fixed(Not(Predicate("subtitle_language", "=", ANY))),
        ),
        (
            "dub",
            r"\b(?:subtitled|subbed)\b|\b(?:with|have|has) (?:any )?(?:subtitles|subs)\b",
            _fixed(Predicate("subtitle_language", "=", ANY)),
        ),
        (
            "picture quality",
            rf"{_CMP}?(?:in |at )?\b(?P<height>(?:2160|1440|1080|720|576|480|360|240)p|4k|uhd|ultra hd|full ?hd|fhd|hd)\b(?P<post>\s*(?:\+|or (?:better|higher|more|above)))?",
            _resolution,
        ),
        (
            "file",
            rf"(?:\b(?:takes?|taking|uses?|using|needs?) (?:up )?)?{_CMP}?\b(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<unit>tib|gib|mib|tb|gb|mb)\b",
            _size,
        ),
        ("file", rf"\bmissing {_CMP}?(?P<n>\d+) (?:episodes?|eps)\b", _count("missing_episodes")),
        ("file", rf"{_CMP}?\b(?P<n>\d+) missing (?:episodes?|eps)\b", _count("missing_episodes")),
        (
            "file",
            r"\b(?:without|with no|no|not?|lacks?|have no|has no) (?:any )?missing (?:an? )?(?:episodes?|eps)\b|\b(?:all|every)(?: of the| single)? (?:episodes?|eps)\b(?: of)?|\bcomplete "
            + _ON_DISK.removeprefix(r"\b")
            + r"|\bcomplete (?:collections?|downloads?)\b|\b(?:i )?(?:own|have|got)(?: it| them)? (?:completely|in full|fully)\b|\bfully (?:downloaded|owned)\b|\b(?:are|is) complete\b(?! airing)",
            _fixed(_COMPLETE),
        ),
        (
            "file",
            r"\bincomplete\b|\bnot complete\b(?! airing)|\b(?:i )?(?:have |has |with |are |is |am )?missing (?:some |an? |any )?(?:episodes?|eps)\b(?: of)?|\b(?:episodes?|eps) (?:that )?(?:are |is |am |i am |i'm )?(?:missing|lacking)\b",
            _fixed(_INCOMPLETE),
        ),
        (
            "file",
            r"\b(?:without|with no|have no|has no|no) files?\b|\bno (?:episodes?|eps) (?:"
            + _ON_DISK.removeprefix(r"\b")
            + ")",
            _fixed(Predicate("owned_episodes", "=", 0)),
        ),
        ("file", rf"{_ON_DISK}|\bdownloaded\b|\b(?:with|have|has) files\b", _fixed(_OWNED)),
    )
)
