"""Draws Ask: questions and answers, with notes and earlier conversations. The sources are in ask_sources.py."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from animerag.answering import field_answers
from animerag.batch.export import conversation_json, conversation_markdown
from animerag.models.answers import Answer, AnswerStatus, Exchange
from animerag.models.filters import Filters
from animerag.models.retrieval import Retrieval
from animerag.text.cleaning import normalise
from animerag.text.counting import counted
from animerag.ui import ask_sources, conversation, session, source_dialog, teach
from animerag.ui.components import EXAMPLES, error_boundary, show_error
from animerag.ui.text import answer_markdown, escape, label, moment, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamlit.delta_generator import DeltaGenerator

    from animerag.models.shows import Show
    from animerag.storage.conversations import Conversation

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
_WORDS = re.compile(r"\w+")
_SEARCHING, _STOPPED = "Searching titles, words and plots", "Stopped before the end."
_AGAIN = "ask_again_now"  # in the session: a stopped answer is asked for again
_STARTERS = 4  # more would be too many to choose from at once
_HISTORY = 8  # conversations in the sidebar
_TITLE = 48  # characters of a conversation's title there
_CARDS_PX = 150  # as high as a row of cards


def examples(*, sample: bool) -> str | None:
    """Draw questions to start with, about the sample or your own shows; return the one that was clicked."""
    clicked = None
    own = () if sample else session.cached_by_revision("starters", session.services().retriever.starters)
    with st.container(horizontal=True, gap="small"):
        for number, example in enumerate((own or EXAMPLES)[:_STARTERS]):
            if st.button(label(example), key=f"ask_example_{number}"):
                clicked = example
    return clicked


def filters(place: DeltaGenerator, *, disabled: bool) -> Filters:
    """Draw the conditions that apply to every question until they are removed, and return them."""
    with place.popover("Filters", icon=":material/filter_alt:", disabled=disabled, width="content"):
        if disabled:
            return Filters()
        year_from = st.number_input("From year", 1900, 2200, value=None, key="ask_year_from")
        year_to = st.number_input("To year", 1900, 2200, value=None, key="ask_year_to")
        episodes_to = st.number_input("Episodes at most", 1, 10_000, value=None, key="ask_episodes_to")
        # The first page of a new process does not wait for the catalogue in memory, which only tags need.
        known = session.tags() if session.services().snapshots.is_loaded else st.session_state.get("ask_tags", [])
        tags = st.multiselect("Tags (all)", known, key="ask_tags")
        st.toggle(
            "Search only, no answer",
            key="ask_retrieval_only",
            help="Lists the shows that match, without asking a model.",
        )
    return Filters(year_from=year_from, year_to=year_to, episodes_to=episodes_to, tags=tuple(tags))


def history(exchanges: Sequence[Exchange]) -> None:
    """Draw the latest conversations to open again, a button for a new one, and downloads of this one."""
    if exchanges:
        icon = ":material/add_comment:"
        st.button("New chat", icon=icon, key="ask_new", width="stretch", on_click=conversation.open_one, args=(None,))
    stored = [] if session.is_demo() else session.runtime().call(session.services().conversations.latest())
    if not stored:
        return
    st.caption("History")
    for one in stored[:_HISTORY]:
        _past(one)
    if len(stored) > _HISTORY:
        with st.popover("Older", icon=":material/history:", width="stretch"):
            for one in stored[_HISTORY:]:
                _past(one)
    if exchanges:
        _export(exchanges)


def _past(one: Conversation) -> None:
    title = one.title if len(one.title) <= _TITLE else f"{one.title[: _TITLE - 1]}…"
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"ask_past_{one.id}"):
        st.button(
            label(title),
            key=f"ask_open_{one.id}",
            help=label(f"{session.local_time(one.at)} · {counted(one.exchanges, 'question')}"),
            on_click=conversation.open_one,
            args=(one.id,),
            type="tertiary",
            width="stretch",
        )
        st.button(
            "",
            icon=":material/delete:",
            key=f"ask_delete_{one.id}",
            help="Delete this conversation",
            on_click=conversation.delete,
            args=(one.id,),
            type="tertiary",
        )


def _export(exchanges: Sequence[Exchange]) -> None:
    with st.popover("Download this chat", icon=":material/download:", width="stretch"):
        for ending, written in (("md", conversation_markdown), ("json", conversation_json)):
            export = partial(written, list(exchanges))  # on demand, not at every rerun
            name = f"conversation.{ending}"
            st.download_button(f"Download .{ending}", export, file_name=name, key=f"ask_export_{ending}")


def exchange(item: Exchange) -> tuple[Exchange, bool] | None:
    """Draw the newest question with its answer and sources.

    Returns the question to ask in its place after a condition was removed or a retry was requested, and whether a
    cached answer will do; otherwise None.
    """
    _question(item)
    again: tuple[Exchange, bool] | None = None
    about: dict[int, str] = {}
    after = ""
    with _assistant():
        differently = _understood_as(item)
        again = (differently, True) if differently is not None else None
        if item.text:
            before, about, after = ask_sources.list_as_cards(item.text, _sent(item))
            st.markdown(answer_markdown(before, _sent(item), linked=True))
        if item.answer is None and item.error is None:
            st.caption(_STOPPED)
        if item.error:
            show_error(item.error)
        if item.retrieval is not None and item.retrieval.sources:
            ask_sources.draw(item, about, buttons=True)
        if after:
            st.markdown(answer_markdown(after, _sent(item)))
        _all_in_catalogue(item)
        _notes(item)
        if _foot(item):
            again = (Exchange(item.question, filters=item.filters, ignored=item.ignored), False)
    return again


def earlier(exchanges: Sequence[Exchange]) -> None:
    """Draw the questions before the newest with their answers, newest first."""
    if not exchanges:
        return
    st.divider()
    st.caption("Earlier in this chat")
    for item in reversed(exchanges):
        _question(item)
        with _assistant():
            if item.text:
                st.markdown(answer_markdown(item.text, _sent(item)))
            if item.error:
                show_error(item.error)
            if item.answer is None and item.error is None:
                st.caption(_STOPPED)
            _notes(item)
            if item.answer is not None:
                st.caption(written_by(item.answer))
            if item.retrieval is not None and item.retrieval.sources:
                with st.expander(_sources_title(item, item.retrieval)):
                    for number, source in enumerate(item.retrieval.sources, 1):
                        st.caption(f"{number} · {label(_heading(source.show))}")


def _sources_title(item: Exchange, retrieval: Retrieval) -> str:
    number, unanswered = len(retrieval.sources), not item.text or retrieval.no_match
    return f"{counted(number, 'show')} considered" if unanswered else counted(number, "source")


def _question(item: Exchange) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(item.question)


def _assistant() -> DeltaGenerator:
    return st.chat_message("assistant", avatar=":material/movie:")


def _all_in_catalogue(item: Exchange) -> None:
    """Draw a link to the complete list, of which the answer shows only the first shows."""
    fact = item.retrieval.fact if item.retrieval else None
    if fact is None or not fact.complete or not fact.conditions or len(fact.ids) <= field_answers.MOST_LISTED:
        return
    where = " and ".join(f"({condition})" for condition in fact.conditions)
    st.page_link(
        "pages/catalogue.py",
        label=f"All {len(fact.ids):,} in Catalogue",
        icon=":material/video_library:",
        query_params={"where": where},
    )


def _foot(item: Exchange) -> bool:
    """Draw the answer's author, its time and its buttons; return whether to retry it."""
    answer = item.answer
    if answer is not None:
        st.caption(written_by(answer))
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="ask_foot"):
        if answer is not None:
            if st.button("Details", key="ask_how", icon=":material/timeline:", type="tertiary"):
                source_dialog.how(item)
            if answer.text:  # a question that failed means no other show
                teach.offer(item)
        retry = answer is None or answer.cached or answer.status in (AnswerStatus.ERROR, AnswerStatus.TRUNCATED)
        clicked = retry and st.button("Retry", key="ask_retry", icon=":material/refresh:", type="tertiary")
        return clicked or st.session_state.pop(_AGAIN, False)


