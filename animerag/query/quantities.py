"""Reads numbers, dates and ranges in a question: patterns, and the comparison that each of them means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.absent_values import PATTERNS as ABSENT
from animerag.query.lexicon import lexicon
from animerag.query.plan import FOLLOWED, And, Not, Predicate, both
from animerag.query.title_conditions import PATTERNS as TITLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from animerag.query.plan import Condition, FieldName, Operator

_WORDS: dict[str, int] = lexicon()["numbers"]
_NUMBER = (
    r"(?P<{0}>\d[\d,]*(?:\.\d+)?|(?:" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")\b)"
    r"(?:\s*(?P<{0}_times>million|thousand|hundred|k\b|m\b|万))?"
)
_TIMES = {"million": 1_000_000, "m": 1_000_000, "thousand": 1000, "k": 1000, "hundred": 100, "万": 10_000}
_COMPARE: dict[Operator, str] = {
    ">=": r"at least|no fewer than|no less than|not less than|not (?:under|below)|minimum(?: of)?|min|mindestens|>=|≥",
    "<=": r"at most|no more than|not more than|not (?:over|above)|up to|maximum(?: of)?|max|within|hochstens|maximal|<=|≤",
    ">": r"more than|over|above|greater than|longer than|higher than|better than|exceeding|beyond|upwards of|mehr als|uber|>",
    "<": r"fewer than|less than|under|below|shorter than|lower than|worse than|weniger als|unter|<",
    "=": r"exactly|precisely|just|only|of|is|are|at|genau|around|about|roughly|=",
}
_AFTER: dict[Operator, str] = {
    ">=": r"\+|(?:or|and) (?:more|higher|above|better|longer|over|greater|up|upwards?)\b|minimum\b|oder mehr\b|plus\b",
    "<=": r"(?:or|and) (?:less|fewer|lower|below|under|shorter|worse)\b|max(?:imum)?\b|tops\b|at most\b|oder weniger\b",
}
_PRE = r"(?:(?P<cmp>" + "|".join(f"(?:{words})" for words in _COMPARE.values()) + r")\s*)"
_POST = r"(?:\s*(?P<post{0}>" + "|".join(f"(?:{words})" for words in _AFTER.values()) + r")(?!\s*\d))?"
_UNITS: dict[FieldName, str] = {
    "episodes": r"(?:episodes?|eps?|folgen|episoden)\b",
    "votes": r"(?:votes?|voters?|people|users?|viewers?|ratings)\b",
    "rating": r"(?:points?|stars?|out of (?:10|ten))\b|/\s*10\b",
    "duration": r"(?:minutes?|mins?)\b",
    "seasons": r"(?:seasons?|staffeln?)\b",
}
_UNIT = r"(?:\s*-?\s*(?:" + "|".join(f"(?P<{name}>{unit})" for name, unit in _UNITS.items()) + r"))"
_LEADS: dict[FieldName, str] = {
    "episodes": r"(?:number of )?(?:episodes?|eps)|episode counts?",
    "votes": r"(?:number of )?votes?",
    "duration": r"running times?|minutes",
}
_LED = rf"\b(?P<lead>{'|'.join(_LEADS.values())})\s+(?:is |are |of )?{_PRE}{_NUMBER.format('n')}(?![\d.])(?!\s*-?\s*(?:episodes?|eps|minutes?|mins?|votes?)\b)"
_GOES_ON = re.compile(
    rf"\s*{_PRE}{_NUMBER.format('n')}(?![\w.])(?!\s*-?\s*(?:episodes?|eps|minutes?|mins?|votes?|stars?|points?)\b)"
)
BOUND_BEFORE = re.compile(rf"{_PRE}{_NUMBER.format('n')}\s+(?:and|but|or|oder|und)\s+$")
_RATED = r"(?P<rated>\b(?:my |(?:an? )?(?:average|mean) )?(?:rat(?:ed|ing|ings)|scor(?:ed|es|e|ing)|bewertung|marks?)(?:\s+(?:of|is|are|at|that is|was))?\s*)"
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


def _number(match: re.Match[str], name: str) -> float:
    figure = match[name]
    number = _WORDS[figure] if figure in _WORDS else float(figure.replace(",", ""))
    return number * _TIMES.get(match[f"{name}_times"] or "", 1)


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _unit(match: re.Match[str]) -> FieldName | None:
    groups = match.groupdict()
    unit = next((name for name in _UNITS if groups.get(name)), None)
    return unit or ("rating" if groups.get("rated") else None)


def _operator(comparison: str, table: dict[Operator, str]) -> Operator | None:
    return next((operator for operator, words in table.items() if re.fullmatch(words, comparison)), None)


def _quantity(match: re.Match[str], _today: date) -> Condition | None:
    comparison, after = (match["cmp"] or "").strip(), match["post1"] or match["post2"] or ""
    operator: Operator = _operator(after, _AFTER) or _operator(comparison, _COMPARE) or "="
    number, name = _plain(_number(match, "n")), _unit(match)
    if name is None and comparison and operator != "=" and number <= 10 and "." in match["n"]:
        name = "rating"  # a decimal such as "over 8.5" can only be a rating
    if name is None and after and operator != "=" and number < 10:
        name = "rating" if after == "+" else None
    if name is None:
        return None
    if name == "rating" and match["rated"] and match["rated"].startswith("my "):
        name = "my_score"
    exactly = "exact" in comparison or "precise" in comparison or "." in match["n"]
    if name == "rating" and operator == "=" and not exactly and number < 10:
        return And((Predicate(name, ">=", number), Predicate(name, "<", number + 1)))  # "rated 8" means 8 to 8.99
    if comparison in ("around", "about", "roughly") and name == "episodes":
        return And((Predicate(name, ">=", round(number * 0.75)), Predicate(name, "<=", round(number * 1.25))))
    return Predicate(name, operator, number)


def _hours(match: re.Match[str], _today: date) -> Condition:
    hours = _number(match, "n") if match["n"] else 1
    return Predicate("duration", _operator(match["cmp"].strip(), _COMPARE) or "=", _plain(60 * hours))


def _led(match: re.Match[str], _today: date) -> Condition | None:
    """Read a bound after its field: "episodes over 20"."""
    name = next(name for name, words in _LEADS.items() if re.fullmatch(words, match["lead"]))
    return bound_of(match, name)


def bound_of(match: re.Match[str], name: FieldName) -> Condition:
    """Return the bound on a field from a match of a comparison and a number."""
    return Predicate(name, _operator(match["cmp"].strip(), _COMPARE) or "=", _plain(_number(match, "n")))


def inherited(text: str, start: int, name: FieldName) -> tuple[int, Condition] | None:
    """Return the end and the condition of a second bound on the same field: "... and under 30"."""
    match = _GOES_ON.match(text, start)
    return (match.end(), bound_of(match, name)) if match else None


def _between(match: re.Match[str], _today: date) -> Condition | None:
    name = _unit(match)
    low, high = _plain(_number(match, "low")), _plain(_number(match, "high"))
    if name is None and high <= 10:
        name = "rating"
    return None if name is None else And((Predicate(name, ">=", low), Predicate(name, "<=", high)))


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
    number = 10 if match["decade"] else int(_number(match, "n"))
    return Predicate("year", ">", today.year - number)


def _age(match: re.Match[str], today: date) -> Condition:
    return Predicate("year", "<" if match["than"] == "old" else ">", today.year - int(_number(match, "n")))


def _years(low: int | None, high: int | None, name: FieldName = "year") -> Callable[[re.Match[str], date], Condition]:
    """Return a reader for "before 2010", given the year's distance to each end of the range; None for an open end."""

    def read(match: re.Match[str], _today: date) -> Condition:
        year = int(match["y"])
        return year_range(None if low is None else year + low, None if high is None else year + high, name)

    return read


