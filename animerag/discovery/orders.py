"""Answers questions about a franchise: watch order, seasons, sequels, and which parts the catalogue has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.discovery.asked_parts import no_such_part, numbered
from animerag.discovery.franchises import Entry
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import holds, matcher
from animerag.query.plan import LAST, comparisons, parts_of
from animerag.query.rendering import phrase
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from animerag.discovery.collection import Collection
    from animerag.discovery.franchises import Franchise, Gap
    from animerag.query.plan import Plan

_NEIGHBOURS = 6  # shows of the same setting that an answer mentions


def watch_order(plan: Plan, collection: Collection) -> FactAnswer:
    """Return a franchise in watch order: by release, or by story if the question says so."""
    franchise = collection.franchises.of(plan.shows[0])
    by_story = plan.field == "story"
    entries = franchise.by_story() if by_story else franchise.entries
    first = collection.name(franchise.entries[0].show)
    if len(entries) == 1:
        heading = collection.say(
            f"{first} has no other parts in your catalogue.",
            f"{first}は単独の作品です。カタログにほかのシリーズはありません。",
        )
    elif by_story:
        heading = collection.say(f"{first} in story order:", f"{first}を物語の順に並べると：")
    else:
        heading = collection.say(f"Watch {first} in order of release:", f"{first}の視聴順（放送・公開順）：")
    return FactAnswer(
        kind="sequence",
        intent="watch_order",
        ids=tuple(entry.show.id for entry in entries),
        total=len(entries),
        complete=True,
        heading=heading,
        reasons=tuple(role_of(entry, collection) for entry in entries),
        remarks=tuple(_remarks(franchise, entries, collection, by_story=by_story)),
    )


def seasons(plan: Plan, collection: Collection) -> FactAnswer:
    """Return the seasons of a show's line, or the one whose number is in the question."""
    franchise = collection.franchises.of(plan.shows[0])
    entries = franchise.seasons(plan.shows[0]) or tuple(franchise.line(plan.shows[0])) or franchise.entries
    numbers = sorted({entry.season for entry in entries if entry.season})
    name = collection.name(franchise.seasons(plan.shows[0])[0].show if numbers else collection.show(plan.shows[0]))
    if plan.number is not None:
        return _season(plan, entries, name, collection)
    count = len(numbers) or len(entries)
    asked = matcher_of_counts(plan)
    parts = len(entries) - count
    in_parts = f", in {len(entries)} parts" if parts > 0 and numbers else ""
    seasons_of = "1 season" if count == 1 else f"{count} seasons"
    whole = not franchise.gaps
    verdict = "" if not plan.yes_no else "Yes, as far as the catalogue knows. " if whole else "No. "
    if asked is not None:
        whole = asked(count)
        verdict = "Yes. " if whole else "No. "
    return FactAnswer(
        kind="sequence",
        intent="seasons",
        ids=tuple(entry.show.id for entry in entries),
        total=len(entries),
        value=("yes" if whole else "no") if verdict else count,
        complete=True,
        heading=collection.say(
            f"{verdict}Your catalogue has {seasons_of} of {name}{in_parts}:", f"{name}は全{count}期："
        )
        if numbers
        else collection.say(f"Your catalogue has no TV series of {name}, only:", f"{name}のシリーズ："),
        reasons=tuple(_season_name(entry, collection) for entry in entries),
        remarks=tuple(_gaps(franchise.gaps, collection)),
    )


def matcher_of_counts(plan: Plan) -> Callable[[int], bool] | None:
    """Return whether a number of seasons is the one in the plan; None if the plan has none."""
    tests = [test for test in comparisons(plan.condition) if test.field == "seasons" and plan.yes_no]
    return (lambda number: all(holds(number, test) for test in tests)) if tests else None


