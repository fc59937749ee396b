"""Draws Home: figures, a question box, cards, open problems, recent jobs. The charts are in home_charts.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import streamlit as st

from animerag.catalogue.statistics import attention_of
from animerag.charts import sparkline
from animerag.models.jobs import INGEST_JOB
from animerag.text.counting import counted
from animerag.ui import cards, components, conversation, session
from animerag.ui.components import EXAMPLES
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from animerag.catalogue.statistics import CollectionStatistics
    from animerag.catalogue.status import Status
    from animerag.discovery.next_up import Suggestion
    from animerag.models.jobs import JobRecord

_CARDS, _MORE_CARDS = 4, 8
_STARTERS = 6
_JOBS, _JOBS_SEARCHED = 5, 40
_RATINGS = range(1, 11)
_LOOK_AROUND = ("pages/catalogue.py", "Open Catalogue", ":material/video_library:")
_UPLOAD = ("pages/upload.py", "Upload", ":material/upload_file:")
_ASK = ("pages/ask.py", "Ask a question", ":material/forum:")


def first_steps(shows: int) -> None:
    """Draw the first steps for somebody who has not imported a file yet; `shows` are those of the sample."""
    sample = (
        f"sample: {counted(shows, 'show')}, each with its titles and relations."
        if shows
        else "sample once it is loaded."
    )
    steps = [
        ("Look around", f"Browse the {sample}", _LOOK_AROUND),
        ("Add your file", "A Shoko export, CSV, Excel, JSON or a MyAnimeList list.", _UPLOAD),
        ("Ask", "About a plot, a title, a list, or what to watch next.", _ASK),
    ]
    if session.is_demo():  # a demo has no page for uploads
        del steps[1]
    with st.grid(len(steps), min_column_width=220):
        for number, (name, about, (page, words, icon)) in enumerate(steps, 1):
            with _step(f"{number} · {name}", about):
                st.page_link(page, label=label(words), icon=icon)


def _step(name: str, about: str) -> DeltaGenerator:
    box = st.container(border=True, gap="xsmall")
    box.markdown(f"**{label(name)}**")
    box.caption(label(about))
    return box


def question_box() -> None:
    """Draw the box for a question; the answer opens in Ask."""
    with st.container():  # outside a container it would stick to the bottom of the window
        asked = st.chat_input("Ask about your collection", key="home_question")
    if asked:
        _ask(asked)


def starters(status: Status) -> None:
    """Draw questions that this catalogue can answer; the answer opens in Ask."""
    with st.skeleton(height=70):
        own = session.cached_by_revision("starters", session.services().retriever.starters)
    if status.sample_only:  # its plots and short names show best what can be asked
        own = [*EXAMPLES, *own[: _STARTERS - len(EXAMPLES)]]
    key = session.fresh_key("home_starters")
    asked = st.pills(
        "Questions to start with", own or EXAMPLES, format_func=label, key=key, label_visibility="collapsed"
    )
    if asked:
        session.renew("home_starters")
        _ask(asked)


def _ask(question: str) -> None:
    conversation.open_one(None)
    conversation.ask_next(question)
    st.switch_page("pages/ask.py")


def figures(statistics: CollectionStatistics) -> None:
    """Draw the collection in numbers, with a small chart if there is a distribution."""
    years = [sum(row.values()) for row in statistics.years.values()]
    ratings = [statistics.ratings.get(rating, 0) for rating in _RATINGS]
    with st.grid(5 if statistics.listed else 4, min_column_width=150, key="home_figures"):
        _metric(
            "Shows", f"{statistics.shows:,}", counted(statistics.films, "film"), distribution=("Shows by year", years)
        )
        hours = f"{statistics.hours:,.0f} hours" if statistics.timed else None
        untimed = statistics.shows - statistics.timed
        help_text = f"The length of {counted(untimed, 'show')} is unknown." if untimed and hours else None
        _metric("Episodes", f"{statistics.episodes:,}", hours, help_text=help_text)
        if statistics.median_rating is not None:
            chart = ("Shows by rating", ratings)
            _metric("Median rating", f"{statistics.median_rating:.2f}", distribution=chart)
        if statistics.listed:
            _metric("Seen", f"{statistics.seen:,}", f"{statistics.unseen:,} unseen")
        _metric("Missing sequels", f"{statistics.missing_sequels:,}")


def _metric(
    name: str,
    value: str,
    more: str | None = None,
    *,
    help_text: str | None = None,
    distribution: tuple[str, Sequence[int]] = ("", ()),
) -> None:
    described, values = distribution
    below, about = (label(text) if text else None for text in (more, help_text))
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(label(name), label(value), below, delta_color="off", delta_arrow="off", help=about)
        if len(values) > 1:
            st.image(sparkline.bars(values), width="stretch", alt=described)


def suggestions() -> None:
    """Draw shows to watch as cards; empty lists are left out."""
    service = session.services().suggestions
    with st.skeleton(height=320):
        suggested = session.cached_by_revision("suggested", lambda: service.suggested(_MORE_CARDS))
    for heading, key, shows in (
        ("Finish what you started", "started", suggested.started[:_CARDS]),
        ("Next in your franchises", "following", suggested.following[:_CARDS]),
        ("Best rated you have not watched", "unseen", suggested.unseen),
    ):
        if shows:
            st.subheader(heading, anchor=False)
            _cards(shows, key)


def _cards(shows: Sequence[Suggestion], key: str) -> None:
    cards.grid([cards.Card(show=one.show, reason=one.reason) for one in shows], key=f"home_{key}")


def attention(statistics: CollectionStatistics, status: Status) -> None:
    """Draw the items that need attention, each with its count and a link."""
    service = session.services().statistics
    duplicates = session.cached_by_revision("duplicates", service.duplicates)
    skipped = session.runtime().call(service.skipped_rows())
    points = attention_of(statistics, status, duplicates=duplicates, skipped_rows=skipped)
    if not any(asdict(points).values()):
        return
    st.subheader("Needs attention", anchor=False)
    with st.grid("auto", min_column_width=185):
        _gap(points.missing_sequels, "missing sequel", "missing sequels", "missing")
        _gap(points.duplicates, "possible duplicate", "possible duplicates", "pairs")
        _gap(points.without_description, "show without a description", "shows without a description", "stubs")
        if points.not_indexed:
            with _counted(points.not_indexed, "show is not indexed", "shows are not indexed"):
                if st.button("Index now", key="home_index"):
                    components.start_indexing()
        if points.skipped_rows:
            with _counted(points.skipped_rows, "skipped row", "skipped rows"):
                if st.button("Show the reasons", key="home_skipped"):
                    _skipped()


def _gap(count: int, one: str, many: str, gaps: str) -> None:
    if count:
        with _counted(count, one, many):
            st.page_link("pages/catalogue.py", label="Show in Catalogue", query_params={"gaps": gaps})


def _counted(count: int, one: str, many: str) -> DeltaGenerator:
    box = st.container(border=True, gap="xsmall")
    box.markdown(f"**{count:,}** {label(one if count == 1 else many)}")
    return box


@st.dialog("Skipped rows of the last import", width="large")
def _skipped() -> None:
    jobs = session.runtime().call(session.services().library.journal.jobs(limit=_JOBS_SEARCHED))
    report = next((job.report for job in jobs if job.kind == INGEST_JOB and job.report), {})
    rows = [{"File": row["file"], "Line": row["line"], "Reason": row["reason"]} for row in report.get("rows", [])]
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("Correct these rows in the file and upload it again. Unchanged rows are recognised and cost nothing.")


def recent_jobs() -> None:
    """Draw the latest jobs."""
    jobs = session.runtime().call(session.services().library.journal.jobs(limit=_JOBS, reports=False))
    if not jobs:
        return
    heading, link = st.columns([4, 1], vertical_alignment="bottom")
    heading.subheader("Recent jobs", anchor=False)
    link.page_link("pages/system.py", label="All jobs", icon=":material/monitor_heart:")
    # Five rows need no scrolling or sorting, and this table is drawn in a tenth of a dataframe's time.
    st.table([_job_row(job) for job in jobs], border="horizontal", hide_index=True)


def _state(job: JobRecord) -> str:
    if job.status != "running" or job.progress is None or not job.progress.total:
        return job.status
    return f"running, {job.progress.fraction:.0%}"


def _job_row(job: JobRecord) -> dict[str, str]:
    shown = {"Job": job.title, "State": _state(job), "Started": session.local_time(job.created_at)}
    return {column: label(text) for column, text in shown.items()}  # a table draws its cells as Markdown
