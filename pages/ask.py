"""Ask: one question at a time; the newest answer first, its sources below it."""

import streamlit as st

from animerag.models.answers import Exchange
from animerag.ui import ask, ask_sources, components, conversation, model_servers, navigation, session


def page() -> None:
    heading = st.container(horizontal=True, vertical_alignment="center", key="ask_head")
    heading.title("Ask", anchor=False)
    exchanges = conversation.current()
    status = session.status()
    ready = components.catalogue_state(status)
    offers = st.container()
    with st.container():  # a container keeps it here; at the bottom of the page it would be far from the answer
        typed = st.chat_input("Ask about your catalogue", key="ask_question", submit_mode="stop", disabled=not ready)
    filters = ask.filters(heading, disabled=not ready)  # after the question's box, which can be used meanwhile
    if ready and not exchanges and not typed and not session.is_demo():
        with offers, components.error_boundary():
            model_servers.offer(model_servers.running(), page="ask", declinable=True)
    with navigation.sidebar(), components.error_boundary():
        ask.history(exchanges)
    starters, newest, earlier = st.empty(), st.empty(), st.container()
    clicked = None
    if ready and not exchanges and not typed:
        with starters.container():
            clicked = ask.examples(sample=status.sample_only)
    question = typed or clicked or (conversation.asked_elsewhere() if ready else None)
    if clicked:
        starters.empty()
    if question:
        exchanges.append(Exchange(str(question), filters=filters))
    with earlier:
        ask.earlier(exchanges[:-1])
    if question:
        answer(newest, exchanges, typed=bool(typed))
    elif exchanges:
        with newest.container():
            again = ask.exchange(exchanges[-1])
            ask.total(exchanges)
        ask_sources.open_cited()
        if again is not None:
            exchanges[-1], cached_is_enough = again  # the same question, understood differently, takes its place
            newest.empty()
            answer(newest, exchanges, typed=False, use_cache=cached_is_enough)


def answer(
    place: st.delta_generator.DeltaGenerator, exchanges: list[Exchange], *, typed: bool, use_cache: bool = True
) -> None:
    """Stream the last exchange's answer; what has arrived is stored even when the user stops it."""
    exchange = exchanges[-1]
    store_again = conversation.store(exchanges)
    events = session.services().answering.stream(
        exchange.question,
        history=conversation.turns(exchanges[:-1]),
        filters=exchange.filters,
        ignore=exchange.ignored,
        retrieval_only=bool(st.session_state.get("ask_retrieval_only")),
        use_cache=use_cache,
    )
    try:
        with place.container():
            ask.stream(exchange, session.runtime().stream(events), typed=typed)
    finally:
        store_again()
    st.rerun()


navigation.run(page)
