"""Turns follow-ups, which refer to the conversation, into complete plans. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.query.plan import EVERYTHING, Not, Order, Predicate, both, comparisons, negated, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.models.shows import Show
    from animerag.query.plan import Condition, FieldName, Operator, Plan

_RECENT = 8  # number of recent shows that a conversation remembers
_LISTS = ("list", "count", "superlative", "my_list")
_PICKS = ("recommend", "similar")
# Intents that a question "and X?" repeats for another show.
_REPEATED = ("field", "seasons", "watch_order", "next", "similar", "unsupported")
_OF_ONE = ("lookup", "field", "unsupported")
_OF_FRANCHISES = ("seasons", "watch_order", "next", "similar")
_MOST_WORDS = 12  # a longer question describes a plot, to which its "it" belongs
_LEFT_WORDS = 3
_SHORT_WORDS = 8
_TWO = 2
_BOUNDS: dict[str, tuple[FieldName, Operator]] = {
    "shorter": ("episodes", "<"),
    "longer": ("episodes", ">"),
    "newer": ("year", ">"),
    "older": ("year", "<"),
    "better": ("rating", ">"),
}
_MOODS = {"darker": "dark", "lighter": "cheerful"}
_EXCLUSIVE = ("year", "season", "type", "rating", "episodes", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The state of a conversation: the last plan, the scope of its last list, and its recent shows.

    `ids` are the shows of the last answer in its order, `shows` the recent shows of the conversation, the latest last.
    """

    plan: Plan | None = None
    scope: Condition = EVERYTHING
    within: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()

    @property
    def show(self) -> str | None:
        """Return the show that "it" refers to."""
        return self.shows[-1] if self.shows else None


def advance(context: Context, plan: Plan, ids: Sequence[str], *, leaned: bool) -> Context:
    """Return the context after a plan was answered with these shows; `leaned` if the plan was a follow-up."""
    if plan.intent == "help":
        return context
    scope, within = context.scope, context.within
    # After "which of those is the shortest?", "those" still refers to the same shows.
    if plan.intent in _LISTS and not (plan.intent == "superlative" and leaned):
        scope, within = plan.condition, plan.within
    elif plan.intent not in _LISTS:
        scope, within = EVERYTHING, tuple(ids) or None
    about = list(plan.shows)
    if not about and ids and plan.intent in ("lookup", "superlative", *_PICKS):
        about = [ids[0]]
    if not about and len(ids) == 1:
        about = [ids[0]]
    shows = [one for one in context.shows if one not in about]
    if leaned and plan.intent in _OF_ONE and plan.shows and set(plan.shows) <= set(context.ids):
        # After "what is the second one about?", "the third one" still refers to the list.
        ids, scope, within = context.ids, context.scope, context.within
    return Context(
        plan=plan,
        scope=scope,
        within=within,
        ids=tuple(ids) or context.ids,
        shows=tuple([*shows, *about][-_RECENT:]),
    )


def resolve(plan: Plan, context: Context, *, words: int, alike: Callable[[str], Sequence[str]]) -> Plan:
    """Return a complete plan.

    `words` is the number of words in the question; `alike` returns the shows that share a show's name or franchise,
    including the show itself.
    """
    last = context.plan
    leans = plan.reference != "" or plan.continues or _lacks_its_show(plan, words)
    if plan.field == "why":
        # An answer gives the reason for each show, so it is repeated.
        return replace(plan, intent="help", field=None, reference="") if last is None else last
    about_a_show = plan.reference == "it" or _lacks_its_show(plan, words)
    if not leans or words > _MOST_WORDS or (plan.intent == "lookup" and len(plan.text.split()) > _LEFT_WORDS):
        return replace(plan, reference="", continues=False)
    if last is None:
        return replace(plan, reference="", continues=False, lost=about_a_show)
    plan, reference, continues = replace(plan, reference="", continues=False), plan.reference, plan.continues
    if isinstance(reference, int):
        return _nth(plan, reference, context)
    if reference == "other" and context.show is not None:
        return _another(plan, context, alike(context.show))
    if plan.shows:
        return _repeated(plan, last) if continues else plan
    if plan.intent == "compare" and len(context.ids) <= _TWO:
        return replace(plan, shows=context.shows[-2:])
    if plan.intent == "compare":
        plan = replace(plan, intent="superlative", limit=1)
    if plan.intent in ("similar", "next", "watch_order", "seasons", "field", "unsupported"):
        return _about_it(plan, context)
    if plan.intent in ("help", "stats"):
        return plan
    if continues and last.intent == "count" and plan.intent in ("list", "lookup", "count"):
        return replace(last, condition=_in_place(last.condition, plan.condition), text=plan.text)
    if reference == "it" and plan.intent == "lookup" and plan.condition == EVERYTHING and context.ids:
        show = context.ids[0] if last.intent in _LISTS else context.show or context.ids[0]
        return replace(plan, shows=(show,), text="")
    if continues and plan.intent == "lookup" and plan.text and last.intent in _OF_FRANCHISES:
        return replace(last, shows=(), text=plan.text)
    many = last.intent in _LISTS and len(context.ids) > 1
    if reference == "it" and context.show is not None and not many:
        return _of_it(plan, context)
    if plan.number is not None and context.show is not None:
        return replace(plan, shows=(context.show,), text="")
    return _narrow(plan, context, continues=continues)


def _lacks_its_show(plan: Plan, words: int) -> bool:
    """Return whether a short question needs a show but neither names nor describes one: "do I need the films?"."""
    needs = plan.intent in ("watch_order", "next", "seasons") and plan.field != "missing"
    return needs and not plan.shows and not plan.text and words <= _SHORT_WORDS


