"""Draws the sources of an answer as cards, and the shows of a list in an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from animerag.answering import citations
from animerag.text.counting import counted
from animerag.ui import cards, session, source_dialog
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models.answers import Exchange
    from animerag.models.retrieval import Source

_LISTED = re.compile(r"- \*\*.+?\*\*(?: · )?(?P<about>.*?) ?\[(?P<number>\d{1,3})\]")
_CARD_PX = 230
_STRONG = 3  # ranks that count as a strong match
_BRANCHES = {"alias": "title", "words": "words", "vector": "plot", "premise": "known for it"}
_RANKED = re.compile(r"^\d+\. ", re.MULTILINE)
_MOST_BESIDE_RANKING = 4  # cards; more would repeat a long list
# A citation is a link to #source-N; this makes a click on it press the button of that source. The page is drawn again
# when the dialog opens, which would leave the focus, and with it Escape, outside; when it closes, the focus returns.
_OPEN_CITED = """<script>
if (!window.animeragCitations) {
  window.animeragCitations = true;
  let cited = null, opened = false;
  const focus = new MutationObserver(() => {
    const dialog = document.querySelector('[role="dialog"]');
    if (dialog) {
      opened = true;
      if (!dialog.contains(document.activeElement)) dialog.querySelector("button")?.focus();
    } else if (opened) {
      focus.disconnect();
      document.querySelector(`a[href$="${cited}"]`)?.focus();
    }
  });
  document.addEventListener("click", event => {
    const link = event.target.closest('a[href*="#source-"]');
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    cited = link.hash;
    opened = false;
    focus.observe(document.body, {childList: true, subtree: true});
    document.querySelector(`.st-key-ask_source_${cited.replace("#source-", "")} button`)?.click();
  }, true);
}
</script>"""


def open_cited() -> None:
    """Let a click on a citation open its source."""
    st.html(_OPEN_CITED, unsafe_allow_javascript=True)


def list_as_cards(text: str, sources: int) -> tuple[str, dict[int, str], str]:
    """Split an answer into the text before its list, the list's lines by source number, and the text after it.

    Unless every line of the list cites one of the sources, the first part is the whole text and the others are empty.
    """
    lines = text.splitlines()
    listed = [line for line in lines if line.startswith("- ")]
    parsed = [match for line in listed if (match := _LISTED.fullmatch(line))]
    about = {int(match["number"]): match["about"].strip() for match in parsed}
    if not listed or len(about) < len(listed) or not all(0 < number <= sources for number in about):
        return text, {}, ""
    first, last = lines.index(listed[0]), len(lines) - lines[::-1].index(listed[-1])
    between = [line for line in lines[first:last] if line not in listed]
    return "\n".join([*lines[:first], *between]).strip(), about, "\n".join(lines[last:]).strip()


def draw(item: Exchange, about: Mapping[int, str], *, buttons: bool) -> None:
    """Draw a card for each source that the answer uses; the others are folded below."""
    used, others = used_and_others(item, about, complete=buttons)
    if about and buttons:
        _as_shows(used, about)
    elif len(used) > _MOST_BESIDE_RANKING and len(_RANKED.findall(item.text)) > _MOST_BESIDE_RANKING:
        with st.expander(counted(len(used), "source"), icon=":material/format_quote:"):
            _cards(item, used, buttons=buttons)
    elif used:
        _cards(item, used, buttons=buttons)
    if others:
        what = "more show" if used else "show"
        with st.expander(f"{counted(len(others), what)} considered", icon=":material/manage_search:"):
            _cards(item, others, buttons=buttons)


def used_and_others(
    item: Exchange, about: Mapping[int, str], *, complete: bool
) -> tuple[list[tuple[int, Source]], list[tuple[int, Source]]]:
    """Return the numbered sources that an answer uses, and the others; before it is `complete`, it may use each."""
    assert item.retrieval is not None
    numbered, answer = list(enumerate(item.retrieval.sources, 1)), item.answer
    if answer is not None and answer.text and not answer.citations and answer.prompt is None:
        # Figures over many shows, where no single one matters, or nothing that matches.
        return [], numbered if item.retrieval.fact is None else []
    if complete and item.error and not item.text:
        return [], numbered
    # Of an answer that was stopped, the text is all there is.
    cited = set(answer.citations if answer is not None else citations.cited(item.text, item.retrieval.sources)[0])
    if not cited or not complete:
        return numbered, []
    used = [one for one in numbered if one[1].show.id in cited or one[0] in about]
    return used, [one for one in numbered if one not in used]


def _as_shows(sources: Sequence[tuple[int, Source]], about: Mapping[int, str]) -> None:
    """Draw the shows of a list with their current data, each with its line of the list."""
    ids = [source.show.id for _, source in sources]
    now = session.runtime().call(session.services().library.shows(ids, records=False))
    shown = [(number, now.get(source.show.id, source.show)) for number, source in sources]
    cards.grid([cards.Card(show=show, reason=_reason(about.get(number, ""))) for number, show in shown], key="ask")


def _cards(item: Exchange, sources: Sequence[tuple[int, Source]], *, buttons: bool) -> None:
    with st.grid("auto", min_column_width=_CARD_PX):
        for number, source in sources:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _card(item, number, source, buttons=buttons)


def _card(item: Exchange, number: int, source: Source, *, buttons: bool) -> None:
    show = source.show
    name = label(f"{number} · {show.title}")
    if not buttons:
        st.markdown(f"**{name}**")
    elif st.button(name, key=f"ask_source_{number}", type="tertiary", help="Open this source"):
        source_dialog.source(item, number)
    facts = " · ".join(filter(None, [show.native_title, cards.facts(show)]))
    st.caption(label(facts).replace("★ ", "★\u00a0"))  # a star does not end a line
    if matched := match(source):
        st.caption(label(matched))


def _reason(about: str) -> str:
    """Return a line of a list without its facts: "Robot (1985, OVA): short" as "Robot · short"."""
    name, _, rest = about.partition("(")
    return " · ".join(filter(None, [name.strip(), rest.partition(")")[2].strip(" :")]))


def match(source: Source) -> str:
    """Describe how well a source matches the question, and by what: "Strong match: title, plot"."""
    named = [_BRANCHES[one.branch] for one in source.evidence if one.branch in _BRANCHES]
    related = [one.detail for one in source.evidence if one.branch == "relation"]
    if not named:
        return related[0] if related else ""
    near = sum(one.rank <= _STRONG or one.branch == "alias" for one in source.evidence if one.branch in _BRANCHES)
    strength = "Strong match" if near > 1 or "title" in named else "Good match" if near else "Weak match"
    return f"{strength}: {', '.join(named)}"
