"""Opens the dialogs of an answer: a source with its match and the part the model received; timing, prompt and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.models.retrieval import how_found
from animerag.text.cleaning import clean, sentences
from animerag.text.counting import counted
from animerag.text.tokens import terms
from animerag.ui import session
from animerag.ui.text import escape, label, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.answers import Answer, Exchange
    from animerag.models.providers import Usage
    from animerag.models.retrieval import Source
    from animerag.models.shows import RelatedShow

_TITLES, _RELATED = 12, 8
_LEAST_SAVED_S = 0.001  # shorter times are noise


def source(exchange: Exchange, number: int) -> None:
    """Open a dialog with one source of an exchange."""

    @st.dialog("Source", width="medium")
    def window() -> None:
        assert exchange.retrieval is not None
        _source(exchange, exchange.retrieval.sources[number - 1], number)

    window()


def how(exchange: Exchange) -> None:
    """Open a dialog about how an answer was made: its timing, the exact prompt, and its text to copy."""

    @st.dialog("Answer details", width="medium")
    def window() -> None:
        answer = exchange.answer
        if answer is None:
            st.caption("Stopped before the end.")
            return
        timing, prompt, text = st.tabs(["Timing", "Prompt", "Text"])
        with timing:
            _timing(answer)
        with prompt:
            _prompt(answer)
        with text:
            st.code(exchange.text, language=None, wrap_lines=True)

    window()


def spent(usage: Usage) -> str:
    """Describe usage in tokens and money."""
    if not usage.tokens:
        return "no token count from the server"
    tokens = f"{usage.input_tokens + usage.embedding_tokens:,} tokens"
    if usage.output_tokens:
        tokens = f"{tokens} in, {usage.output_tokens:,} out"
    spent = f"{tokens}, cost unknown" if usage.cost_usd is None else f"{tokens}, ${usage.cost_usd:.4f}"
    return f"{spent}, estimated" if usage.estimated else spent


def _source(exchange: Exchange, source: Source, number: int) -> None:
    show, answer = source.show, exchange.answer
    st.subheader(label(f"{number} · {show.title}"), anchor=False)
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    facts += [f"rated {show.rating:.2f} of 10"] if show.rating else []
    facts += [show.my_status.replace("_", " ")] if show.my_status else []
    st.caption(label(" · ".join([*facts, *show.tags])))
    if answer is not None:
        st.markdown("Cited in the answer." if show.id in answer.citations else "Not cited in the answer.")
    st.markdown("**Matched by** " + label(" · ".join(how_found(source.evidence, source.distance)) or "its fields"))
    matched = {evidence.detail.casefold() for evidence in source.evidence if evidence.branch == "alias"}
    st.markdown("**Titles** " + " · ".join(_title(title, matched) for title in show.titles[:_TITLES]))
    _description(exchange, source, number)
    _links("Relations", show.relations)
    _links("Similar", show.similar)
    st.page_link(
        "pages/catalogue.py",
        label="Open in Catalogue",
        icon=":material/open_in_new:",
        query_params={"show": show.id},
    )


def _title(title: str, matched: set[str]) -> str:
    shown = label(title)
    return f":violet-background[{shown}]" if title.casefold() in matched else shown


def _description(exchange: Exchange, source: Source, number: int) -> None:
    """Draw the description: words of the question and quotes are marked; text that was not sent is grey."""
    text = clean(source.show.description)
    if not text:
        st.markdown("No description.")
        return
    prompt = exchange.answer.prompt if exchange.answer is not None else None
    sent = prompt.sent[number - 1] if prompt is not None and number <= len(prompt.sent) else None
    whole = text if sent is None else text[:sent]
    wanted = set(terms(exchange.question))
    st.markdown(" ".join(_marked(sentence, wanted, exchange.text) for sentence in sentences(whole)))
    if sent is None:
        if prompt is not None:
            st.caption("Not sent to the model, which answered from the show named in the question.")
        return
    st.caption(f"{min(sent, len(text)):,} of {len(text):,} characters were sent to the model.")
    if sent < len(text):
        st.markdown(f":gray[{escape(text[sent:].strip())}]")


def _marked(sentence: str, wanted: set[str], answer: str) -> str:
    shown = label(sentence)
    marks = sentence.strip() in answer or len(wanted & set(terms(sentence))) > 1
    return f":violet-background[{shown}]" if marks else shown


def _links(heading: str, related: Sequence[RelatedShow]) -> None:
    if not related:
        return
    held = session.runtime().call(session.services().library.shows([item.id for item in related], records=False))
    st.markdown(f"**{heading}**")
    for item in related[:_RELATED]:
        year = f" ({item.year})" if item.year else ""
        text = label(
            f"{item.kind}: {item.title}{year}" if item.kind.casefold() != heading.casefold() else f"{item.title}{year}"
        )
        if item.id in held:
            st.page_link("pages/catalogue.py", label=text, query_params={"show": item.id})
        else:
            st.caption(f"{text} · not in the catalogue")


def _timing(answer: Answer) -> None:
    timings = answer.timings
    if answer.cached:
        st.markdown("Answered from the cache: no request was made.")
        return
    from animerag.charts.ask import waterfall  # with pandas, which no answer needs

    st.plotly_chart(waterfall(answer.spans), key="ask_waterfall", config={"displayModeBar": False})
    parts = [f"{moment(timings.total_s)} total", f"search {moment(timings.retrieve_s)}"]
    if timings.first_token_s:
        parts.append(f"first words {moment(timings.first_token_s)}")
    if timings.saved_s >= _LEAST_SAVED_S:
        parts.append(f"parallel searches saved {moment(timings.saved_s)}")
    if answer.provider != "local":
        parts.append(spent(answer.usage))
    st.caption(label(" · ".join(parts)))


def _prompt(answer: Answer) -> None:
    if answer.prompt is None:
        st.markdown("No model was asked, so there is no prompt.")
        return
    st.caption("Instructions")
    st.code(answer.prompt.system, language=None, wrap_lines=True)
    st.caption("Question and sources")
    st.code(answer.prompt.user, language=None, wrap_lines=True)
