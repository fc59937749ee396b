"""What Ask draws: questions, answers with their footnotes, and the sources beside them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.models import Answer, AnswerStatus, Retrieval
from animerag.texts import clean
from animerag.ui.catalogue import native_title
from animerag.ui.components import EXAMPLES, seam, show_error
from animerag.ui.text import answer_markdown, counted, escape, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.models import Evidence, Show, Source
    from animerag.ui import session

_SOURCES_PX = 420  # the page scrolls to its end: a longer list would push the answer out of sight


def examples() -> str | None:
    """Draw the example questions; return the one that was clicked."""
    clicked = None
    with st.container(horizontal=True, gap="small"):
        for number, example in enumerate(EXAMPLES):
            if st.button(example, key=f"ask_example_{number}"):
                clicked = example
    return clicked


def exchange(item: session.Exchange, *, latest: bool) -> None:
    """Draw one question with its answer, and the sources beside the latest one."""
    left, right = _exchange_frame(item)
    with left:
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
