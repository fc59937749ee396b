"""What Ask draws: questions, answers with their footnotes, and the sources beside them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from animerag.answering import field_answers
from animerag.batch.export import conversation_json, conversation_markdown
from animerag.models.answers import Answer, AnswerStatus, Exchange
from animerag.models.filters import Filters
from animerag.models.retrieval import Retrieval
from animerag.text.cleaning import clean
from animerag.ui import conversation, session, source_dialog
from animerag.ui.components import EXAMPLES, error_boundary, show_error
from animerag.ui.text import answer_markdown, counted, escape, label, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlit.delta_generator import DeltaGenerator

    from animerag.models.retrieval import Source
    from animerag.models.shows import Show

_INTENTS = {
    "list": "a list",
    "count": "a count",
    "superlative": "a ranking",
    "recommend": "a recommendation",
    "similar": "similar shows",
    "field": "a fact about a show",
    "compare": "a comparison",
    "stats": "a statistic",
    "my_list": "a question about your list",
}
_SOURCES_PX = 420  # the page scrolls to its end: a longer list would push the answer out of sight


def examples(*, sample: bool) -> str | None:
    """Draw questions to begin with, about the sample or about shows of one's own; return the one that was clicked."""
    clicked = None
    own = () if sample else session.cached_by_revision("starters", session.services().retriever.starters)
    with st.container(horizontal=True, gap="small"):
        for number, example in enumerate(own or EXAMPLES):
            if st.button(label(example), key=f"ask_example_{number}"):
                clicked = example
    return clicked


def filters(place: DeltaGenerator, *, disabled: bool) -> Filters:
    """Draw the conditions that hold for every question until they are taken away, and return them."""
    with place.popover("Filters", icon=":material/filter_alt:", disabled=disabled, width="stretch"):
        if disabled:
            return Filters()
        year_from = st.number_input("From year", 1900, 2200, value=None, key="ask_year_from")
        year_to = st.number_input("To year", 1900, 2200, value=None, key="ask_year_to")
        episodes_to = st.number_input("Episodes at most", 1, 10_000, value=None, key="ask_episodes_to")
        tags = st.multiselect("Tags, all of them", session.tags(), key="ask_tags")
        st.toggle(
            "Only find shows",
            key="ask_retrieval_only",
            help="No answer is written, so a question costs no more than its embedding.",
        )
    return Filters(year_from=year_from, year_to=year_to, episodes_to=episodes_to, tags=tuple(tags))


def conversations(place: DeltaGenerator, exchanges: Sequence[Exchange]) -> None:
    """Draw earlier conversations to go on with, and this one's export."""
    with place.popover("Earlier", icon=":material/history:", width="stretch"):
        if exchanges:
            with st.container(horizontal=True, gap="small"):
                for ending, written in (("md", conversation_markdown), ("json", conversation_json)):
                    # The file is made when it is asked for, not at every rerun.
                    made = partial(written, list(exchanges))
                    name = f"conversation.{ending}"
                    st.download_button(f"Download .{ending}", made, file_name=name, key=f"ask_export_{ending}")
        earlier = session.runtime().call(session.services().conversations.latest())
        if not earlier:
            st.caption("What you ask is kept here, on this machine only.")
        for one in earlier:
            open_it, away = st.columns([6, 1], vertical_alignment="center")
            told = f"{one.title} · {session.local_time(one.at)}, {counted(one.exchanges, 'question')}"
            open_it.button(
                label(told),
                key=f"ask_open_{one.id}",
                on_click=conversation.open_one,
                args=(one.id,),
                type="tertiary",
            )
            away.button(
                "",
                icon=":material/delete:",
                key=f"ask_delete_{one.id}",
                help="Delete this conversation",
                on_click=conversation.delete,
                args=(one.id,),
                type="tertiary",
            )