def _in_place(old: Condition, fresh: Condition) -> Condition:
    """Return the conditions of a count, in which new ones replace those on the same field: "and comedies?"."""
    fields = {one.field for one in comparisons(fresh)}
    return both(*(part for part in parts_of(old) if not {one.field for one in comparisons(part)} & fields), fresh)


def differing(plan: Plan, wishes: Sequence[str], shows: Sequence[Show], last: Plan | None) -> Plan:
    """Return the plan for shows that differ from the last ones as requested: shorter than half of them, newer, darker.

    After a comparison, the question is which of the compared shows it is: "and better rated?".
    """
    if last is not None and last.intent in ("compare", "superlative") and (bound := _BOUNDS.get(wishes[0])):
        order = Order(field=bound[0], descending=bound[1] == ">")  # type: ignore[arg-type]
        return replace(plan, intent="superlative", order=order, limit=1, relative=(), text="")
    conditions: list[Condition] = []
    for wish in wishes:
        if (bound := _BOUNDS.get(wish)) is None:
            continue
        name, operator = bound
        values = [value for show in shows if (value := getattr(show, name))]
        if values:
            conditions.append(Predicate(name, operator, statistics.median_low(values)))
    moods = tuple(dict.fromkeys((*plan.moods, *(_MOODS[wish] for wish in wishes if wish in _MOODS))))
    return replace(
        plan,
        intent="recommend" if moods and plan.intent == "list" else plan.intent,
        condition=_in_place(plan.condition, both(*conditions)) if conditions else plan.condition,
        within=None,
        moods=moods,
        relative=(),
        text="",
    )


def _nth(plan: Plan, place: int, context: Context) -> Plan:
    at = place - 1 if place > 0 else place
    if not -len(context.ids) <= at < len(context.ids):
        return plan
    shows = (context.ids[at],)
    if plan.intent in ("list", "superlative", "recommend", "count", "lookup"):
        return replace(plan, intent="lookup", shows=shows, condition=EVERYTHING, order=None, limit=None, text="")
    return replace(plan, shows=shows)


def _another(plan: Plan, context: Context, alike: Sequence[str]) -> Plan:
    """Return a look-up among the shows of the same name: "no, the 2003 one"."""
    within = dict.fromkeys((*context.ids, *alike))
    last = context.plan
    intent = last.intent if last is not None and last.intent in _REPEATED else "lookup"
    field = last.field if last is not None and intent == "field" else None
    return replace(plan, intent=intent, field=field, within=tuple(within), shows=(), text="")


def _repeated(plan: Plan, last: Plan) -> Plan:
    """Return the last question for other shows: "and Clannad?"."""
    if plan.intent != "lookup" or last.intent not in _REPEATED:
        return plan
    return replace(last, shows=plan.shows, number=plan.number, text="", reference="")


def _about_it(plan: Plan, context: Context) -> Plan:
    return replace(plan, shows=(context.show,), text="") if context.show is not None else plan


def _of_it(plan: Plan, context: Context) -> Plan:
    """Return a question about the show that "it" refers to: a season or film of it, yes or no, or the show itself."""
    assert context.show is not None
    shows = (context.show,)
    if plan.number is not None:
        return replace(plan, shows=shows, text="")
    if plan.condition != EVERYTHING and plan.intent in ("list", "count", "lookup", "superlative"):
        return replace(plan, intent="count" if plan.intent == "count" else "list", shows=shows, franchise=True, text="")
    if plan.intent == "recommend":
        return replace(plan, intent="similar", shows=shows, text="")
    return replace(plan, shows=shows, text="")


def _narrow(plan: Plan, context: Context, *, continues: bool) -> Plan:
    """Return the last list, or the last recommendations, with the new conditions."""
    last = context.plan
    assert last is not None
    if plan.intent == "lookup":
        plan = replace(plan, condition=both(plan.condition, plan.preferred), preferred=EVERYTHING)
    if last.intent in _PICKS and plan.intent in ("list", "lookup", "recommend", "similar"):
        if not parts_of(plan.condition) and not plan.moods and not plan.relative:
            return replace(last, excluded=(*last.excluded, *context.ids))
        condition = _merged(last.condition, plan.condition, continues=continues)
        moods = tuple(dict.fromkeys((*last.moods, *plan.moods)))
        return replace(last, condition=condition, moods=moods, relative=(*last.relative, *plan.relative))
    condition = _merged(context.scope, plan.condition, continues=continues)
    within = (
        context.within if context.within is not None else None if context.scope != EVERYTHING else context.ids or None
    )
    # "Which of those are sad" weighs shows by a mood, which no list can.
    weighs = plan.intent == "recommend" and plan.moods
    intent = "list" if plan.intent in ("lookup", "recommend") and not weighs else plan.intent
    text = "" if plan.intent == "lookup" else plan.text
    order = plan.order
    return replace(plan, intent=intent, condition=condition, within=within, text=text, order=order)


def _merged(scope: Condition, fresh: Condition, *, continues: bool) -> Condition:
    """Join conditions. "And from 2017?" replaces the old year; "only" and "without" narrow the list."""
    remaining = list(parts_of(scope))
    wanted = set(parts_of(fresh))
    if continues:
        fields = {one.field for part in wanted if not isinstance(part, Not) for one in comparisons(part)}
        remaining = [
            part for part in remaining if not {one.field for one in comparisons(part)} & (fields & set(_EXCLUSIVE))
        ]
    # A condition that is now negated replaces its opposite.
    remaining = [part for part in remaining if negated(part) not in wanted]
    return both(*remaining, fresh)