def total(exchanges: Sequence[Exchange]) -> None:
    """Draw the tokens and cost of a conversation in which a model on the network answered."""
    answers = [one.answer for one in exchanges if one.answer is not None and one.answer.provider != "local"]
    answers = [answer for answer in answers if answer.status is not AnswerStatus.ERROR]
    if len(answers) > 1:
        usage = sum((answer.usage for answer in answers[1:]), answers[0].usage)
        st.caption(label(f"This chat: {counted(len(answers), 'answer')}, {source_dialog.spent(usage)}."))


def _understood_as(item: Exchange) -> Exchange | None:
    """Draw the conditions in a question and the shows that share a name in it; return the question to ask instead."""
    retrieval = item.retrieval
    if retrieval is None:
        return None
    for ambiguity in retrieval.ambiguities:
        st.caption(label(f"“{ambiguity.phrase}” is the name of several shows. Choose one:"))
        with st.container(horizontal=True, gap="small"):
            for option in ambiguity.options:
                year = f" ({option.year})" if option.year else ""
                if st.button(label(option.title + year), key=f"ask_option_{option.id}"):
                    only = replace(item.filters, title=option.title, year_from=option.year, year_to=option.year)
                    return Exchange(item.question, filters=only, ignored=item.ignored)
    beside = [(condition, True) for condition in retrieval.filters.conditions()]
    read = [(condition, False) for condition in retrieval.conditions]
    if retrieval.preferences:
        names = ", ".join(condition.label for condition in retrieval.preferences)
        st.caption(label(f"Preferred, not required: {names}"))
    if not beside and not read:
        return None
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(f"Understood as {_INTENTS.get(retrieval.intent, 'a search')}:", width="content")
        for condition, mine in [*beside, *read]:
            key = f"ask_drop_{mine}_{condition.key}"
            if st.button(label(condition.label), key=key, icon=":material/close:", help="Ask without this condition"):
                left = item.filters.without([condition.key]) if mine else item.filters
                ignored = item.ignored if mine else (*item.ignored, condition.key)
                return Exchange(item.question, filters=left, ignored=ignored)
    return None