def exchange(item: Exchange, *, latest: bool) -> tuple[Exchange, bool] | None:
    """Draw one question with its answer, and the sources beside the latest one.

    Returns what is to be asked in place of the latest one when something of it was clicked, and whether a kept answer
    will do.
    """
    again = None
    left, right = _exchange_frame(item)
    with left:
        if latest:
            otherwise = _read_otherwise(item)
            again = (otherwise, True) if otherwise is not None else None
        if item.text:
            st.markdown(answer_markdown(item.text, _sent(item)))
        if item.error:
            show_error(item.error)
        _all_in_catalogue(item)
        _footnotes(item)
        if latest and _actions(item):
            again = (Exchange(item.question, filters=item.filters, ignored=item.ignored), False)
    with right:
        if item.found is not None and item.found.sources:
            if latest:
                _sources(item, buttons=True)
            else:
                with st.expander(counted(len(item.found.sources), "source")):
                    for number, source in enumerate(item.found.sources, 1):
                        st.caption(f"{number} · {label(_heading(source.show))}")
    return again


def _all_in_catalogue(item: Exchange) -> None:
    """Draw a link to the whole list of which the answer shows the first."""
    fact = item.found.fact if item.found else None
    if fact is None or not fact.complete or not fact.conditions or len(fact.ids) <= field_answers.MOST_LISTED:
        return
    where = " and ".join(f"({condition})" for condition in fact.conditions)
    st.page_link(
        "pages/catalogue.py",
        label=f"All {len(fact.ids):,} in Catalogue",
        icon=":material/video_library:",
        query_params={"where": where},
    )


def _actions(item: Exchange) -> bool:
    """Draw what can be done with the latest answer; return whether it is to be asked anew."""
    answer = item.answer
    with st.container(horizontal=True, gap="small"):
        if answer is not None and st.button(
            "How this was answered", key="ask_how", icon=":material/timeline:", type="tertiary"
        ):
            source_dialog.how(item)
        anew = answer is None or answer.cached or answer.status in (AnswerStatus.ERROR, AnswerStatus.TRUNCATED)
        return anew and st.button("Ask anew", key="ask_anew", icon=":material/refresh:", type="tertiary")


def total(exchanges: Sequence[Exchange]) -> None:
    """Draw what a conversation has used, where a model was paid."""
    answers = [one.answer for one in exchanges if one.answer is not None and one.answer.provider != "local"]
    if len(answers) > 1:
        usage = sum((answer.usage for answer in answers[1:]), answers[0].usage)
        st.caption(label(f"This conversation: {counted(len(answers), 'answer')}, {source_dialog.spent(usage)}."))


def _read_otherwise(item: Exchange) -> Exchange | None:
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
                    return Exchange(item.question, filters=only, ignored=item.ignored)
    beside = [(condition, True) for condition in found.filters.conditions()]
    read = [(condition, False) for condition in found.conditions]
    if found.preferences:
        names = ", ".join(condition.label for condition in found.preferences)
        st.caption(label(f"Preferred, not required: {names}"))
    if not beside and not read:
        return None
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(f"Understood as {_INTENTS.get(found.intent, 'a search')}:", width="content")
        for condition, mine in [*beside, *read]:
            key = f"ask_drop_{mine}_{condition.key}"
            if st.button(label(condition.label), key=key, icon=":material/close:", help="Ask without this condition"):
                left = item.filters.without([condition.key]) if mine else item.filters
                ignored = item.ignored if mine else (*item.ignored, condition.key)
                return Exchange(item.question, filters=left, ignored=ignored)
    return None


def stream(item: Exchange, events: Iterator[Retrieval | str | Answer]) -> None:
    """Draw an answer while it comes: the sources first, then its words."""
    left, right = _exchange_frame(item)
    with left:
        place = st.empty()
        place.caption("Searching titles, words and vectors")
    beside = right.empty()
    with error_boundary(lambda sentence: setattr(item, "error", sentence)), contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Retrieval):
                item.found = event
                if not item.text:
                    shows = counted(len(event.sources), "show")
                    place.caption(f"Found {shows} in {event.timings.retrieve_s * 1000:.0f} ms")
                with beside.container():
                    _sources(item, buttons=False)
            elif isinstance(event, Answer):
                item.answer, item.error = event, event.error
                item.text = event.text or item.text
            else:
                item.text += event
                place.markdown(answer_markdown(item.text, _sent(item)))


