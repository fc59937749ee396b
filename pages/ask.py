"""Ask: one question at a time, its sources before its first word."""

import streamlit as st

from animerag.ui import ask, components, navigation, session


def page() -> None:
    heading, actions = st.columns([3, 1], vertical_alignment="bottom")
    heading.title("Ask")
    exchanges = session.conversation()
    if actions.button("New conversation", icon=":material/add_comment:", disabled=not exchanges, width="stretch"):
        exchanges.clear()
        st.rerun()
    status = session.status()
    ready = components.catalogue_state(status)
    clicked = ask.examples() if ready and status.sample_only else None
    for exchange in exchanges:
        ask.exchange(exchange, latest=exchange is exchanges[-1])
    typed = st.chat_input("Ask about the catalogue", key="ask_question", submit_mode="stop", disabled=not ready)
    question = typed or clicked
    if question:
        answer(str(question), exchanges)


def answer(question: str, exchanges: list[session.Exchange]) -> None:
    """Stream one answer; what has arrived is kept even when the user stops it."""
    history = session.turns(exchanges)
    exchange = session.Exchange(question)
    exchanges.append(exchange)
    events = session.runtime().stream(session.services().answering.stream(question, history=history))
    ask.stream(exchange, events)
    st.rerun()


navigation.run(page)
