"""Cuts text into search terms: words without stop words, and pairs of characters for Chinese and Japanese."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CJK = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿ｦ-ﾟ]+")
# Particles and question words say nothing about the subject; without them, searches of 30,000 shows are fast.
_STOP_PAIRS = frozenset(("です", "ます", "って", "なん", "すか", "どん", "んな", "教え", "えて"))
_STOP_WORDS = (
    "a about after all also am an and anime another any are as at be because been before being between both but by can "
    "could did do does doing done each ever everyone few first find for from gets get gives give got had happens "
    "happen has have he her here hers him his how i if in into is it its itself just kind like list lot many may "
    "me more most much my name need new no not now of off on one only or other others our out over own part "
    "please plot plz pls really same season series she should show shows so some someone something story such "
    "summarise summarize summary tell than that the their them then there these they thing things this those "
    "through to too under up us very want was watch watching we well were what when where which while who whom "
    "whose why will with without would you your about called where's what's who's i'm don't whats"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_PUNCTUATION = re.compile(r"[\W_]+")


def terms(question: str) -> list[str]:
    """Return the words of a question that may distinguish shows, folded, in order, without repeats."""
    folded = unicodedata.normalize("NFKC", question).casefold()
    words = [word.replace("’", "'") for word in _WORD.findall(_CJK.sub(" ", folded))]
    return list(dict.fromkeys(word.removesuffix("'s") for word in words if word not in STOP_WORDS))


def pairs(value: str) -> list[str]:
    """Return the character pairs of every Chinese or Japanese run; a single character is its own term."""
    pairs_of_runs = []
    for run in _CJK.findall(unicodedata.normalize("NFKC", value)):
        pairs_of_runs += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
    return pairs_of_runs


def folded_words(text: str) -> str:
    """Return the words of a text, folded, without punctuation and with single spaces between them."""
    return _PUNCTUATION.sub(" ", text.casefold()).strip()