def _fixed(condition: Condition) -> Callable[[re.Match[str], date], Condition]:
    return lambda _match, _today: condition


_JAPANESE_AFTER: dict[str, Operator] = {
    "以上": ">=",
    "以下": "<=",
    "未満": "<",
    "より多い": ">",
    "を超える": ">",
    "より少ない": "<",
}
_JAPANESE_UNITS: dict[str, FieldName] = {"話": "episodes", "票": "votes", "点": "rating", "分": "duration"}


def _japanese_quantity(match: re.Match[str], _today: date) -> Condition | None:
    name: FieldName | None = "rating" if match["rated"] else _JAPANESE_UNITS.get(match["unit"] or "")
    if name is None:
        return None
    number = _plain(float(match["n"].replace(",", "")) * (10_000 if match["times"] else 1))
    return Predicate(name, _JAPANESE_AFTER.get(match["post"] or "", "="), number)


_SHORT_FILM_MIN, _LONG_FILM_MIN = 60, 120  # minutes
_BEFORE, _AFTERWARDS = r"before|prior to|older than|earlier than|pre-?|vor", r"after|later than|newer than|post-?|nach"

# In the order in which they are tried; words that one pattern explains are not read again.
PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Condition | None]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        *ABSENT,
        *TITLES,
        (
            r"\bafter (?:only |just )?(?P<n>\d+|one|two|three|four|five|six) (?:episodes?|eps)\b",
            lambda match, _: Predicate("my_progress", "<=", int(_WORDS.get(match["n"], 0) or match["n"])),
        ),
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
            rf"(?:in |from |of |during )?(?:the )?(?:last|past) (?:(?P<decade>decade)\b|{_NUMBER.format('n')} years\b)",
            _last_years,
        ),
        (rf"\b(?P<than>old|new|young)er than {_NUMBER.format('n')} years?\b(?: old\b)?", _age),
        (
            rf"{_RATED}?\b(?:between|from|with)?\s*{_NUMBER.format('low')}\s*(?:and|to|-|–|—|~|〜)\s*{_NUMBER.format('high')}{_UNIT}?",
            _between,
        ),
        (rf"{_PRE}(?:{_NUMBER.format('n')}|an)\s*-?\s*(?:hours?|hrs?)\b(?: long)?", _hours),
        (_LED, _led),
        (rf"{_RATED}?{_PRE}?(?<![\w.]){_NUMBER.format('n')}{_POST.format(1)}{_UNIT}?{_POST.format(2)}", _quantity),
        (
            r"(?P<rated>評価[がはの]?|スコア[がは]?)?(?:全)?(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<times>万)?(?P<unit>話|票|点|分)?(?P<post>以上|以下|未満|より多い|を超える|より少ない)?",
            _japanese_quantity,
        ),
        (
            r"\b(?:rom[\s-]?coms?|romantic comed(?:y|ies))\b",
            _fixed(And((Predicate("tag", "=", "romance"), Predicate("tag", "=", "comedy")))),
        ),
        (r"\b(?:single|one)[\s-]episode\b|\bone[- ]shots?\b", _fixed(Predicate("episodes", "=", 1))),
        (
            r"\b(?:one|single|1)[\s-]cour\b",
            _fixed(And((Predicate("episodes", ">=", 10), Predicate("episodes", "<=", 14)))),
        ),
        (
            r"\b(?:two|double|2)[\s-]cours?\b",
            _fixed(And((Predicate("episodes", ">=", 20), Predicate("episodes", "<=", 28)))),
        ),
        (
            r"\b(?:still|currently|not finished) (?:airing|running|ongoing)\b|\b(?:airing|running|on air) (?:right )?now\b|\bongoing\b|放送中",
            _fixed(Predicate("status", "=", "airing")),
        ),
        (
            r"\b(?:finished|completed|complete) (?:airing|series|shows?)\b|\balready (?:ended|over)\b|完結",
            _fixed(Predicate("status", "=", "finished")),
        ),
        (
            r"\b(?:that|which) (?:has |have |is |are )?(?:finished|ended|over|completed?)\b",
            _fixed(Predicate("status", "=", "finished")),
        ),
        (
            r"\b(?:recent|new|modern)(?= (?:anime|shows?|movies?|films?|series|titles?|stuff|releases?|ones)\b|\W*$)",
            lambda _, today: Predicate("year", ">=", today.year - 3),
        ),
        (
            r"\b(?:old|retro|vintage)(?= (?:anime|shows?|movies?|films?|series|titles?|stuff|ones|mecha)\b| but good|\W*$)",
            _fixed(Predicate("year", "<=", 1999)),
        ),
        (
            r"\b(?:without|with no|have no|has no|(?:don.?t|doesn.?t|do not|does not) have|never got|got no) (?:an? |any )?sequels?\b|続編(?:が|の)ない",
            _fixed(Not(Predicate("relation", "=", FOLLOWED))),
        ),
        (
            r"\bsequel-?(?:less|free)\b|\b(?:stand-?alone|self-contained)\b",
            _fixed(Not(Predicate("relation", "=", FOLLOWED))),
        ),
        (
            r"\b(?:with|have|has|having|got) (?:an? )?sequels?\b|続編(?:が|の)ある",
            _fixed(Predicate("relation", "=", FOLLOWED)),
        ),
        (r"(?<=\bno )sequels?\b|(?<=\bnot )sequels?\b", _fixed(Predicate("relation", "=", "sequel"))),
        (
            r"\b(?:not|isn.?t|aren.?t|nicht)(?: (?:too|so|very|that|all that|overly|zu))? (?:long|lang)\b|\bnot? long\b",
            _fixed(Predicate("episodes", "<=", 26)),
        ),
        (
            r"\bshort(?:er)?(?= (?:[\w-]+ ){0,2}?(?:films?|movies?)\b)",
            _fixed(Predicate("duration", "<=", _SHORT_FILM_MIN)),
        ),
        (
            r"\blong(?= (?:[\w-]+ ){0,2}?(?:films?|movies?)\b)",
            _fixed(Predicate("duration", ">=", _LONG_FILM_MIN)),
        ),
        (
            r"\bshort(?:er)?(?= |$|,|\.|\?)(?! (?:than|guy|girl|boy|man|woman|kid|hair|stor))|\bkurze?\b|短(?:い|くて|め)",
            _fixed(Predicate("episodes", "<=", 13)),
        ),
        (
            r"\b(?:long|long-running|long running|lengthy|lange?)(?= |\W*$)(?! (?:hair|time|lost|ago|as|dead))|長い",
            _fixed(Predicate("episodes", ">=", 40)),
        ),
        (
            r"\b(?:nsfw|18\+|r-?18|adults? only|restricted|age[- ]restricted|adult content|adult(?= (?:anime|shows|titles)))\b",
            _fixed(Predicate("restricted", "=", True)),
        ),
        (r"\b(?:sfw|safe for work|not restricted|unrestricted)\b", _fixed(Predicate("restricted", "=", False))),
        (
            r"\b(?:bad(?:ly)?|low(?:ly)?|poor(?:ly)?)[- ](?:rat(?:ed|ings?)|scores?|scored|reviewed)\b|低評価",
            _fixed(Predicate("rating", "<", 6)),
        ),
        (
            r"\b(?:well[- ]rated|highly rated|high[- ]rated|good ratings?|high scores?|acclaimed)\b|高評価",
            _fixed(Predicate("rating", ">=", 8)),
        ),
    )
)
