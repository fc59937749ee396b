"""Ask: one question at a time, its sources before its first word."""

import streamlit as st

from animerag.models.answers import Exchange
from animerag.ui import ask, components, conversation, model_servers, navigation, session


def page() -> None:
    heading, narrow, earlier, new = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    heading.title("Ask")
    exchanges = conversation.current()
    status = session.status()
    ready = components.catalogue_state(status)
    if ready and not exchanges:
        with components.error_boundary():
            model_servers.offer(model_servers.found(), page="ask", declinable=True)
    filters = ask.filters(narrow, disabled=not ready)
    ask.conversations(earlier, exchanges)
    if exchanges:
        begin = {"on_click": conversation.open_one, "args": (None,), "help": "Begin a new conversation"}
        new.button("New", icon=":material/add_comment:", width="stretch", **begin)
    clicked = ask.examples(sample=status.sample_only) if ready and not exchanges else None
    again = None
    for exchange in exchanges:
        again = ask.exchange(exchange, latest=exchange is exchanges[-1])
    ask.total(exchanges)
    typed = st.chat_input("Ask about the catalogue", key="ask_question", submit_mode="stop", disabled=not ready)
    question = typed or clicked
    if question:
        exchanges.append(Exchange(str(question), filters=filters))
        answer(exchanges)
    elif again is not None:
        exchanges[-1], kept_will_do = again  # the same question, read otherwise, takes its place
        answer(exchanges, use_cache=kept_will_do)


def answer(exchanges: list[Exchange], *, use_cache: bool = True) -> None:
    """Stream the last exchange's answer; what has arrived is kept even when the user stops it."""
    exchange = exchanges[-1]
    keep = conversation.store(exchanges)
    asked = session.services().answering.stream(
        exchange.question,
        history=conversation.turns(exchanges[:-1]),
        filters=exchange.filters,
        ignore=exchange.ignored,
        retrieval_only=bool(st.session_state.get("ask_retrieval_only")),
        use_cache=use_cache,
    )
    try:
        ask.stream(exchange, session.runtime().stream(asked))
    finally:
        keep()
    st.rerun()


navigation.run(page)
