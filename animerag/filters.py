"""Facts in a question: the conditions, order and field it asks for, in English and Japanese.

A small grammar takes out of the question what it understands, phrase by phrase. What is left decides how far that may
be trusted: nothing left means the whole question is about fields. Knows no show and does not search.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from animerag.models import Filters, Sort, WatchState
from animerag.words import terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from animerag.models import FactField

Ask = Literal["list", "count", "order", "value", "compare", "related", "similar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a question asks of the catalogue's fields; `left` are the words that none of it explains.

    `relative` are bounds that come from the show a question compares with: "like X but shorter".
    `direction` tells sequels from prequels; `lists` that it asks for all of something in so many words.
    """

    filters: Filters = Filters()
    sort: Sort | None = None
    limit: int | None = None
    ask: Ask | None = None
    field: FactField | None = None
    relative: tuple[Literal["shorter", "longer", "newer", "older", "better"], ...] = ()
    direction: Literal["after", "before", "any"] = "any"
    lists: bool = False
    left: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Tell whether every word that carries meaning was understood."""
        return not self.left


_WORD_NUMBERS = {
    name: number
    for number, name in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"a dozen": 12, "two dozen": 24, "twenty-four": 24, "twenty-six": 26, "thirty": 30, "fifty": 50, "hundred": 100}
_NUMBER = (
    r"(?P<{0}>\d[\d,]*(?:\.\d+)?|" + "|".join(sorted(_WORD_NUMBERS, key=len, reverse=True)) + r")"
    r"(?:\s*(?P<{0}_times>million|thousand|hundred|[mk](?![a-z])|万))?"
)
_TIMES = {"million": 1_000_000, "m": 1_000_000, "thousand": 1000, "k": 1000, "hundred": 100, "万": 10_000}
_ABOVE = r"more than|over|above|greater than|longer than|higher than|better than|exceeding|upwards of|beyond"
_BELOW = r"fewer than|less than|under|below|shorter than|lower than|worse than|not even"
_AT_LEAST = r"at least|no fewer than|no less than|not less than|minimum(?: of)?|from|>="
_AT_MOST = r"at most|no more than|not more than|up to|maximum(?: of)?|max|<="
_COMPARISON = rf"(?P<cmp>{_AT_LEAST}|{_AT_MOST}|{_ABOVE}|{_BELOW}|exactly|precisely|just|only|>|<)\s+(?:of\s+)?"
_AFTERWARDS = (
    r"\s*(?P<post>\+|or (?:more|higher|above|better|longer|over|greater)|and (?:more|higher|above|up|over|better)"
    r"|or (?:less|fewer|lower|below|under|shorter)|and (?:under|below))"
)
_UNITS = {
    "episodes": r"(?:episodes?|eps?|chapters)\b",
    "votes": r"(?:votes?|voters?|people|users?|viewers?|ratings)\b",
    "rating": r"(?:points?|stars?|out of (?:10|ten))\b|/\s*10\b",
}
_RATED = r"(?:rat(?:ed|ing|ings)|scor(?:ed?|es|ing)|marks?)(?:\s+(?:of|is|are|at|that is|was))*\s+"


def _numbered(name: str) -> str:
    return _NUMBER.format(name)


_QUANTITY = re.compile(
    rf"(?P<rated>\b{_RATED})?(?:{_COMPARISON})?\b{_numbered('n')}(?:{_AFTERWARDS})?"
    rf"(?:\s*-?\s*(?P<unit>{'|'.join(f'(?P<{name}>{unit})' for name, unit in _UNITS.items())}))?(?:{_AFTERWARDS.replace('post', 'post2')})?"
)
_BETWEEN = re.compile(
    rf"(?P<rated>\b{_RATED})?\b(?:between|from)?\s*{_numbered('low')}\s*(?:and|to|-|–|—|~|〜)\s*{_numbered('high')}"
    rf"(?:\s*-?\s*(?:{'|'.join(f'(?P<{name}>{unit})' for name, unit in _UNITS.items())}))?"
)
_Y = r"(?P<y>(?:19|20)\d\d)(?![\d,.]\d|\d)"
_STARTED = r"(?:(?:that |which )?(?:started|began|aired|premiered|debuted|released|made|came out|broadcast)\s+)?"
_ERA = re.compile(
    rf"{_STARTED}(?:(?:in|of|from|during|since)\s+)?(?:the\s+)?(?:(?P<part>early|mid|late)[\s-]+)?"
    r"(?:(?P<century>19|20)?(?P<decade>\d)0['’]?s\b|(?P<said>sixties|seventies|eighties|nineties|noughties)\b|(?P<ja>(?:19|20)\d)0年代)"
)
_SAID_DECADES = {"sixties": 1960, "seventies": 1970, "eighties": 1980, "nineties": 1990, "noughties": 2000}
_YEAR_RANGE = re.compile(
    r"(?:between|from|in)?\s*(?P<low>(?:19|20)\d\d)年?\s*(?:and|to|through|until|till|-|–|—|~|〜|から)\s*"
    r"(?P<high>(?:19|20)\d\d)(?:年?(?:まで)?)(?:の間)?"
)
_YEAR_FORMS: tuple[tuple[re.Pattern[str], Callable[[int], tuple[int | None, int | None]]], ...] = (
    (
        re.compile(
            rf"(?:from\s+)?{_STARTED}(?:before|prior to|older than|earlier than|pre-?)\s*(?:the (?:year|end of) )?{_Y}"
        ),
        lambda y: (None, y - 1),
    ),
    (
        re.compile(rf"{_STARTED}(?:until|up to|till|by|no later than|not after)\s+(?:the year )?{_Y}"),
        lambda y: (None, y),
    ),
    (re.compile(rf"{_Y}\s*(?:or|and) (?:earlier|before|older)"), lambda y: (None, y)),
    (re.compile(rf"{_STARTED}(?:after|later than|newer than|post-?)\s*(?:the year )?{_Y}"), lambda y: (y + 1, None)),
    (re.compile(rf"{_STARTED}since\s+(?:the year )?{_Y}"), lambda y: (y, None)),
    (
        re.compile(rf"(?:from\s+)?{_Y}\s*(?:or (?:later|newer|after)|and (?:later|after|newer)|on(?:wards?)?\b|\+)"),
        lambda y: (y, None),
    ),
    (re.compile(rf"{_Y}年(?:以降|から)"), lambda y: (y, None)),
    (re.compile(rf"{_Y}年以前|{_Y.replace('<y>', '<y2>')}年まで"), lambda y: (None, y)),
    (re.compile(rf"{_Y}年(?:より前|前)"), lambda y: (None, y - 1)),
    (re.compile(rf"{_Y}年(?:より後|後)"), lambda y: (y + 1, None)),
    (re.compile(rf"{_STARTED}(?:(?:in|of|from|during)\s+)?(?:the year )?\b{_Y}年?"), lambda y: (y, y)),
)
_JAPANESE_QUANTITY = re.compile(
    r"(?P<rated>評価[がはの]?|スコア[がは]?)?(?:全)?(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<times>万)?(?P<unit>話|票|点)?"
    r"(?P<post>以上|以下|未満|より多い|を超える|より少ない)?"
)
_JAPANESE_UNITS = {"話": "episodes", "票": "votes", "点": "rating"}

_STATUSES: tuple[tuple[re.Pattern[str], tuple[WatchState, ...]], ...] = (
    (
        re.compile(
            r"\b(?:unwatched|unseen|not (?:yet )?(?:watched|seen)(?: yet)?"
            r"|i (?:haven['’]?t|have not|have never|never)(?: yet)? (?:watched|seen|finished|started)(?: yet)?)\b"
            r"|未視聴|(?:まだ)?(?:見|観)(?:てい|て|たこと(?:の|が))ない"
        ),
        ("none", "plan_to_watch"),
    ),
    (
        re.compile(
            r"\b(?:on|from|in) my (?:plan[- ]to[- ]watch|watch)[- ]?list\b|\bplan[- ]to[- ]watch\b|\bi (?:plan|want) to watch\b|見る予定"
        ),
        ("plan_to_watch",),
    ),
    (re.compile(r"\b(?:i am|i['’]m) (?:currently |still )?watching\b|\bcurrently watching\b|視聴中"), ("watching",)),
    (re.compile(r"\b(?:i(?: have|['’]ve)? )?dropped\b|視聴中止"), ("dropped",)),
    (re.compile(r"\b(?:i(?: have|['’]ve)? put )?on[- ]hold\b"), ("on_hold",)),
    (
        re.compile(
            r"\b(?:i(?: have|['’]ve)? (?:already )?(?:watched|seen|completed|finished)|completed by me|already watched|my completed)\b|視聴済み?"
        ),
        ("completed",),
    ),
)

_MANY = r"(?:shows|titles|series|anime|ones|films|movies|entries)"
_SUPERLATIVES: tuple[tuple[re.Pattern[str], Sort], ...] = (
    (
        re.compile(
            r"\b(?:highest|best|top)[\s-]+(?:rat(?:ed|ing)|scor(?:ed|ing|e)|reviewed)\b|\bbest\b|\bhighest\b|評価が(?:一番|最も)?高い|最高評価"
        ),
        Sort(field="rating"),
    ),
    (
        re.compile(
            r"\b(?:lowest|worst)[\s-]+(?:rat(?:ed|ing)|scor(?:ed|ing|e)|reviewed)\b|\bworst\b|評価が(?:一番|最も)低い"
        ),
        Sort(field="rating", descending=False),
    ),
    (
        re.compile(r"\blongest(?:[\s-]+running)?\b|\bmost episodes\b|(?:一番|最も)(?:長い|話数が多い)"),
        Sort(field="episodes"),
    ),
    (
        re.compile(r"\bshortest\b|\bfewest episodes\b|(?:一番|最も)(?:短い|話数が少ない)"),
        Sort(field="episodes", descending=False),
    ),
    (
        re.compile(r"\bmost (?:popular|voted(?:[\s-]on)?|votes|viewed|watched)\b|(?:一番|最も)人気(?:の|がある)?"),
        Sort(field="votes"),
    ),
    (re.compile(r"\bleast (?:popular|voted(?:[\s-]on)?)\b|\bfewest votes\b"), Sort(field="votes", descending=False)),
    (re.compile(r"\b(?:newest|latest|most recent)\b|(?:一番|最も)新しい|最新"), Sort(field="year")),
    (re.compile(r"\b(?:oldest|earliest)\b|(?:一番|最も)古い"), Sort(field="year", descending=False)),
)
_TOP = re.compile(
    rf"\b(?:top|first|best)\s+{_numbered('n')}\b|\b{_numbered('m')}\s+(?=(?:best|highest|top|longest|shortest|most|newest|oldest|lowest|worst|latest|earliest)\b)"
)

_VALUES: tuple[tuple[re.Pattern[str], FactField], ...] = (
    (
        re.compile(
            r"\bhow many (?:episodes|eps)\b|\b(?:episode|episodes) count\b|\bnumber of episodes\b|\bhow long is\b|何話|話数"
        ),
        "episodes",
    ),
    (
        re.compile(
            r"\b(?:what|which) year\b|\bwhen (?:did|was|does|is)\b|\b(?:release|start|air(?:ing)?) (?:date|year)\b|\bhow old is\b|何年|いつ"
        ),
        "year",
    ),
    (
        re.compile(
            r"\bwhat (?:is|are|was) the (?:rating|score)s?\b|\bhow (?:highly |well )?(?:is|are|was) .{0,80}?\b(?:rated|scored)\b|\b(?:rating|score) of\b|評価|点数"
        ),
        "rating",
    ),
    (re.compile(r"\b(?:what|which) (?:genres?|tags?)\b|\bgenres? of\b|ジャンル|タグ"), "tags"),
    (re.compile(r"\bhow many (?:votes|people (?:voted|rated))\b"), "votes"),
)
_COMPARES: tuple[tuple[re.Pattern[str], Sort], ...] = (
    (
        re.compile(
            r"\b(?:came|comes|aired|started|was|released|is) (?:out )?(?:first|earlier)\b|\b(?:is|was|are) (?:the )?older\b|\bolder\b|どちらが先|どっちが先"
        ),
        Sort(field="year", descending=False),
    ),
    (
        re.compile(r"\b(?:is|was|are) (?:the )?newer\b|\bcame (?:out )?(?:later|last)\b|\bnewer\b|どちらが新しい"),
        Sort(field="year"),
    ),
    (re.compile(r"\b(?:is|are) (?:the )?longer\b|\bmore episodes\b|\blonger\b|どちらが長い"), Sort(field="episodes")),
    (
        re.compile(r"\b(?:is|are) (?:the )?shorter\b|\bfewer episodes\b|\bshorter\b|どちらが短い"),
        Sort(field="episodes", descending=False),
    ),
    (
        re.compile(r"\b(?:better|higher|best|highest)[\s-]+(?:rat(?:ed|ing)|scor(?:ed|e))\b|どちらが評価"),
        Sort(field="rating"),
    ),
    (re.compile(r"\bmore (?:popular|votes)\b"), Sort(field="votes")),
)
_RELATED: tuple[tuple[re.Pattern[str], Literal["after", "before", "any"]], ...] = (
    (
        re.compile(
            r"\b(?:what|which)(?: (?:show|series|season|anime))? (?:comes|came|is) (?:next )?after\b|\b(?:any |a |the |its )?sequels?(?: (?:to|of|for))?\b|\bnext season(?: of)?\b|\bwhat (?:do|should|can) i watch after\b|続編|続き"
        ),
        "after",
    ),
    (
        re.compile(
            r"\b(?:what|which)(?: (?:show|series|season))? (?:comes|came|is) before\b|\bprequels?(?: (?:to|of|for))?\b|前作|前日譚"
        ),
        "before",
    ),
    (
        re.compile(r"\b(?:related|connected) (?:to|shows|series)\b|\brelations? of\b|\bspin[- ]?offs?(?: of)?\b|関連"),
        "any",
    ),
)
_SIMILAR = re.compile(
    r"\b(?:something|anything|shows?|series|anime|another(?: (?:anime|show|series))?|titles?|more|others?|one)?\s*"
    r"(?:(?:that (?:is|are) )?(?:similar to|in the (?:style|vein|spirit) of|comparable to|resembl\w+|reminiscent of)|(?:(?<=^)|(?<=\s)|(?<=,))(?:much |just )?like(?! to\b))"
    r"|(?:みたいな|のような|に似た|っぽい)"
)
_RELATIVE: tuple[tuple[re.Pattern[str], Literal["shorter", "longer", "newer", "older", "better"]], ...] = (
    (re.compile(r"\b(?:but )?(?:shorter|with fewer episodes)\b|短い"), "shorter"),
    (re.compile(r"\b(?:but )?(?:longer|with more episodes)\b"), "longer"),
    (re.compile(r"\b(?:but )?(?:newer|more recent)\b|新しい"), "newer"),
    (re.compile(r"\b(?:but )?older\b|古い"), "older"),
    (re.compile(r"\b(?:but )?(?:better|higher)[\s-]+rated\b"), "better"),
)
_COUNTS = re.compile(
    r"\bhow many (?=(?:[\w'-]+ ){0,4}?(?:shows|titles|series|anime|films|movies|entries|of (?:the|them|these|your))\b)"
    r"|\b(?:what is )?the number of (?=shows|titles|series|anime)|\bcount (?:the|all)\b|何作品|何本|いくつ"
)
_LISTS = re.compile(
    r"\b(?:list|every|all|everything|complete list|which .{0,60}\b(?:do|have) you|what .{0,40}do you have)\b|全て|すべて|全部|一覧"
)
# Words that only carry such a question along.
_SCAFFOLDING = frozenset(
    [
        "actually",
        "adaptation",
        "adaptations",
        "adapted",
        "aired",
        "airing",
        "anything",
        "available",
        "based",
        "began",
        "beginning",
        "between",
        "broadcast",
        "came",
        "catalog",
        "catalogue",
        "category",
        "category",
        "collection",
        "come",
        "comes",
        "containing",
        "contain",
        "contains",
        "count",
        "counted",
        "different",
        "database",
        "debuted",
        "does",
        "entries",
        "entry",
        "episode",
        "episodes",
        "eps",
        "equal",
        "everything",
        "every",
        "exactly",
        "featured",
        "featuring",
        "films",
        "genre",
        "genres",
        "good",
        "have",
        "having",
        "high",
        "highly",
        "include",
        "included",
        "item",
        "items",
        "labelled",
        "labeled",
        "library",
        "list",
        "listed",
        "longer",
        "looking",
        "made",
        "many",
        "marked",
        "matching",
        "more",
        "movies",
        "my",
        "named",
        "number",
        "numbers",
        "one",
        "ones",
        "overall",
        "people",
        "premiere",
        "premiered",
        "produced",
        "program",
        "programme",
        "recommend",
        "recommendation",
        "recommendations",
        "rated",
        "rating",
        "ratings",
        "release",
        "released",
        "run",
        "runs",
        "running",
        "score",
        "scored",
        "scores",
        "see",
        "sort",
        "sorted",
        "start",
        "started",
        "starting",
        "tag",
        "tagged",
        "tags",
        "tell",
        "them",
        "themed",
        "theme",
        "title",
        "titled",
        "titles",
        "total",
        "tv",
        "under",
        "voted",
        "voters",
        "votes",
        "watched",
        "whole",
        "with",
        "work",
        "works",
        "year",
        "years",
        "yet",
        "older",
        "newer",
        "came",
        "first",
        "user",
        "users",
        "stored",
        "stock",
        "got",
        "give",
        "any",
        "contain",
        "but",
        "also",
    ]
)
_JAPANESE_SCAFFOLDING = re.compile(
    r"アニメ|作品|シリーズ|タイトル|番組|教えて|ください|下さい|ありますか|あります|ありました|ですか|ですか|でした|です|ますか|は|が|の|を|に|で|と|から|まで|へ|も|な|"
    r"どれ|どの|どんな|何|一番|最も|放送|開始|始まった|された|された|した|全て|すべて|全部|一覧|リスト|見せて|おすすめ|年|代|話|という|って|より|どちら|どっち|先|か|人気|だ|たい"
)
_CJK_RUN = re.compile(r"[぀-ヿ㐀-鿿]+")


@dataclass(slots=True)
class _Reading:
    """The question as it is worked off: what a phrase explained is blanked out."""

    text: str
    tags: Mapping[str, str]
    found: dict[str, Any] = field(default_factory=dict)
    sort: Sort | None = None
    limit: int | None = None

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Find a phrase and blank it out."""
        match = pattern.search(self.text)
        if match and match.group().strip():
            self.blank(match)
            return match
        return None

    def blank(self, match: re.Match[str]) -> None:
        self.text = self.text[: match.start()] + " " * len(match.group()) + self.text[match.end() :]

    def bound(self, name: str, low: float | None, high: float | None) -> None:
        """Narrow a range."""
        for side, value in (("from", low), ("to", high)):
            if value is not None:
                self.found[f"{name}_{side}"] = value


