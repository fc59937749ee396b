"""What Ask draws: questions, answers with their footnotes, and the sources beside them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.models import Answer, AnswerStatus, Filters, Retrieval
from animerag.texts import clean
from animerag.ui import session
from animerag.ui.catalogue import native_title
from animerag.ui.components import EXAMPLES, seam, show_error
from animerag.ui.text import answer_markdown, counted, escape, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.models import Evidence, Show, Source

_SOURCES_PX = 420  # the page scrolls to its end: a longer list would push the answer out of sight


def examples() -> str | None:
    """Draw the example questions; return the one that was clicked."""
    clicked = None
    with st.container(horizontal=True, gap="small"):
        for number, example in enumerate(EXAMPLES):
            if st.button(example, key=f"ask_example_{number}"):
                clicked = example
    return clicked


def filters(place: Any, *, disabled: bool) -> Filters:
    """Draw the conditions that hold for every question until they are taken away, and return them."""
    with place.popover("Filters", icon=":material/filter_alt:", disabled=disabled, width="stretch"):
        if disabled:
            return Filters()
        year_from = st.number_input("From year", 1900, 2200, value=None, key="ask_year_from")
        year_to = st.number_input("To year", 1900, 2200, value=None, key="ask_year_to")
        episodes_to = st.number_input("Episodes at most", 1, 10_000, value=None, key="ask_episodes_to")
        tags = st.multiselect("Tags, all of them", session.tags(), key="ask_tags")
    return Filters(year_from=year_from, year_to=year_to, episodes_to=episodes_to, tags=tuple(tags))


def exchange(item: session.Exchange, *, latest: bool) -> session.Exchange | None:
    """Draw one question with its answer, and the sources beside the latest one.

    Returns the question as its reader would rather have had it read, when something of the latest one was clicked.
    """
    again = None
    left, right = _exchange_frame(item)
    with left:
        if latest:
            again = _read_otherwise(item)
        if item.text:
            st.markdown(answer_markdown(item.text))
        if item.error:
            show_error(item.error)
        _footnotes(item)
    with right:
        if item.found is not None and item.found.sources:
            if latest:
                _sources(item.found.sources, item.answer)
            else:
                with st.expander(counted(len(item.found.sources), "source")):
                    for number, source in enumerate(item.found.sources, 1):
                        st.caption(f"{number} · {label(_heading(source.show))}")
    return again


def _read_otherwise(item: session.Exchange) -> session.Exchange | None:
    """Draw the conditions that were read out of a question, to be taken away, and shows that share its name."""
    found = item.found
    if found is None:
        return None
    for ambiguity in found.ambiguities:
        st.caption(label(f"“{ambiguity.phrase}” is the name of several shows. Only one of them:"))
        with st.container(horizontal=True, gap="small"):
            for option in ambiguity.options:
                year = f" ({option.year})" if option.year else ""
                if st.button(label(option.title + year), key=f"ask_option_{option.id}"):
                    only = replace(item.filters, title=option.title, year_from=option.year, year_to=option.year)
                    return session.Exchange(item.question, filters=only, ignored=item.ignored)
    by_hand = [(condition, True) for condition in found.filters.conditions()]
    read = [(condition, False) for condition in found.understood.conditions()]
    if not by_hand and not read:
        return None
    with st.container(horizontal=True, gap="small"):
        for condition, mine in [*by_hand, *read]:
            key = f"ask_drop_{mine}_{condition.key}"
            if st.button(label(condition.label), key=key, icon=":material/close:", help="Ask without this condition"):
                kept = item.filters.without([condition.key]) if mine else item.filters
                ignored = item.ignored if mine else (*item.ignored, condition.key)
                return session.Exchange(item.question, filters=kept, ignored=ignored)
    return None


def stream(item: session.Exchange, events: Iterator[Retrieval | str | Answer]) -> None:
    """Draw an answer while it comes: the sources first, then its words."""
    left, right = _exchange_frame(item)
    with left:
        place = st.empty()
        place.caption("Searching titles, words and vectors")
    with seam(lambda sentence: setattr(item, "error", sentence)), contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Retrieval):
                item.found = event
                shows = counted(len(event.sources), "show")
                place.caption(f"Found {shows} in {event.timings.retrieve_s * 1000:.0f} ms")
                with right:
                    _sources(event.sources, None)
            elif isinstance(event, Answer):
                item.answer, item.error = event, event.error
                item.text = event.text or item.text
            else:
                item.text += event
                place.markdown(answer_markdown(item.text))


def _exchange_frame(item: session.Exchange) -> tuple[Any, Any]:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(item.question)
    left, right = st.columns([3, 2], gap="large")
    return left.chat_message("assistant", avatar=":material/movie:"), right


def _footnotes(item: session.Exchange) -> None:
    answer = item.answer
    if answer is None:
        if item.error is None:
            st.caption("Stopped before the end.")
        return
    if answer.status is AnswerStatus.TRUNCATED:
        st.warning("The answer was cut short by the model's limit.", icon=":material/content_cut:")
    for note in answer.notes:
        st.caption(escape(note))
    took = f"{_seconds(answer.timings.total_s)} in all, {_seconds(answer.timings.retrieve_s)} of it to find the shows"
    writer = (
        "No language model wrote this: facts and quotes from your catalogue."
        if answer.provider == "local"
        else f"Written by {answer.model}."
    )
    st.caption(f"{escape(writer)}  \n{took}")


def _sources(sources: Sequence[Source], answer: Answer | None) -> None:
    st.markdown("**Sources**")
    with st.container(height=_SOURCES_PX, border=False):
        for number, source in enumerate(sources, 1):
            _source(number, source, None if answer is None else source.show.id in answer.citations)


def _source(number: int, source: Source, cited: bool | None) -> None:
    """Draw one source: what it is, how it was found, and the text that stands behind a citation."""
    show = source.show
    year = f" ({show.year})" if show.year else ""
    with st.expander(f"{number} · {label(show.title + year)}", icon=":material/check:" if cited else None):
        st.text(clean(show.description) or "The catalogue has no description of it.")
        st.page_link(
            "pages/catalogue.py",
            label="Show in the catalogue",
            icon=":material/open_in_new:",
            query_params={"show": show.id},
        )
    native = native_title(show)
    told = [] if cited is None else ["cited" if cited else "not cited"]
    length = [counted(show.episodes, "episode")] if show.episodes else []
    parts = [*([native] if native else []), *length, *told, *map(_found, source.evidence)]
    st.caption(label(" · ".join(parts)))


def _heading(show: Show) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return " · ".join([show.title, *facts])


def _found(evidence: Evidence) -> str:
    if evidence.branch == "alias":
        return f'alias "{evidence.detail}"'
    if evidence.distance is None:
        return f"{evidence.branch} #{evidence.rank}"
    return f"vectors #{evidence.rank}, distance {evidence.distance:.2f} cosine"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
