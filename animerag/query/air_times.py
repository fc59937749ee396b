"""Reads when a show aired: years, decades, seasons and months, and the conditions that they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.query.lexicon import lexicon
from animerag.query.number_words import NUMBER, number_of
from animerag.query.plan import And, Predicate, both

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from datetime import date

    from animerag.query.plan import Condition, FieldName

_Y = r"(?P<y>(?:19|20)\d\d)(?![\d,.]\d|\d|\s*(?:votes?|voters?|people|users?|episodes?|eps?|minutes?|話|票))"
_AIRED = r"(?:(?:that |which )?(?:were |was |are )?(?:started|began|aired|airing|premiered|debuted|released|made|came out|broadcast)\s+)?"
_SEASONS = {spelling: name for name, spellings in lexicon()["seasons"].items() for spelling in spellings}
_SEASON = r"(?P<season>" + "|".join(sorted(_SEASONS, key=len, reverse=True)) + r")"
# The first and the last year of this part of a decade.
_PART_OF_DECADE = {
    **dict.fromkeys(("early", "first half of", "beginning of", "start of"), (0, 4)),
    **dict.fromkeys(("mid", "middle of"), (3, 6)),
    **dict.fromkeys(("late", "second half of", "latter half of", "end of"), (5, 9)),
}
_SPELLED_DECADES = {"sixties": 1960, "seventies": 1970, "eighties": 1980, "nineties": 1990, "noughties": 2000}
_QUARTERS = ("winter", "spring", "summer", "fall")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = r"(?P<month>" + "|".join(_MONTHS) + r")"


def year_range(low: int | None, high: int | None, name: FieldName = "year") -> Condition:
    """Return a condition on years, both ends included."""
    if low is not None and low == high:
        return Predicate(name, "=", low)
    ends = ((">=", low), ("<=", high))
    return both(*(Predicate(name, operator, end) for operator, end in ends if end is not None))  # type: ignore[arg-type]


def _decade(match: re.Match[str], _today: date) -> Condition:
    if match["spelled"]:
        start = _SPELLED_DECADES[match["spelled"]]
    elif match["ja"]:
        tens = int(match["ja"])
        start = 10 * (tens if tens >= 100 else tens + (200 if tens < 3 else 190))
    else:
        decade = int(match["decade"])
        start = (int(match["century"]) if match["century"] else 20 if decade < 3 else 19) * 100 + decade * 10
    first, last = _PART_OF_DECADE.get(match["part"] or "", (0, 9))
    when = match["when"] or ""
    if when in ("before", "older than", "pre"):
        return year_range(None, start - 1)
    if when in ("after", "newer than", "post"):
        return year_range(start + 10, None)
    if when == "since" or match["on"]:
        return year_range(start, None)
    return year_range(start + first, start + last)


def _season(match: re.Match[str], today: date) -> Condition:
    season = Predicate("season", "=", _SEASONS[match["season"]])
    groups = match.groupdict()
    year = groups.get("y")
    if year:
        return both(season, Predicate("year", "=", int(year)))
    this = {"this": 0, "last": -1, "next": 1}.get(groups.get("which") or "")
    return season if this is None else both(season, Predicate("year", "=", today.year + this))


def _month(match: re.Match[str], _today: date) -> Condition:
    first = f"{match['y']}-{_MONTHS.index(match['month']) + 1:02}"
    return And((Predicate("air_date", ">=", f"{first}-01"), Predicate("air_date", "<=", f"{first}-31")))


def _relative_year(match: re.Match[str], today: date) -> Condition:
    years = {"this": 0, "last": -1, "next": 1, "今年": 0, "去年": -1, "昨年": -1, "来年": 1}
    return Predicate("year", "=", today.year + years[match["which"]])


def _airing_season(match: re.Match[str], today: date) -> Condition:
    """Read "this season" and "last season", in which a year has four."""
    place = 4 * today.year + (today.month - 1) // 3 - (match["which"] in ("last", "previous"))
    return both(Predicate("season", "=", _QUARTERS[place % 4]), Predicate("year", "=", place // 4))


def _last_years(match: re.Match[str], today: date) -> Condition:
    number = 10 if match["decade"] else int(number_of(match, "n"))
    return Predicate("year", ">", today.year - number)


def _age(match: re.Match[str], today: date) -> Condition:
    return Predicate("year", "<" if match["than"] == "old" else ">", today.year - int(number_of(match, "n")))


def _years(low: int | None, high: int | None, name: FieldName = "year") -> Callable[[re.Match[str], date], Condition]:
    """Return a reader for "before 2010", given the year's distance to each end of the range; None for an open end."""

    def read(match: re.Match[str], _today: date) -> Condition:
        year = int(match["y"])
        return year_range(None if low is None else year + low, None if high is None else year + high, name)

    return read


_BEFORE, _AFTERWARDS = r"before|prior to|older than|earlier than|pre-?|vor", r"after|later than|newer than|post-?|nach"

