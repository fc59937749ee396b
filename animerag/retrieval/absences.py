"""Writes sentences about what a question asks for and the catalogue lacks: a topic, a title, a season, your list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.discovery.asked_parts import may_be_that_part, no_such_part
from animerag.query.asked_titles import liked_title
from animerag.query.field_values import statement
from animerag.query.lexicon import lexicon
from animerag.query.names import unnamed_rival
from animerag.query.plan import LAST, Predicate, both, comparisons, parts_of
from animerag.text.cleaning import is_japanese
from animerag.text.enumeration import listed
from animerag.text.tokens import folded_words, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.discovery.collection import Collection
    from animerag.models.retrieval import FactAnswer
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Plan
    from animerag.query.titles import AliasMatch

_WHICH_SHOW = (
    "Which show do you mean? Ask again with its title.",
    "どの作品のことですか。作品名を入れて、もう一度質問してください。",
)
_NO_LIST = (
    "The catalogue does not know what you have watched. Import your MyAnimeList export (XML) in Upload and ask again.",
    "視聴状況の記録がありません。MyAnimeListのエクスポート（XML）をアップロードすると答えられます。",
)
_SEEN = re.compile(
    r"(?:have|did) i (?:already |ever )?"
    r"(?:seen?|watch(?:ed)?|finish(?:ed)?|completed?|drop(?:ped)?|start(?:ed)?)"
    r" (?P<title>[^?!,;]+?)(?: yet| already| before)?[\s?!.]*$",
    re.IGNORECASE,
)
# A model for a wish; two capitals make its words a name rather than the tags that they would be.
_LIKE = re.compile(
    r"\b(?:like|similar to) "
    r"(?P<title>[A-Z][\w'’:-]*(?:(?: (?:of|the|and|a|in|to|no))* [A-Z0-9][\w'’:-]*)+)(?: but .{2,20})?[?!.]*$"
)
# Words of which a list of shows, or a time, is made; a title is not recognised by them.
_NO_TITLE = re.compile(
    r"\b(?:an?|any\w*|all|every\w*|each|some\w*|many|most|more|less|few\w*|much|the|this|that|these|those|it|them|one|"
    r"of|in|on|with|from|by|at|for|than|as|anime|shows?|movies?|films?|series|ovas?|specials?|titles?|episodes?|seasons?|"
    r"stuff|things?|last\w*|week|month|year|yesterday|today|tonight|recent\w*|late\w*|often|first|then|next|highest|"
    r"lowest|best|worst|high\w*|low\w*|long\w*|short\w*|new\w*|old\w*|good|bad|\d+\w*)\b",
    re.IGNORECASE,
)
_COMPARED = ("year", "episodes", "rating")  # fields of the show that the catalogue has
_SETS = ("list", "superlative", "recommend", "similar", "my_list")  # answers that are no match if they are empty
_BEST = 3  # shows at the top of a ranking
_VERBS = ("", "air", "start", "end")  # what is left of "when did it air"
OF_FRANCHISES = ("watch_order", "seasons", "next", "similar")  # intents that need a show


def wished_title(question: str, plan: Plan) -> str | None:
    """Return X in "recommend something like X" if the plan has no other use for it; None otherwise."""
    understood = any(test.field != "type" for test in comparisons(plan.condition)) or plan.moods or plan.shows
    return liked_title(question) if plan.intent == "recommend" and not understood else None


def has_no_answer(question: str, fact: FactAnswer | None, best: Sequence[Show], *, lacks_matches: bool) -> bool:
    """Return whether a question has no answer: neither one of fields nor shows, best ranked first, that are similar.

    Shows whose text has the words of the question are an answer even if they resemble it little.
    """
    if fact is not None:
        return not fact.ids and fact.intent in _SETS
    return lacks_matches and not _are_named(question, best)


def _are_named(question: str, shows: Sequence[Show]) -> bool:
    """Return whether a text of the shows has the words of a question together, as it has the name of a character."""
    words = terms(question)
    phrase = f" {folded_words(' '.join(words))} "
    texts = (text for show in shows[:_BEST] for text in (*show.titles, show.description))
    return len(words) > 1 and any(phrase in f" {folded_words(text)} " for text in texts)


def absence_of(
    question: str, plan: Plan, named: Sequence[AliasMatch], matches: Sequence[AliasMatch], collection: Collection
) -> tuple[str, tuple[str, ...], bool]:
    """Return a sentence about what is missing, the topics that no field records, and whether the question needs one.

    `matches` are all titles in the question, `named` those that it is about.
    """
    japanese, table = is_japanese(question), collection.table
    if plan.intent == "unsupported":
        titles = [table.title_of(one) for one in plan.shows]
        return not_recorded(plan.missing, titles, japanese=japanese), plan.missing, True
    own = plan.intent == "my_list" or (plan.field or "").startswith("my_")
    own = own or any(one.field.startswith("my_") for one in comparisons(both(plan.condition, plan.preferred)))
    if own and not table.has_statuses:
        return _NO_LIST[japanese], ("watch status",), False
    if _lacks_show(plan):
        return _WHICH_SHOW[japanese], (), False
    wants_a_show = plan.intent in OF_FRANCHISES or plan.field == "owned"
    of_list = plan.field in ("missing", "my_started", "my_following", "my_franchises")
    if wants_a_show and not plan.shows and plan.text and not of_list:
        return no_title(as_written(plan.text, question), japanese=japanese), (), False
    if title := _unknown_title(question, plan, matches):
        return no_title(title, japanese=japanese), (), False
    if title := _unknown_model(question, plan, matches, table):
        return no_title(title, japanese=japanese), (), False
    if plan.intent in ("lookup", "compare") and len(plan.shows) == 1 and not parts_of(plan.preferred):
        rival = unnamed_rival(question.lower(), [(match.start, match.end) for match in named])
        if rival and set(rival.split()) & set(plan.text.split()):
            return _no_rival(as_written(rival, question), named, table, japanese=japanese), (), False
    if lacks := _lacks_kind(plan, collection):
        return lacks, (), False
    if plan.number is not None and plan.number != LAST and plan.shows and plan.intent not in ("seasons", "next"):
        return _lacks_part(question, plan, named, collection), (), False
    return "", (), False


def _lacks_show(plan: Plan) -> bool:
    """Return whether a question is about "it" alone, and nothing before says which show that is."""
    described = plan.shows or plan.within is not None or parts_of(both(plan.condition, plan.preferred))
    of_a_show = plan.intent in ("lookup", "field", *OF_FRANCHISES)
    return plan.lost and of_a_show and not described and plan.text in _VERBS


def _unknown_title(question: str, plan: Plan, matches: Sequence[AliasMatch]) -> str:
    """Return the words of "have I seen ..." that can only be a title, if the catalogue has no such show; else ""."""
    asked = _SEEN.match(question.strip())
    of_list = plan.intent == "my_list" and not plan.shows and len(parts_of(plan.condition)) <= 1
    if asked is None or not of_list or _NO_TITLE.search(asked["title"]):
        return ""
    known = any(match.end > asked.start("title") for match in matches)
    return "" if known else asked["title"]


def _unknown_model(question: str, plan: Plan, matches: Sequence[AliasMatch], table: FieldIndex) -> str:
    """Return the capitals of "something like Game of Thrones" if no title or tag has them; otherwise ""."""
    like = _LIKE.search(question.strip())
    if like is None or plan.shows or any(match.named and match.end > like.start("title") for match in matches):
        return ""
    words = folded_words(like["title"])
    return "" if words in map(folded_words, table.tags) or table.titled(words) else like["title"]


def as_written(words: str, question: str) -> str:
    """Return words with their capitals in the question."""
    match = re.search(re.escape(words), question, re.IGNORECASE)
    return match.group() if match else words


def _no_rival(words: str, named: Sequence[AliasMatch], table: FieldIndex, *, japanese: bool) -> str:
    """Return a sentence about the missing one of two compared shows, with the facts of the other."""
    facts = " ".join(
        statement(show, name, table, japanese=japanese) for name in _COMPARED if (show := table.show(named[0].id))
    )
    return f"{no_title(words, japanese=japanese)} {facts}".strip()


def not_recorded(topics: Sequence[str], shows: Sequence[str], *, japanese: bool) -> str:
    """Return a sentence about unrecorded topics, and what can be asked about the shows instead."""
    if japanese:
        names = lexicon()["missing_ja"]
        return f"{'、'.join(names.get(one, one) for one in topics)}はこのカタログに記録がありません。"
    sentence = f"{listed(topics).capitalize()}: not recorded in this catalogue."
    return f"{sentence} About {shows[0]} you can ask for episodes, year, rating, tags and plot." if shows else sentence


def no_title(words: str, *, japanese: bool) -> str:
    """Return a sentence that says that the catalogue has no show of that title."""
    return f"「{words}」はカタログにありません。" if japanese else f"“{words}” is not in your catalogue."


def _lacks_kind(plan: Plan, collection: Collection) -> str:
    """Return a sentence if a question asks for the film of a show without one ("X movie"); otherwise ""."""
    kind, table = plan.preferred, collection.table
    if plan.intent != "lookup" or len(plan.shows) != 1 or plan.text or not isinstance(kind, Predicate):
        return ""
    names = {"movie": ("film", "映画"), "ova": ("OVA", "OVA"), "special": ("special", "スペシャル")}.get(
        str(kind.value)
    )
    entries = collection.franchises.of(plan.shows[0]).entries
    if kind.field != "type" or names is None or any(entry.show.type == kind.value for entry in entries):
        return ""
    title = table.title_of(plan.shows[0])
    return collection.say(
        f"Your catalogue has {title}, but no {names[0]} of it.", f"カタログに「{title}」の{names[1]}はありません。"
    )


def _lacks_part(question: str, plan: Plan, named: Sequence[AliasMatch], collection: Collection) -> str:
    """Return a sentence about a missing season or part; "" if a title of the leading show has that number."""
    number, show_id = plan.number or 1, plan.shows[0]
    match = next((one for one in named if one.id == show_id), None)
    series = collection.franchises.of(show_id).seasons(show_id)
    if plan.part is None and match is not None and not match.season_missing and (number > 1 or not series):
        return ""
    goes_on = match is not None and folded_words(match.title) != folded_words(match.phrase)
    if (
        goes_on
        and len({one.id for one in named}) == 1
        and len(series) <= 1
        and (reply := may_be_that_part(show_id, number, collection))
    ):
        return reply
    word = "part" if re.search(rf"\bparts?\s+(?:{number}|\w+)\b", question, re.IGNORECASE) else "season"
    return no_such_part(show_id, number, plan.part, word, collection)
