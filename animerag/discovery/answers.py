"""Answers a plan from the shows in memory, with one function for each intent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.discovery.asked_parts import season_of
from animerag.discovery.next_up import completed_franchises, next_up
from animerag.discovery.orders import missing_sequels, next_after, part_of_franchise, seasons, watch_order
from animerag.discovery.presence import presence, tie
from animerag.discovery.rank import RANKS, rank
from animerag.discovery.ranked_parts import ranked_parts, total_episodes
from animerag.discovery.recommendations import recommend, weighs_likeness
from animerag.discovery.similarity import similar
from animerag.discovery.skipping import skipping
from animerag.discovery.starters import starters
from animerag.discovery.watch_time import time_of_shows, watch_time
from animerag.models.filters import Filters
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import ATTRIBUTES, carry_out, decisive_fields, span_of, value_of, without_each
from animerag.query.field_values import comparison_answer, value_answer, verdict_answer
from animerag.query.plan import EVERYTHING, parts_of
from animerag.query.rendering import phrase
from animerag.query.statistics import best_of_each, measure
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.discovery.collection import Collection
    from animerag.query.plan import Plan

_FRANCHISE = ("watch_order", "seasons", "next", "similar")
_NAMED_UNDECIDED = 3  # up to this number, shows without a value are listed instead of counted
_FIELDS = {
    "episodes": "episode count",
    "rating": "rating",
    "year": "year",
    "votes": "votes",
    "type": "type",
    "season": "season",
    "duration": "running time",
    "air_date": "date",
    "restricted": "age restriction",
    "status": "airing status",
    "end_year": "end year",
    "my_score": "score by you",
}
_SPANS = {
    "year": "The years in your catalogue",
    "end_year": "The end years in your catalogue",
    "episodes": "Its episode counts",
    "rating": "Its ratings",
    "votes": "Its votes",
    "duration": "Its running times",
}
_GROUPED = dict.fromkeys(_SPANS, ",") | {"year": "", "end_year": ""}


def answer(plan: Plan, collection: Collection, filters: Filters = Filters()) -> FactAnswer | None:
    """Return the answer of the catalogue in memory, or None if only a search can answer."""
    table, japanese = collection.table, collection.japanese
    if plan.intent == "help":
        return _help(plan, collection)
    if plan.intent == "seasons" and plan.field == "missing":
        return missing_sequels(collection, plan.shows)
    if plan.field in ("my_started", "my_following"):
        return next_up(plan, collection, filters) if table.has_statuses else None
    if plan.field == "my_franchises":
        return completed_franchises(plan, collection, filters) if table.has_statuses else None
    if plan.intent in _FRANCHISE and not plan.shows:
        return None
    if plan.intent == "field" and plan.shows and plan.measure == "sum":
        return watch_time(plan, collection) if plan.field == "duration" else total_episodes(plan, collection)
    if plan.franchise and plan.shows and plan.order is not None:
        return ranked_parts(plan, collection)
    if plan.franchise and plan.shows:
        return part_of_franchise(plan, collection)
    if plan.intent == "watch_order" and plan.field in ("skip", "needed"):
        return skipping(plan, collection)
    if plan.intent == "watch_order":
        return watch_order(plan, collection)
    if plan.intent == "seasons":
        return seasons(plan, collection)
    if plan.intent == "next":
        return _what_follows(plan, collection, filters)
    if plan.intent == "similar":
        return similar(plan, collection, filters)
    if plan.intent == "recommend":
        return _explained(plan, recommend(plan, collection, filters), collection, filters)
    if plan.intent == "compare" and plan.field == "relation" and len(plan.shows) > 1:
        return tie(plan, collection)
    if plan.intent == "compare":
        return comparison_answer(plan, table, japanese=japanese)
    if plan.field == "owned" and plan.shows:
        return presence(plan, collection)
    if plan.field in RANKS and plan.shows:
        return rank(plan, collection, filters)
    if plan.intent == "field" and plan.shows:
        if plan.field:
            return value_answer(plan, table, japanese=japanese)
        return verdict_answer(plan, table, japanese=japanese) if plan.condition != EVERYTHING else None
    if plan.intent == "superlative" and plan.group:
        return best_of_each(plan, table, filters, japanese=japanese)
    if plan.intent == "stats" and plan.measure == "sum" and plan.field in ("duration", "my_time") and not plan.group:
        time = time_of_shows(plan, collection, filters)
        return _partly(time, plan, collection) if plan.ignored else time
    if plan.intent == "stats":
        measured = measure(plan, table, filters, japanese=japanese)
        return _partly(measured, plan, collection) if measured and plan.ignored else measured
    # Wanted words that are in no field are searched for. Unwanted ones cannot be, so they are not applied.
    if any(not word.startswith("not ") for word in plan.ignored):
        return None
    fact = carry_out(replace(plan, ignored=()), table, filters, japanese=japanese)
    if fact is None:
        return None
    if plan.ignored:
        fact = replace(fact, complete=False, ignored=plan.ignored)
    return _explained(plan, fact, collection, filters)


def needs_likeness(plan: Plan, collection: Collection) -> bool:
    """Return whether a search has to measure the similarity of shows to a text or to a show first."""
    if plan.intent == "recommend":
        return weighs_likeness(plan)
    if plan.intent not in ("similar", "next") or not plan.shows:
        return False
    return plan.intent == "similar" or next_after(plan, collection) is None


def resolved(plan: Plan, collection: Collection) -> Plan:
    """Return the plan with a season's number replaced by that season if the catalogue has it."""
    if plan.number is None or not plan.shows or plan.intent in ("seasons", "watch_order"):
        return plan
    show_id = season_of(plan.shows[0], plan.number, collection, plan.part)
    return plan if show_id is None else replace(plan, shows=(show_id, *plan.shows[1:]), number=None, part=None)