def _exchange_frame(item: Exchange) -> tuple[DeltaGenerator, DeltaGenerator]:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(item.question)
    left, right = st.columns([3, 2], gap="large")
    return left.chat_message("assistant", avatar=":material/movie:"), right


def _sent(item: Exchange) -> int:
    """Count the sources that the text may cite: those the model was sent, where the answer is whole."""
    if item.answer is not None and item.answer.prompt is not None:
        return len(item.answer.prompt.sources)
    return len(item.found.sources) if item.found else 0


def _footnotes(item: Exchange) -> None:
    answer = item.answer
    if answer is None:
        if item.error is None:
            st.caption("Stopped before the end.")
        return
    if answer.text is None and answer.status is AnswerStatus.OK:
        st.caption("These shows were found; no answer was written, as the filters say.")
    if answer.standalone:
        st.caption(label(f"Asked as: {answer.standalone}"))
    if answer.status is AnswerStatus.TRUNCATED:
        st.warning("The answer was cut short by the model's limit.", icon=":material/content_cut:")
    if answer.status is AnswerStatus.REFUSED:
        st.warning("The model refused to answer this.", icon=":material/block:")
    if answer.uncited:
        st.warning("The answer names no source: check it before you rely on it.", icon=":material/help:")
    if answer.wrong_citations:
        numbers = ", ".join(map(str, answer.wrong_citations))
        st.warning(f"The answer cites what it was not sent: {numbers}.", icon=":material/error:")
    for note in answer.notes:
        st.caption(escape(note))
    st.caption(_told(answer))


def _told(answer: Answer) -> str:
    """Say who wrote an answer, how long it took and what it cost."""
    timings = answer.timings
    if answer.cached:
        return escape(f"Written by {answer.model} earlier, over the same catalogue: nothing was paid for it now.")
    took = [f"{moment(timings.total_s)} in all", f"{moment(timings.retrieve_s)} of it to find the shows"]
    if answer.provider == "local":
        return "No language model wrote this: facts and quotes from your catalogue.  \n" + ", ".join(took)
    if timings.first_token_s:
        took.insert(1, f"first word after {moment(timings.first_token_s)}")
    return f"{escape(f'Written by {answer.model}.')}  \n{label(' · '.join([*took, source_dialog.spent(answer.usage)]))}"


def _sources(item: Exchange, *, buttons: bool) -> None:
    st.markdown("**Sources**")
    assert item.found is not None
    with st.container(height=_SOURCES_PX, border=False):
        for number, source in enumerate(item.found.sources, 1):
            cited = None if item.answer is None else source.show.id in item.answer.citations
            _source(number, source, cited)
            if buttons and st.button(
                "Why this show", key=f"ask_source_{number}", icon=":material/manage_search:", type="tertiary"
            ):
                source_dialog.source(item, number)


def _source(number: int, source: Source, cited: bool | None) -> None:
    """Draw one source: what it is, how it was found, and the text that stands behind a citation."""
    show = source.show
    year = f" ({show.year})" if show.year else ""
    with st.expander(f"{number:d} · {label(show.title + year)}", icon=":material/check:" if cited else None):
        st.text(clean(show.description) or "The catalogue has no description of it.")
    native = show.native_title
    told = [] if cited is None else ["cited" if cited else "not cited"]
    length = [counted(show.episodes, "episode")] if show.episodes else []
    parts = [*([native] if native else []), *length, *told, *map(source_dialog.found_by, source.evidence)]
    st.caption(label(" · ".join(parts)))


def _heading(show: Show) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return " · ".join([show.title, *facts])
