"""How people ask for conditions, orders and fields, in English and Japanese: patterns, and what each of them means.

Tables for `filters.py`, which reads questions by them; one subject, hence one long file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

from animerag.models import Sort, WatchState

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.models import FactField

Relative: TypeAlias = Literal["shorter", "longer", "newer", "older", "better"]
Direction: TypeAlias = Literal["after", "before", "any"]

_FIRST_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty"
)
WORD_NUMBERS = {name: number for number, name in enumerate(_FIRST_NUMBERS.split())} | {
    "a dozen": 12,
    "two dozen": 24,
    "twenty-four": 24,
    "twenty-six": 26,
    "thirty": 30,
    "fifty": 50,
    "hundred": 100,
}
_NUMBER = (
    r"(?P<{0}>\d[\d,]*(?:\.\d+)?|" + "|".join(sorted(WORD_NUMBERS, key=len, reverse=True)) + r")"
    r"(?:\s*(?P<{0}_times>million|thousand|hundred|[mk](?![a-z])|万))?"
)
TIMES = {"million": 1_000_000, "m": 1_000_000, "thousand": 1000, "k": 1000, "hundred": 100, "万": 10_000}
ABOVE = r"more than|over|above|greater than|longer than|higher than|better than|exceeding|upwards of|beyond"
BELOW = r"fewer than|less than|under|below|shorter than|lower than|worse than|not even"
AT_LEAST = r"at least|no fewer than|no less than|not less than|minimum(?: of)?|from|>="
AT_MOST = r"at most|no more than|not more than|up to|maximum(?: of)?|max|<="
_COMPARISON = rf"(?P<cmp>{AT_LEAST}|{AT_MOST}|{ABOVE}|{BELOW}|exactly|precisely|just|only|>|<)\s+(?:of\s+)?"
_AFTERWARDS = (
    r"\s*(?P<post>\+|or (?:more|higher|above|better|longer|over|greater)|and (?:more|higher|above|up|over|better)"
    r"|or (?:less|fewer|lower|below|under|shorter)|and (?:under|below))"
)
UNITS = {
    "episodes": r"(?:episodes?|eps?|chapters)\b",
    "votes": r"(?:votes?|voters?|people|users?|viewers?|ratings)\b",
    "rating": r"(?:points?|stars?|out of (?:10|ten))\b|/\s*10\b",
}
_RATED = r"(?:rat(?:ed|ing|ings)|scor(?:ed?|es|ing)|marks?)(?:\s+(?:of|is|are|at|that is|was))*\s+"


def _numbered(name: str) -> str:
    return _NUMBER.format(name)


QUANTITY = re.compile(
    rf"(?P<rated>\b{_RATED})?(?:{_COMPARISON})?\b{_numbered('n')}(?:{_AFTERWARDS})?"
    rf"(?:\s*-?\s*(?P<unit>{'|'.join(f'(?P<{name}>{unit})' for name, unit in UNITS.items())}))?(?:{_AFTERWARDS.replace('post', 'post2')})?"
)
BETWEEN = re.compile(
    rf"(?P<rated>\b{_RATED})?\b(?:between|from)?\s*{_numbered('low')}\s*(?:and|to|-|–|—|~|〜)\s*{_numbered('high')}"
    rf"(?:\s*-?\s*(?:{'|'.join(f'(?P<{name}>{unit})' for name, unit in UNITS.items())}))?"
)
_Y = r"(?P<y>(?:19|20)\d\d)(?![\d,.]\d|\d)"
_STARTED = r"(?:(?:that |which )?(?:started|began|aired|premiered|debuted|released|made|came out|broadcast)\s+)?"
ERA = re.compile(
    rf"{_STARTED}(?:(?:in|of|from|during|since)\s+)?(?:the\s+)?(?:(?P<part>early|mid|late)[\s-]+)?"
    r"(?:(?P<century>19|20)?(?P<decade>\d)0['’]?s\b|(?P<said>sixties|seventies|eighties|nineties|noughties)\b|(?P<ja>(?:19|20)\d)0年代)"
)
SAID_DECADES = {"sixties": 1960, "seventies": 1970, "eighties": 1980, "nineties": 1990, "noughties": 2000}
YEAR_RANGE = re.compile(
    r"(?:between|from|in)?\s*(?P<low>(?:19|20)\d\d)年?\s*(?:and|to|through|until|till|-|–|—|~|〜|から)\s*"
    r"(?P<high>(?:19|20)\d\d)(?:年?(?:まで)?)(?:の間)?"
)
YEAR_FORMS: tuple[tuple[re.Pattern[str], Callable[[int], tuple[int | None, int | None]]], ...] = (
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
JAPANESE_QUANTITY = re.compile(
    r"(?P<rated>評価[がはの]?|スコア[がは]?)?(?:全)?(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<times>万)?(?P<unit>話|票|点)?"
    r"(?P<post>以上|以下|未満|より多い|を超える|より少ない)?"
)
JAPANESE_UNITS = {"話": "episodes", "票": "votes", "点": "rating"}

STATUSES: tuple[tuple[re.Pattern[str], tuple[WatchState, ...]], ...] = (
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

MANY = re.compile(r"[\s\w-]{0,50}?\b(?:shows|titles|series|anime|ones|films|movies|entries)\b")
ONE = re.compile(r"\b(?:which|what) (?:show|series|title|anime|one) (?:is|was|has)\b|どれ|何ですか")
SINGLE = re.compile(r"\b(?:single|one)[\s-]episode\b|\bone[- ]shots?\b")
SUPERLATIVES: tuple[tuple[re.Pattern[str], Sort], ...] = (
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
TOP = re.compile(
    rf"\b(?:top|first|best)\s+{_numbered('n')}\b|\b{_numbered('m')}\s+(?=(?:best|highest|top|longest|shortest|most|newest|oldest|lowest|worst|latest|earliest)\b)"
)

VALUES: tuple[tuple[re.Pattern[str], FactField], ...] = (
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
COMPARES: tuple[tuple[re.Pattern[str], Sort], ...] = (
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
RELATED: tuple[tuple[re.Pattern[str], Direction], ...] = (
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
SIMILAR = re.compile(
    r"\b(?:something|anything|shows?|series|anime|another(?: (?:anime|show|series))?|titles?|more|others?|one)?\s*"
    r"(?:(?:that (?:is|are) )?(?:similar to|in the (?:style|vein|spirit) of|comparable to|resembl\w+|reminiscent of)|(?:(?<=^)|(?<=\s)|(?<=,))(?:much |just )?like(?! to\b))"
    r"|(?:みたいな|のような|に似た|っぽい)"
)
RELATIVE: tuple[tuple[re.Pattern[str], Relative], ...] = (
    (re.compile(r"\b(?:but )?(?:shorter|with fewer episodes)\b|短い"), "shorter"),
    (re.compile(r"\b(?:but )?(?:longer|with more episodes)\b"), "longer"),
    (re.compile(r"\b(?:but )?(?:newer|more recent)\b|新しい"), "newer"),
    (re.compile(r"\b(?:but )?older\b|古い"), "older"),
    (re.compile(r"\b(?:but )?(?:better|higher)[\s-]+rated\b"), "better"),
)
COUNTS = re.compile(
    r"\bhow many (?=(?:[\w'-]+ ){0,4}?(?:shows|titles|series|anime|films|movies|entries|of (?:the|them|these|your))\b)"
    r"|\b(?:what is )?the number of (?=shows|titles|series|anime)|\bcount (?:the|all)\b|何作品|何本|いくつ"
)
LISTS = re.compile(
    r"\b(?:list|every|all|everything|complete list|which .{0,60}\b(?:do|have) you|what .{0,40}do you have)\b|全て|すべて|全部|一覧"
)
# Words that only carry such a question along.
_CARRYING = (
    "actually adaptation adaptations adapted air aired airing airs also any anything available based began "
    "beginning between broadcast but came catalog catalogue category collection come comes contain containing "
    "contains count counted database debuted different does entries entry episode episodes eps equal every "
    "everything exactly featured featuring films first genre genres give good got have having high highly include "
    "included item items labeled labelled library list listed longer looking made many marked matching more movies "
    "my named newer number numbers older one ones overall people premiere premiered produced program programme "
    "rated rating ratings recommend recommendation recommendations release released run running runs score scored "
    "scores see sort sorted start started starting stock stored tag tagged tags tell them theme themed title titled "
    "titles total tv under user users voted voters votes watched whole with work works year years yet"
)
SCAFFOLDING = frozenset(_CARRYING.split())
JAPANESE_SCAFFOLDING = re.compile(
    r"アニメ|作品|シリーズ|タイトル|番組|教えて|ください|下さい|ありますか|あります|ありました|ですか|ですか|でした|です|ますか|は|が|の|を|に|で|と|から|まで|へ|も|な|"
    r"どれ|どの|どんな|何|一番|最も|放送|開始|始まった|された|された|した|全て|すべて|全部|一覧|リスト|見せて|おすすめ|年|代|話|という|って|より|どちら|どっち|先|か|人気|だ|たい"
)
CJK_RUN = re.compile(r"[぀-ヿ㐀-鿿]+")
