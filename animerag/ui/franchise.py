"""Draws the franchise of a show: its parts in order of release, and a graph of how they continue each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.text.counting import counted
from animerag.ui import session
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.discovery.franchises import Entry, Franchise

_MOST_DRAWN = 20  # parts; a larger graph cannot be read
_TITLE = 28  # characters of a title in the graph


def draw(show_id: str, open_show: Callable[[str], None]) -> None:
    """Draw the franchise of a show if it has more than one part or a known gap."""
    franchise = session.runtime().call(session.services().retriever.franchise(show_id))
    if franchise is None or (len(franchise.entries) == 1 and not franchise.gaps):
        return
    st.markdown(f"**Franchise** · {counted(len(franchise.entries), 'part')}, as released")
    for place, entry in enumerate(franchise.entries, 1):
        words = label(f"{place} · {_words(entry)}")
        if entry.show.id == show_id:
            st.caption(f"{words} · this one")
        elif st.button(words, key=f"catalogue_part_{place}", type="tertiary", icon=":material/arrow_forward:"):
            open_show(entry.show.id)
    for gap in franchise.gaps:
        name = gap.title or (f"Season {gap.season}" if gap.season else f"A {gap.kind}")
        st.caption(label(f"{name}" + (f" ({gap.year})" if gap.year else "") + " · not in your catalogue"))
    if 1 < len(franchise.entries) <= _MOST_DRAWN:
        st.graphviz_chart(graph(franchise, show_id), width="stretch")


def graph(franchise: Franchise, show_id: str) -> str:
    """Return the parts as a graph in DOT: an arrow from each part to its continuation, dotted for side stories."""
    numbers = {entry.show.id: place for place, entry in enumerate(franchise.entries, 1)}
    lines = ["digraph {", "rankdir=TB", 'bgcolor="transparent"', 'node [shape=box, style="rounded", fontsize=11]']
    for entry in franchise.entries:
        bold = ", penwidth=2.5" if entry.show.id == show_id else ""
        lines.append(f'{numbers[entry.show.id]} [label="{_node(entry)}"{bold}]')
    lines += [f"{numbers[earlier]} -> {numbers[later]}" for earlier, later in sorted(franchise.edges)]
    beside = [entry for entry in franchise.entries if entry.of in numbers and entry.show.id in numbers]
    lines += [f"{numbers[str(entry.of)]} -> {numbers[entry.show.id]} [style=dotted]" for entry in beside]
    return "\n".join([*lines, "}"])


def _node(entry: Entry) -> str:
    title = entry.show.title if len(entry.show.title) <= _TITLE else f"{entry.show.title[: _TITLE - 1]}…"
    plain = "".join(letter for letter in title if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    return plain + (f"\\n{entry.show.year}" if entry.show.year else "")


def _words(entry: Entry) -> str:
    facts = [str(entry.show.year)] if entry.show.year else []
    facts += [f"season {entry.season}" + (f", part {entry.part}" if entry.part else "")] if entry.season else []
    facts += [] if entry.role == "main" else [entry.role]
    return " · ".join([entry.show.title, *facts])