def _partly(fact: FactAnswer, plan: Plan, collection: Collection) -> FactAnswer:
    """Return a note on the words that a measure does not apply."""
    words = ", ".join(f"“{word}”" for word in plan.ignored)
    remark = collection.say(f"Not applied: {words}.", f"条件にしていない言葉：{words}")
    return replace(fact, complete=False, ignored=plan.ignored, remarks=(*fact.remarks, remark))


def _explained(plan: Plan, fact: FactAnswer, collection: Collection, filters: Filters) -> FactAnswer:
    """Add a note on shows with unknown values and, for an empty result, on the condition that empties it."""
    remarks = []
    if fact.undecided:
        number = len(fact.undecided)
        named = [name for name in decisive_fields(plan) if name in _FIELDS]
        unknown = [_FIELDS[name] for name in named if _lacked(name, fact.undecided, collection)]
        names = listed(unknown[:2]).replace(" and ", " or ")
        who = f"{number:,} shows"
        if number <= _NAMED_UNDECIDED:
            who = listed([show.title for show in collection.shows(fact.undecided)])
        have = "has" if number == 1 else "have"
        verb = "is" if number == 1 else "are"
        if names:
            remarks.append(
                collection.say(
                    f"{who} {have} no recorded {names} and {verb} left out.",
                    f"記録のない{number:,}作品は除外。",
                )
            )
    if fact.missing:
        heading = collection.say(
            "The running time of films is not recorded in this catalogue.", "映画の上映時間は記録されていません。"
        )
        return replace(fact, heading=heading)
    if not fact.ids and not fact.unknown and fact.kind in ("list", "order", "count"):
        if span := span_of(plan, collection.table):
            name, least, most = span
            words = _SPANS[name]
            remarks.append(
                collection.say(
                    f"{words} go from {least:{_GROUPED[name]}} to {most:{_GROUPED[name]}}.", f"範囲：{least}〜{most}"
                )
            )
        counts = [(part, number) for part, number in without_each(plan, collection.table, filters) if number]
        counts = counts if len(parts_of(plan.condition)) > 1 else []
        for part, number in sorted(counts, key=lambda one: -one[1])[:2]:
            left = "1 show matches" if number == 1 else f"{number:,} shows match"
            label = phrase(part, collection.table.title_of, japanese=collection.japanese)
            remarks.append(
                collection.say(f"Leaving out “{label}”, {left}.", f"「{label}」を除くと{number:,}作品あります。")
            )
    return replace(fact, remarks=(*fact.remarks, *remarks))


def _lacked(field: str, ids: Sequence[str], collection: Collection) -> bool:
    """Return whether a field of any of these shows is unknown."""
    shows = collection.table.projected(ids, (ATTRIBUTES.get(field, field),))
    return any(value_of(show, field) is None for show in shows)


def _nothing_follows(plan: Plan, collection: Collection, filters: Filters) -> FactAnswer:
    """Answer that a show has no sequel, and list similar shows."""
    show = collection.show(plan.shows[-1])
    if plan.field == "before":
        heading = collection.say(
            f"{collection.name(show)} has no known prequel.",
            f"{collection.name(show)}の前作は記録されていません。",
        )
        return FactAnswer(kind="text", intent="next", value="no", complete=True, heading=heading)
    like = similar(replace(plan, intent="similar", condition=EVERYTHING), collection, filters)
    heading = collection.say(
        f"{collection.name(show)} has no known sequel. Similar shows are:",
        f"{collection.name(show)}の続編は記録されていません。似た作品：",
    )
    return replace(like, intent="next", heading=heading if like.ids else heading.split(". ")[0] + ".")


def _what_follows(plan: Plan, collection: Collection, filters: Filters) -> FactAnswer:
    """Answer what comes after or before a show, and whether it is a sequel, also of a show that is not here."""
    neighbours = next_after(plan, collection)
    fact = neighbours or _nothing_follows(plan, collection, filters)
    if not plan.yes_no or plan.field != "before":
        return fact
    # Relations may be missing from a file, so that "no" is only what the catalogue knows.
    unknown = collection.say("Not as far as the catalogue knows: ", "カタログでは確認できません。")
    lead = collection.say("Yes. ", "はい。") if neighbours else unknown
    return replace(fact, value="yes" if neighbours else "no", heading=lead + fact.heading)


def _help(plan: Plan, collection: Collection) -> FactAnswer:
    """Explain what can be asked, with shows of this catalogue as examples; a greeting gets one friendly line."""
    questions = starters(collection)
    if plan.field == "thanks":
        heading = collection.say("You're welcome. Enjoy the show!", "どういたしまして。楽しんでください！")
        return FactAnswer(kind="text", intent="help", heading=heading)
    if plan.field == "bye":
        return FactAnswer(kind="text", intent="help", heading=collection.say("Enjoy the show!", "また、どうぞ！"))
    lead = collection.say("Hello! ", "こんにちは！") if plan.field == "hello" else ""
    heading = lead + collection.say(
        "You can ask about a show, count, list and compare shows, and get recommendations. For example:",
        "作品について尋ねたり、一覧や数、比較、おすすめを聞くことができます。例えば：",
    )
    return FactAnswer(kind="text", intent="help", heading=heading, remarks=tuple(questions))
