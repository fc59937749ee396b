"""Values that pages keep between their runs."""

from streamlit.testing.v1 import AppTest

from animerag.ui import session
from tests.pages.screen import until


def script():
    import streamlit as st

    from animerag.ui import session

    try:
        st.text(session.cached_by_revision("revision", session.services().library.revision))
    except OSError as error:
        st.text(str(error))


def test_while_a_job_changes_the_catalogue_a_list_is_renewed_behind_the_page(sampled, monkeypatch):
    page = AppTest.from_function(script, default_timeout=60).run()
    services, call = session.services(), session.runtime().call
    first = page.text[0].value
    call(services.library.bump_revision())
    later = str(call(services.library.revision()))
    assert later != first
    monkeypatch.setattr(session, "_changing", lambda: True)
    assert page.run().text[0].value == first, "half a minute has not passed"
    monkeypatch.setattr(session, "_COMPUTED_S", 0)
    assert page.run().text[0].value == first, "the page does not wait"
    until(page, lambda page: page.text[0].value == later)

    call(services.library.bump_revision())
    monkeypatch.setattr(session, "_COMPUTED_MOST_S", 0)
    assert page.run().text[0].value == str(call(services.library.revision())), "too old to be shown"


def test_a_list_that_could_not_be_renewed_is_shown_until_it_is_too_old(sampled, monkeypatch):
    page = AppTest.from_function(script, default_timeout=60).run()
    first = page.text[0].value
    monkeypatch.setattr(session, "_changing", lambda: True)
    monkeypatch.setattr(session, "_COMPUTED_S", 0)

    async def fail():
        raise OSError("away")

    monkeypatch.setattr(session.services().library, "revision", fail)
    for _ in range(3):
        assert page.run().text[0].value == first
    monkeypatch.setattr(session, "_COMPUTED_MOST_S", 0)
    assert page.run().text[0].value == "away"
