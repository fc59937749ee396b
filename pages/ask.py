"""Ask: one question at a time, its sources before its first word."""

import streamlit as st

from animerag.ui import ask, components, navigation, session


def page() -> None:
    heading, narrow, actions = st.columns([5, 2, 3], vertical_alignment="bottom")
    heading.title("Ask")
    exchanges = session.conversation()
    if actions.button("New conversation", icon=":material/add_comment:", disabled=not exchanges, width="stretch"):
        exchanges.clear()
        st.rerun()
    status = session.status()
    ready = components.catalogue_state(status)
    filters = ask.filters(narrow, disabled=not ready)
    clicked = ask.examples() if ready and status.sample_only else None
    again: session.Exchange | None = None
    for exchange in exchanges:
        again = ask.exchange(exchange, latest=exchange is exchanges[-1])
    typed = st.chat_input("Ask about the catalogue", key="ask_question", submit_mode="stop", disabled=not ready)
    question = typed or clicked
    if question:
        answer(session.Exchange(str(question), filters=filters), exchanges)
    elif again is not None:
        exchanges.pop()  # the same question, read otherwise, takes its place
        answer(again, exchanges)


def answer(exchange: session.Exchange, exchanges: list[session.Exchange]) -> None:
    """Stream one answer; what has arrived is kept even when the user stops it."""
    history = session.turns(exchanges)
    exchanges.append(exchange)
    answering = session.services().answering
    asked = answering.stream(exchange.question, history=history, filters=exchange.filters, ignore=exchange.ignored)
    events = session.runtime().stream(asked)
    ask.stream(exchange, events)
    st.rerun()


navigation.run(page)
