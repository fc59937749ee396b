"""Answers whether the catalogue has a show, and how two shows are related."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models.retrieval import FactAnswer

if TYPE_CHECKING:
    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show
    from animerag.query.plan import Plan

# How a sentence describes each kind of relation, in English and Japanese.
_TIES = {
    "sequel": ("the sequel of", "の続編"),
    "prequel": ("the prequel of", "の前作"),
    "side story": ("a side story of", "の外伝"),
    "parent story": ("the main story of", "の本編"),
    "full story": ("the full story of", "の完全版"),
    "summary": ("a summary of", "の総集編"),
    "alternative version": ("another version of", "の別版"),
    "alternative setting": ("the same story in another setting as", "の別設定版"),
    "same setting": ("set in the same world as", "と同じ世界の作品"),
    "spin-off": ("a spin-off of", "のスピンオフ"),
    "character": ("linked by its characters to", "と登場人物でつながる作品"),
}
_OTHER = ("related to", "の関連作")


def presence(plan: Plan, collection: Collection) -> FactAnswer:
    """Answer that the catalogue has the named shows."""
    shows = collection.shows(plan.shows)
    names = [_described(show, collection) for show in shows]
    english = f"Yes. Your catalogue has {' and '.join(names)}."
    return FactAnswer(
        kind="value",
        intent="field",
        ids=tuple(show.id for show in shows),
        total=len(shows),
        value="yes",
        complete=True,
        heading=collection.say(english, f"はい。{'、'.join(names)}はカタログにあります。"),
    )


def tie(plan: Plan, collection: Collection) -> FactAnswer:
    """Answer how two shows are related: directly, through others of their franchise, or not at all."""
    one, other = collection.shows(plan.shows)[:2]
    known = _tie_of(one, other, collection) or _tie_of(other, one, collection)
    names = collection.name(one), collection.name(other)
    if known:
        heading = known
    elif other.id in collection.franchises.of(one.id).ids:
        heading = collection.say(
            f"{names[0]} and {names[1]} belong to one franchise, linked by other shows.",
            f"{names[0]}と{names[1]}は同じシリーズの作品です。",
        )
    else:
        heading = collection.say(
            f"Your catalogue has no relation between {names[0]} and {names[1]}.",
            f"{names[0]}と{names[1]}の関連は記録されていません。",
        )
    return FactAnswer(
        kind="value",
        intent="compare",
        ids=(one.id, other.id),
        total=2,
        field="relations",
        complete=True,
        heading=heading,
    )


def _tie_of(one: Show, other: Show, collection: Collection) -> str | None:
    """Describe the relation of `other` to `one`, if `one` records it."""
    kind = next((item.kind.casefold().replace("_", " ") for item in one.relations if item.id == other.id), None)
    if kind is None:
        return None
    english, japanese = _TIES.get(kind, _OTHER)
    of, what = collection.name(one), collection.name(other)
    return collection.say(f"{what} is {english} {of}.", f"{what}は{of}{japanese}です。")


def _described(show: Show, collection: Collection) -> str:
    facts = ", ".join(str(fact) for fact in (show.year, collection.length(show)) if fact)
    return f"{collection.name(show)} ({facts})" if facts else collection.name(show)
