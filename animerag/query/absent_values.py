"""Reads conditions on missing values: "without a rating", "which have no description", "untagged"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.plan import Predicate, both, either

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from animerag.query.plan import Condition, FieldName

_NOUNS: dict[FieldName, str] = {
    "episodes": r"(?:number|count)s? of episodes|episodes? (?:counts?|numbers?)",
    "rating": r"ratings?|scores?|bewertung(?:en)?",
    "year": r"(?:start |air |release |airing )?(?:years?|dates?)",
    "tag": r"tags?|genres?",
    "description": r"descriptions?|synops[ei]s|(?:plot )?summar(?:y|ies)|beschreibung(?:en)?",
    "type": r"types?|formats?",
    "season": r"airing seasons?|seasons?",
    "votes": r"votes?",
    "duration": r"running times?|run ?times?|durations?",
    "relation": r"relations?|related (?:shows?|anime|titles?)",
    "source": r"sources?(?: materials?)?",
}
_JAPANESE: dict[FieldName, str] = {
    "episodes": "話数",
    "rating": "評価|スコア|点数",
    "year": "放送年|放送日|日付|年",
    "tag": "タグ|ジャンル",
    "description": "あらすじ|説明文?|概要",
    "type": "形式",
    "season": "放送時期",
    "votes": "票数|投票",
    "duration": "放送時間|上映時間",
    "relation": "関連作品",
    "source": "原作情報",
}
_ONE_WORD: dict[FieldName, str] = {
    "rating": r"unrated|not rated|(?:that |which )?(?:nobody|no one|no-one) (?:has |have |ever )*(?:rated|scored)",
    "year": "undated",
    "tag": "untagged",
}
_NOUN = "(?:" + "|".join(_NOUNS.values()) + ")"
_LIST = rf"(?P<nouns>{_NOUN}(?:(?:,| or| and| nor)(?: an?| any| no)? {_NOUN})*)"
_LACK = (
    r"\b(?:without|(?:with|have|has|having|got) (?:no|neither)|lack(?:s|ing)?|(?:is|are) missing|miss(?:es|ing)?|no"
    r"|(?:do not|does not|don.?t|doesn.?t) have|(?:have|has)n.?t(?: got)?|unknown|unspecified|ohne|kein(?:e[nr]?)?)"
    r"(?: an?| any| the| known| recorded)*"
)
# "No rating above 8" continues and is another condition; a list of missing fields ends here.
_END = (
    r"(?=\W*$|\s*[,.;?!]"
    r"|\s+(?:and|or|but|at all|in|of|from|yet|recorded|listed|given|known|set|are|is|do|there|have)\b)"
)
_WITH = r"(?:\bwith )?(?:an? )?\b(?:unknown|missing|empty|unspecified|no known)"
_POSTPOSED = r"(?:is|are) (?:unknown|missing|empty|not (?:known|recorded|given|listed|set))"


def _absent(match: re.Match[str], _today: date) -> Condition:
    nouns = match["nouns"]
    names = [name for name, noun in _NOUNS.items() for _ in re.finditer(rf"\b(?:{noun})\b", nouns)]
    conditions = [Predicate(name, "unknown") for name in dict.fromkeys(names)]
    return both(*conditions) if " and " in nouns else either(*conditions)


def _of(name: FieldName) -> Callable[[re.Match[str], date], Condition]:
    return lambda _match, _today: Predicate(name, "unknown")


# Patterns over a question in lower case, each with the meaning of its match.
PATTERNS: tuple[tuple[str, Callable[[re.Match[str], date], Condition]], ...] = (
    (rf"(?:{_LACK}|{_WITH}) {_LIST}{_END}", _absent),
    (rf"(?:\b(?:whose|where the|of which the|with) )?\b{_LIST} {_POSTPOSED}\b", _absent),
    *(
        (rf"\b(?:{words})\b(?! (?:as|above|over|below|under|with|higher|lower|better|at|\d))", _of(name))
        for name, words in _ONE_WORD.items()
    ),
    *(
        (rf"(?:{words})[がはのも]?(?:記録が)?(?:ありません|ない|なし|無し|不明|未登録|空)", _of(name))
        for name, words in _JAPANESE.items()
    ),
)