def next_after(plan: Plan, collection: Collection) -> FactAnswer | None:
    """Return what to watch after a show: its sequels, or a missing one; None if nothing follows."""
    show = collection.show(plan.shows[-1])
    franchise = collection.franchises.of(show.id)
    backwards = plan.field == "before"
    following = franchise.before(show.id) if backwards else franchise.after(show.id)
    if not following and not backwards:
        entry = franchise.entry(show.id)
        following = franchise.after(entry.of) if entry.of else ()
        following = tuple(one for one in following if one.show.id != show.id)
    gaps = [
        gap for gap in franchise.gaps if gap.after == show.id and gap.kind == ("prequel" if backwards else "sequel")
    ]
    name = collection.name(show)
    if not following:
        if not gaps:
            return None
        return FactAnswer(kind="text", intent="next", heading=" ".join(_gaps(gaps, collection)), complete=True)
    ids = [entry.show.id for entry in following]
    later = [] if backwards else [one for one in _chain(franchise, ids) if one not in ids and one != show.id]
    heading = (
        collection.say(f"Before {name} comes:", f"{name}の前作：")
        if backwards
        else collection.say(f"After {name} comes:", f"{name}の次は：")
    )
    return FactAnswer(
        kind="sequence",
        intent="next",
        ids=(*ids, *later),
        total=len(ids) + len(later),
        complete=True,
        heading=heading,
        reasons=(
            *(role_of(entry, collection) for entry in following),
            *(collection.say("later", "その後") for _ in later),
        ),
        remarks=tuple(_gaps(gaps, collection)),
    )


def part_of_franchise(plan: Plan, collection: Collection) -> FactAnswer:
    """Return which parts of a franchise meet the conditions: "is there a film of it?"."""
    franchise = collection.franchises.of(plan.shows[0])
    others = [Entry(show=show) for show in collection.shows(plan.within or ()) if show.id not in franchise.ids]
    meets = matcher(plan.condition, collection.table)
    entries = [entry for entry in (*franchise.entries, *others) if meets(entry.show)]
    aside = plan.field == "side"
    if aside:
        entries = [entry for entry in entries if entry.role in ("side story", "alternative version")]
    labels = tuple(phrase(part, japanese=collection.japanese) for part in parts_of(plan.condition))
    name = collection.name(franchise.entries[0].show)
    kinds = [*labels, *[collection.say("side stories and other versions", "外伝・別バージョン")] * aside]
    what = f" ({listed(kinds)})" if kinds else ""
    yes = "Yes: y" if plan.yes_no else "Y"
    if any(test.field == "my_status" for test in comparisons(plan.condition)):
        number, of = len(entries), len(franchise.entries)
        heading = collection.say(f"{number} of {of} parts of {name}{what}.", f"{name}の{of}作品のうち{number}作品。")
    elif entries:
        many = "1 show" if len(entries) == 1 else f"{len(entries)} shows"
        heading = collection.say(
            f"{yes}our catalogue has {many} of {name}{what}.", f"{name}は{len(entries)}作品あります。"
        )
    else:
        heading = collection.say(f"No: your catalogue has none of {name}{what}.", f"{name}の該当作品はありません。")
    return FactAnswer(
        kind="list" if entries else "text",
        intent="count" if plan.intent == "count" else "list",
        ids=tuple(entry.show.id for entry in entries),
        total=len(entries),
        value=len(entries) if plan.intent == "count" else "yes" if entries else "no",
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=True,
        heading=heading,
        reasons=tuple(role_of(entry, collection) for entry in entries),
    )


def missing_sequels(collection: Collection, only: Iterable[str] = ()) -> FactAnswer:
    """Return related shows that the catalogue lacks, for the franchises of `only` or for all."""
    named = {franchise.ids[0]: franchise for franchise in map(collection.franchises.of, only)}
    franchises = sorted(named.values(), key=lambda one: min(one.ids)) if named else collection.franchises.all()
    gaps = [gap for franchise in franchises for gap in franchise.gaps]
    by_show: dict[str, list[str]] = {}
    for gap in gaps:
        by_show.setdefault(gap.after, []).append(_gap(gap, collection))
    ids = tuple(by_show)
    if not gaps:
        return FactAnswer(
            kind="text",
            intent="seasons",
            value=0,
            complete=True,
            heading=collection.say(
                "Nothing is missing: every sequel and prequel that your catalogue knows of is in it.",
                "カタログが知っている続編と前作はすべて揃っています。",
            ),
        )
    count = "1 sequel or prequel" if len(gaps) == 1 else f"{len(gaps)} sequels and prequels"
    return FactAnswer(
        kind="sequence",
        intent="seasons",
        ids=ids,
        total=len(gaps),
        value=len(gaps),
        complete=True,
        heading=collection.say(f"{count} are not in your catalogue:", f"カタログにない続編・前作は{len(gaps)}件："),
        reasons=tuple(collection.say("lacks ", "不足：") + listed(by_show[show_id]) for show_id in ids),
    )