def stream(item: Exchange, events: Iterator[Retrieval | str | Answer | None], *, typed: bool) -> None:
    """Draw an answer as it arrives: the sources first, then its words; None says that nothing arrives at the moment.

    A question that was not `typed` gets a button to stop; the box for questions has one for those that were.
    """
    _question(item)
    with _assistant():
        place = st.empty()
        if not typed:
            with st.container(key="ask_running"):
                st.button("Stop", key="ask_stop", icon=":material/stop_circle:", type="tertiary")
        _if_stopped()
        below = st.empty()
    place.caption(_SEARCHING)
    below.skeleton(height=_CARDS_PX)
    with error_boundary(lambda sentence: setattr(item, "error", sentence)), contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Retrieval):
                item.retrieval = event
                if not item.text:
                    place.caption(_waiting(event))
                with below.container():
                    ask_sources.draw(item, {}, buttons=False)
            elif isinstance(event, Answer):
                item.answer, item.error = event, event.error
                item.text = event.text or item.text
            elif event is not None:
                item.text += event
                place.markdown(answer_markdown(item.text, _sent(item)))
            elif not item.text:
                place.caption(_waiting(item.retrieval))


def _if_stopped() -> None:
    """Draw what a stopped answer needs: nothing can be drawn later, so the style hides it while the script runs."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="ask_stopped"):
        st.caption(_STOPPED, width="content")
        st.button("Retry", key="ask_again", icon=":material/refresh:", type="tertiary", on_click=_ask_again)


def _ask_again() -> None:
    st.session_state[_AGAIN] = True


def _waiting(retrieval: Retrieval | None) -> str:
    """Describe what an answer waits for: the searches, the model that reads the sources, or the provider's limits."""
    doing, waits = _SEARCHING, session.waits()
    if retrieval is not None:
        doing = f"Reading {counted(len(retrieval.sources), 'show')}"
    return f"{doing} · {label(waits)}" if waits else doing


def _sent(item: Exchange) -> int:
    """Count the sources that the text may cite: those that the model was sent, once the answer is complete."""
    if item.answer is not None and item.answer.prompt is not None:
        return len(item.answer.prompt.sources)
    return len(item.retrieval.sources) if item.retrieval else 0


def _notes(item: Exchange) -> None:
    """Draw what the reader has to know before relying on an answer."""
    answer = item.answer
    if answer is None:
        return
    if answer.text is None and answer.status is AnswerStatus.OK:
        st.caption("Search only: no answer was written, as chosen under Filters.")
    if answer.standalone and adds_words(answer.standalone, item.question):
        st.caption(label(f"Understood as: {answer.standalone}"))
    if answer.status is AnswerStatus.TRUNCATED:
        st.warning("The answer was cut short by the model's limit.", icon=":material/content_cut:")
    if answer.status is AnswerStatus.REFUSED:
        st.warning("The model declined to answer this.", icon=":material/block:")
    if answer.uncited:
        st.warning("The answer cites no source: check it before you rely on it.", icon=":material/help:")
    if answer.wrong_citations:
        numbers = ", ".join(map(str, answer.wrong_citations))
        st.warning(f"The answer cites sources that do not exist: {numbers}.", icon=":material/error:")
    for note in answer.notes:
        st.caption(sentence(note))


def adds_words(rewritten: str, asked: str) -> bool:
    """Return whether a rewritten question has words that were not typed."""
    return not set(_WORDS.findall(normalise(rewritten))) <= set(_WORDS.findall(normalise(asked)))


def written_by(answer: Answer) -> str:
    """Return the author, time and cost of an answer, as Markdown."""
    timings = answer.timings
    if answer.cached:
        return escape(f"Written by {answer.model} for the same question earlier, at no new cost")
    took = [moment(timings.total_s), f"search {moment(timings.retrieve_s)}"]
    if answer.status is AnswerStatus.ERROR and not answer.text:
        return f"Failed after {took[0]}"
    if answer.provider == "local":
        return " · ".join(["Quoted from your catalogue (no language model connected)", *took])
    if answer.prompt is None:  # a list, a figure or nothing: complete without a model's words
        return " · ".join(["From your catalogue, without the language model", *took])
    if timings.first_token_s:
        took.append(f"first words {moment(timings.first_token_s)}")
    return label(" · ".join([f"Written by {answer.model}", *took, source_dialog.spent(answer.usage)]))


def _heading(show: Show) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return " · ".join([show.title, *facts])