# In the order in which they are tried.
PATTERNS: tuple[tuple[str, Callable[[re.Match[str], date], Condition | None]], ...] = (
    (
        r"(?:\b(?P<both>between|zwischen)\b|from|in)?\s*\b(?P<low>(?:19|20)\d\d)年?\s*(?:(?(both)(?:and|und)|to)|to|through|until|till|bis|-|–|—|~|〜|から)\s*(?P<high>(?:19|20)\d\d)\b(?!\s*(?:votes?|voters?|people|episodes?|eps?)\b)(?:年?(?:まで)?)(?:の間)?",
        lambda match, _: year_range(int(match["low"]), int(match["high"])),
    ),
    (
        (
            rf"{_AIRED}(?:(?P<when>before|older than|after|newer than|since|pre|post)[\s-]+)?(?:(?:in|of|from|during|aus)\s+)?(?:the\s+|den\s+)?(?:(?P<part>{'|'.join(_PART_OF_DECADE)})[\s-]+)?(?:the\s+)?"
            r"(?:\b(?P<century>19|20)?(?P<decade>\d)0(?:['’]?s|ern?)\b|\b(?P<spelled>sixties|seventies|eighties|nineties|noughties)\b|(?P<ja>(?:19|20)\d|(?<!\d)\d)0年代)"
            r"(?P<on>\s+(?:onwards?|(?:and|or) (?:later|newer|after))\b)?"
        ),
        _decade,
    ),
    (
        rf"{_AIRED}(?:(?:in|of|from|during)\s+)?(?:the )?\b{_SEASON}(?: season)?(?: of)?(?: anime)?[\s,-]+{_Y}\b",
        _season,
    ),
    (rf"(?:(?:in|of|from)\s+)?\b{_Y}年?(?:の)?[\s-]*{_SEASON}(?![a-z])(?: season)?", _season),
    (rf"(?:(?:in|from)\s+)?\b(?P<which>this|last|next) {_SEASON}\b(?: season)?", _season),
    (rf"\b{_SEASON}(?= (?:anime|season|seasons|shows?|series|ones?|releases)\b)(?: seasons?)?", _season),
    (rf"{_AIRED}\b(?:in|from) (?:any |the )?{_SEASON}\b(?=\W*$)", _season),
    (rf"{_AIRED}(?:in|from)?\s*\b{_MONTH}(?: of)?,? {_Y}", _month),
    (
        rf"(?:that )?(?:finish(?:ed)?|end(?:ed|s)?|conclud(?:ed|es))(?: airing)?\s+(?:in|during)\s+{_Y}",
        _years(0, 0, "end_year"),
    ),
    (rf"(?:that )?(?:finish(?:ed)?|end(?:ed|s)?)(?: airing)?\s+(?:{_BEFORE})\s*{_Y}", _years(None, -1, "end_year")),
    (
        rf"(?:that )?(?:finish(?:ed)?|end(?:ed|s)?)(?: airing)?\s+(?:{_AFTERWARDS}|since)\s*{_Y}",
        _years(1, None, "end_year"),
    ),
    (rf"(?:from\s+)?{_AIRED}\b(?:{_BEFORE})\s*(?:the (?:year|end of) )?{_Y}", _years(None, -1)),
    (rf"{_AIRED}\b(?:until|up to|till|by|bis|no later than|not after)\s+(?:the year )?{_Y}", _years(None, 0)),
    (rf"(?:from |in )?\b{_Y}\s*(?:or|and|oder) (?:earlier|before|older|fruher)", _years(None, 0)),
    (rf"{_AIRED}\b(?:{_AFTERWARDS})\s*(?:the year )?{_Y}", _years(1, None)),
    (rf"{_AIRED}\b(?:since|seit|ab|no earlier than|not before)\s+(?:the year )?{_Y}", _years(0, None)),
    (
        rf"(?:from |in )?\b{_Y}\s*(?:(?:or|and|oder) (?:later|newer|after|up|spater)|on(?:wards?)?\b|\+)",
        _years(0, None),
    ),
    (rf"{_Y}年(?:以降|から)", _years(0, None)),
    (rf"{_Y}年(?:以前|まで)", _years(None, 0)),
    (rf"{_Y}年(?:より前|前)", _years(None, -1)),
    (rf"{_Y}年(?:より後|後)", _years(1, None)),
    (rf"{_AIRED}(?:(?:in|of|from|during|for|aus)\s+)?(?:the year )?\b{_Y}年?", _years(0, 0)),
    (r"(?:from |in )?(?:\b(?P<which>this|last|next) year\b(?:'s)?)", _relative_year),
    (
        r"(?:in |from |of |during )?\b(?:the )?(?P<which>this|current|last|previous) season\b(?:'s)?(?! of\b)",
        _airing_season,
    ),
    (r"(?P<which>今年|去年|昨年|来年)", _relative_year),
    (
        rf"(?:in |from |of |during )?(?:the )?(?:last|past) (?:(?P<decade>decade)\b|{NUMBER.format('n')} years\b)",
        _last_years,
    ),
    (rf"\b(?P<than>old|new|young)er than {NUMBER.format('n')} years?\b(?: old\b)?", _age),
)