def _season(plan: Plan, entries: Sequence[Entry], name: str, collection: Collection) -> FactAnswer:
    assert plan.number is not None
    ids = tuple(entry.show.id for entry in numbered(entries, plan.number))
    if ids:
        yes = collection.say("Yes. ", "はい。") if plan.yes_no else ""
        heading = yes + collection.say(f"Season {plan.number} of {name}:", f"{name}の第{plan.number}期：")
        if plan.number == LAST:
            heading = collection.say(f"The last season of {name} in your catalogue:", f"{name}の最終期：")
    else:
        no = collection.say("No. ", "いいえ。") if plan.yes_no else ""
        heading = no + no_such_part(plan.shows[0], plan.number, None, "season", collection)
    return FactAnswer(
        kind="sequence" if ids else "text",
        intent="seasons",
        ids=ids,
        total=len(ids),
        value="yes" if ids else "no",
        complete=True,
        heading=heading,
    )


def _chain(franchise: Franchise, ids: Iterable[str]) -> list[str]:
    """Return everything that follows these shows, in order of release."""
    reached, waiting = set[str](), list(ids)
    while waiting:
        fresh = [entry.show.id for entry in franchise.after(waiting.pop()) if entry.show.id not in reached]
        reached.update(fresh)
        waiting += fresh
    return [show_id for show_id in franchise.ids if show_id in reached]


def role_of(entry: Entry, collection: Collection) -> str:
    """Return the role of a part if it matters for watching it."""
    of = collection.table.show(entry.of) if entry.of else None
    if entry.role == "main":
        if of is None:
            return ""
        return collection.say(f"another version of {of.title}", f"{of.native_title or of.title}の別バージョン")
    name = {
        "side story": ("side story, optional", "外伝（任意）"),
        "recap": ("recap, can be skipped", "総集編（省略可）"),
        "alternative version": ("another version, optional", "別バージョン（任意）"),
    }[entry.role]
    return collection.say(name[0] + (f", of {of.title}" if of else ""), name[1])


def _season_name(entry: Entry, collection: Collection) -> str:
    if entry.season is None:
        return ""
    part = (f", part {entry.part}", f"（第{entry.part}部）") if entry.part else ("", "")
    return collection.say(f"season {entry.season}{part[0]}", f"第{entry.season}期{part[1]}")


def _remarks(
    franchise: Franchise, entries: tuple[Entry, ...], collection: Collection, *, by_story: bool
) -> Iterable[str]:
    story = franchise.by_story()
    if not by_story and story != entries:
        names = listed([collection.name(entry.show) for entry in story[:3]], japanese=collection.japanese)
        yield collection.say(f"In story order, it starts with {names}.", f"物語の順では{names}から始まります。")
    yield from _gaps(franchise.gaps, collection)
    begun = [entry for entry in entries if collection.begun(entry.show)]
    left = [entry for entry in entries if entry.role == "main" and not collection.seen(entry.show)]
    if begun and left:
        yield collection.say(
            f"According to your list, {collection.name(left[0].show)} is next.",
            f"リストによると、次は{collection.name(left[0].show)}です。",
        )
    neighbours = collection.shows(franchise.neighbours[:_NEIGHBOURS])
    if neighbours:
        names = listed([collection.name(show) for show in neighbours], japanese=collection.japanese)
        yield collection.say(f"Same setting, but not needed: {names}.", f"関連作品（必須ではありません）：{names}。")
    if franchise.inferred:
        yield collection.say(
            "Some of this is inferred from titles, because not all shows have relations.",
            "一部の作品は関連情報がないため、題名から推定しています。",
        )


def _gaps(gaps: Iterable[Gap], collection: Collection) -> list[str]:
    names = [_gap(gap, collection) for gap in gaps]
    if not names:
        return []
    return [
        collection.say(
            f"Not in your catalogue: {listed(names)}.", f"カタログにないもの：{listed(names, japanese=True)}。"
        )
    ]


_KIND_JA = {"sequel": "続編", "prequel": "前作"}


def _gap(gap: Gap, collection: Collection) -> str:
    if gap.season is not None:
        show = collection.show(gap.after)
        return collection.say(
            f"season {gap.season} of {show.title}", f"{show.native_title or show.title}の第{gap.season}期"
        )
    if not gap.title:  # a database may know only its number
        name = collection.show(gap.after)
        return collection.say(
            f"a {gap.kind} of {name.title}", f"{name.native_title or name.title}の{_KIND_JA[gap.kind]}"
        )
    return gap.title + (f" ({gap.year})" if gap.year else "")