def understand(
    question: str, tags: Mapping[str, str], *, named: Sequence[tuple[int, int]] = (), names: int = 0
) -> Understood:
    """Return what a question asks of fields.

    `tags` gives the catalogue's tag for every way to say it. `named` are the places of titles in the question, which are
    not read; `names` says how many shows they name.
    """
    text = question
    for start, end in named:
        text = text[:start] + " " * (end - start) + text[end:]
    reading = _Reading(text=unicodedata.normalize("NFKC", text).casefold().replace("’", "'"), tags=tags)
    statuses = next((states for pattern, states in _STATUSES if reading.take(pattern)), ())
    lists = bool(_LISTS.search(reading.text))
    asked = _asked(reading, names)
    _read_years(reading)
    _read_quantities(reading)
    sort = _read_sort(reading) if asked.ask not in ("value", "compare") else None
    tagged, untagged = _read_tags(reading)
    filters = Filters(**reading.found, tags=tagged, without_tags=untagged, statuses=statuses)
    ask = asked.ask or ("order" if reading.limit else "list" if filters or sort else None)
    return Understood(
        filters=filters,
        sort=asked.sort or sort,
        limit=reading.limit,
        ask=ask,
        field=asked.field,
        relative=asked.relative,
        direction=asked.direction,
        lists=lists,
        left=_left(reading.text),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    ask: Ask | None = None
    field: FactField | None = None
    sort: Sort | None = None
    relative: tuple[Literal["shorter", "longer", "newer", "older", "better"], ...] = ()
    direction: Literal["after", "before", "any"] = "any"


def _asked(reading: _Reading, names: int) -> _Asked:
    """Read what is asked of the shows that the question names, or of the catalogue where it names none."""
    if not names:
        return _Asked(ask="count") if reading.take(_COUNTS) else _Asked()
    if reading.take(_SIMILAR):
        relative = tuple(word for pattern, word in _RELATIVE if reading.take(pattern))
        return _Asked(ask="similar", relative=relative)
    if names > 1:
        for pattern, sort in _COMPARES:
            if reading.take(pattern):
                return _Asked(ask="compare", sort=sort, field=sort.field)
    for related, direction in _RELATED:
        if reading.take(related):
            return _Asked(ask="related", direction=direction, field="relations")
    for value, name in _VALUES:
        if reading.take(value):
            return _Asked(ask="value", field=name)
    return _Asked()


def _read_years(reading: _Reading) -> None:
    if match := reading.take(_YEAR_RANGE):
        reading.bound("year", int(match["low"]), int(match["high"]))
        return
    if match := reading.take(_ERA):
        if match["said"]:
            start = _SAID_DECADES[match["said"]]
        elif match["ja"]:
            start = int(match["ja"]) * 10
        else:
            decade = int(match["decade"])
            start = (int(match["century"]) if match["century"] else 20 if decade < 3 else 19) * 100 + decade * 10
        first, last = {"early": (0, 4), "mid": (4, 6), "late": (5, 9)}.get(match["part"] or "", (0, 9))
        reading.bound("year", start + first, start + last)
        return
    for pattern, bounds in _YEAR_FORMS:
        if match := reading.take(pattern):
            year = match.groupdict().get("y") or match.groupdict().get("y2")
            reading.bound("year", *bounds(int(year or 0)))
            if pattern is _YEAR_FORMS[-1][0]:
                return


def _read_quantities(reading: _Reading) -> None:
    for match in list(_BETWEEN.finditer(reading.text)):
        name = _unit_of(match)
        if name:
            reading.bound(name, _number(match, "low"), _number(match, "high"))
            reading.blank(match)
    for match in list(_QUANTITY.finditer(reading.text)):
        name = _unit_of(match)
        if name:
            low, high = _bounds(_number(match, "n"), match["cmp"] or "", match["post"] or match["post2"] or "", name)
            reading.bound(name, low, high)
            reading.blank(match)
    for match in list(_JAPANESE_QUANTITY.finditer(reading.text)):
        name = "rating" if match["rated"] else _JAPANESE_UNITS.get(match["unit"] or "", "")
        if name:
            number = float(match["n"].replace(",", "")) * (10_000 if match["times"] else 1)
            step = 0.01 if name == "rating" else 1
            post = match["post"] or ""
            low = {
                "以下": None,
                "未満": None,
                "より少ない": None,
                "より多い": number + step,
                "を超える": number + step,
            }.get(post, number)
            high = {
                "以上": None,
                "より多い": None,
                "を超える": None,
                "未満": number - step,
                "より少ない": number - step,
            }.get(post, number)
            reading.bound(name, _plain(low, name), _plain(high, name))
            reading.blank(match)
    single = reading.take(re.compile(r"\b(?:single|one)[\s-]episode\b|\bone[- ]shots?\b"))
    if single:
        reading.bound("episodes", 1, 1)


def _unit_of(match: re.Match[str]) -> str:
    named = match.groupdict()
    unit = next((name for name in _UNITS if named.get(name)), "")
    return unit or ("rating" if named.get("rated") else "")


def _bounds(number: float, comparison: str, post: str, name: str) -> tuple[float | None, float | None]:
    step = 0.01 if name == "rating" else 1
    if re.fullmatch(_ABOVE + "|>", comparison):
        low, high = number + step, None
    elif re.fullmatch(_BELOW + "|<", comparison):
        low, high = None, number - step
    elif re.fullmatch(_AT_LEAST, comparison) or re.match(
        r"\+|(?:or|and) (?:more|higher|above|better|longer|over|greater|up)", post
    ):
        low, high = number, None
    elif re.fullmatch(_AT_MOST, comparison) or post:
        low, high = None, number
    elif name == "rating" and not comparison and number == int(number):
        low, high = number, min(10.0, number + 0.99)  # "rated 8" means eight point something
    else:
        low, high = number, number
    return _plain(low, name), _plain(high, name)


def _plain(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    return round(value, 2) if name == "rating" else int(value)


def _number(match: re.Match[str], name: str) -> float:
    said = match[name]
    number = _WORD_NUMBERS[said] if said in _WORD_NUMBERS else float(said.replace(",", ""))
    return number * _TIMES.get(match[f"{name}_times"] or "", 1)


def _read_sort(reading: _Reading) -> Sort | None:
    top = _TOP.search(reading.text)
    for pattern, sort in _SUPERLATIVES:
        match = pattern.search(reading.text)
        if match:
            if top:
                reading.limit = int(_number(top, "n" if top["n"] else "m"))
                reading.blank(top)
            elif not re.match(rf"(?:[\s\w-]*?)\b{_MANY}\b", reading.text[match.end() : match.end() + 60]) or re.search(
                r"\b(?:which|what) (?:show|series|title|anime|one) (?:is|was|has)\b|どれ|何ですか", reading.text
            ):
                reading.limit = 1
            reading.take(pattern)
            return sort
    if top and top.group().startswith(("top", "best")):
        reading.limit = int(_number(top, "n" if top["n"] else "m"))
        reading.blank(top)
        return Sort(field="rating")
    return None


def _read_tags(reading: _Reading) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take tags out, longest first; "no", "without" and "not" before one exclude it."""
    wanted: list[str] = []
    unwanted: list[str] = []
    flat = re.sub(r"[\W_]", " ", reading.text)  # one character for one, so that places stay
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", flat)]
    at = 0
    while at < len(words):
        size = next((n for n in range(min(5, len(words) - at), 0, -1) if _tag_at(reading, flat, words, at, n)), 0)
        if size:
            tag = reading.tags[_said(flat, words, at, size)]
            before = flat[: words[at][0]].split()[-1:]
            excluded = before and before[0] in ("no", "not", "without", "non", "except", "excluding", "minus")
            (unwanted if excluded else wanted).append(tag)
            start = words[at - 1][0] if excluded else words[at][0]
            end = words[at + size - 1][1]
            reading.text = reading.text[:start] + " " * (end - start) + reading.text[end:]
        at += size or 1
    for run in _CJK_RUN.findall(reading.text):
        for name in sorted(
            (name for name in reading.tags if name in run and _CJK_RUN.fullmatch(name)), key=len, reverse=True
        ):
            wanted.append(reading.tags[name])
            reading.text = reading.text.replace(name, " " * len(name))
            break
    return tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted))


def _said(flat: str, words: Sequence[tuple[int, int]], at: int, size: int) -> str:
    return " ".join(flat[start:end] for start, end in words[at : at + size])


def _tag_at(reading: _Reading, flat: str, words: Sequence[tuple[int, int]], at: int, size: int) -> bool:
    """A tag that is a common word counts only where the question says that it is a tag."""
    said = _said(flat, words, at, size)
    if said not in reading.tags:
        return False
    return (bool(terms(said)) and said not in _SCAFFOLDING) or bool(
        re.search(r"\b(?:tag|tagged|genre)\W*$", flat[: words[at][0]])
    )


def _left(text: str) -> tuple[str, ...]:
    rest = [word for word in terms(text) if word not in _SCAFFOLDING]
    japanese = _JAPANESE_SCAFFOLDING.sub(" ", " ".join(_CJK_RUN.findall(text)))
    return (*rest, *japanese.split())
