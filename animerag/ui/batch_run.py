"""Draws one run in Batch: progress or result, answers, timing, quality, and downloads."""

from __future__ import annotations

import re
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import streamlit as st

from animerag.batch import export
from animerag.batch.progress import RunProgress
from animerag.charts.batch import cumulative, latency, timeline
from animerag.evaluation import run_quality
from animerag.models.answers import AnswerStatus
from animerag.storage.batch_runs import FAILED
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui import batch_runs, evaluation, session
from animerag.ui.batch import level_choice, tokens_and_cost
from animerag.ui.compare import draw as draw_chart
from animerag.ui.components import job_watched, progress_of, show_error
from animerag.ui.text import answer_markdown, label

if TYPE_CHECKING:
    from animerag.batch.runner import Which
    from animerag.jobs.jobs import Job
    from animerag.models.stored_answers import StoredAnswer
    from animerag.storage.batch_runs import BatchRun, RunRow

_MARKS = re.compile(r"\*\*|^> ", re.MULTILINE)  # characters that are special in Markdown; a table shows text as it is
_PAGE_ROWS = 50  # a table of thousands would be sent to the browser again at every poll
_FILES = {".csv": "text/csv", ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
_FILES[".jsonl"] = "application/jsonl"
_COUNTED: dict[AnswerStatus | None, str] = {
    AnswerStatus.OK: "answered",
    AnswerStatus.NO_MATCH: "without a match",
    AnswerStatus.REFUSED: "refused by the model",
    AnswerStatus.TRUNCATED: "cut short",
    AnswerStatus.ERROR: "failed",
    AnswerStatus.CANCELLED: "cancelled",
    None: "not asked",
}
_SHOWN: dict[str, tuple[AnswerStatus | None, ...] | None] = {
    "All rows": None,
    "Failed": FAILED,
    "Not asked": (None, AnswerStatus.CANCELLED),
}


def draw(run: BatchRun) -> None:
    """Draw a run: its progress or result first, details below."""
    job = session.services().jobs.get(run.job_id) if run.job_id else None
    running = job is not None and job.running
    if job is not None and running:
        job_watched(job, _status, lambda job: _at_work(run.id, here=job.here))
        st.caption("Each answer is saved as it arrives. You can leave this page; the run continues.")
        _new_sheet()
        return
    with st.container(horizontal=True, vertical_alignment="center", key="batch_head"):
        st.subheader(label(run.name), anchor=False)
        _new_sheet()
    if run.at_work:
        st.info("A job is answering this sheet. Reload the page to see its progress.", icon=":material/sync:")
    else:
        _ended(run, job)
    _files(run)
    _views(run)


def _new_sheet() -> None:
    if st.button("New sheet", icon=":material/add:", key="batch_new"):
        batch_runs.open_one(None)
        st.rerun()


def _status(job: Job) -> str:
    live, waits = job.control.partial_as(RunProgress), session.waits()
    if live is None or not live.done:
        return "Stopping" if job.state == "cancelling" else " · ".join(filter(None, (progress_of(job), waits)))
    left = f" · {duration(live.left_s)} left" if live.left_s else ""
    parts = [
        f"{live.done:,} of {live.total:,} · {live.per_second:,.1f}/s{left}",
        f"{live.meter.in_flight if session.services().answering.written_by_a_model else live.asking} in flight",
        *([waits] if waits else []),
        *([f"{live.meter.throttled_s:.0f} s spent waiting for rate limits"] if live.meter.throttled_s >= 1 else []),
        *([f"{live.failed:,} failed"] if live.failed else []),
        *([tokens_and_cost(live.usage).replace("\\", "")] if live.usage.input_tokens else []),
    ]
    return ("Stopping · " if job.state == "cancelling" else "") + " · ".join(parts)


def _at_work(run_id: str, *, here: bool) -> None:
    run = session.runtime().call(session.services().batch.runs.get(run_id))
    if here:  # the level belongs to the process that runs the job
        level = level_choice()
        if st.session_state.setdefault("batch_level_set", level) != level:
            st.session_state["batch_level_set"] = level
            session.on_loop(lambda: session.services().batch.set_level(level))
    _files(run)
    _views(run)


def _ended(run: BatchRun, job: Job | None) -> None:
    done = run.total - run.unanswered
    parts = [f"**{done:,} of {counted(run.total, 'question')} answered**"]
    if done:
        parts.append(f"{duration(run.seconds)} total")
    if run.usage.input_tokens:
        parts.append(tokens_and_cost(run.usage))
    st.markdown(" · ".join(parts))
    if job is not None and job.state == "failed":
        show_error(f"The run stopped. {job.error}")
    elif run.stopped_by:
        show_error(f"The run stopped. {run.stopped_by}")
    elif run.missing:
        reason = "Interrupted when the app ended." if run.job_state == "interrupted" else "Cancelled."
        saved = " The answers so far are saved." if done else ""
        st.warning(reason + saved, icon=":material/stop:")
    counts = [f"{run.counts[status]:,} {words}" for status, words in _COUNTED.items() if status in run.counts]
    if len(counts) > 1:
        st.caption(" · ".join(counts))
    with st.container(horizontal=True):
        missing = run.missing + run.counts.get(AnswerStatus.CANCELLED, 0)
        if missing and st.button(f"Resume ({missing:,} left)", icon=":material/play_arrow:", key="batch_resume"):
            _continue(run, "missing")
        if run.failed and st.button(f"Retry {run.failed:,} failed", icon=":material/refresh:", key="batch_retry"):
            _continue(run, "failed")


def _continue(run: BatchRun, which: Which) -> None:
    services = session.services()
    session.runtime().call(services.batch.start(services.jobs, run.id, which))
    st.rerun()


def _files(run: BatchRun) -> None:
    """Offer the sheet with its answers so far, made on demand, and a way to delete a run that has ended."""
    stem = label(run.name).rsplit(".", 1)[0].replace("\\", "") or "questions"
    first, *others = _FILES
    with st.container(horizontal=True):
        _download(first, run.id, stem)
        with st.popover("More", icon=":material/more_horiz:", key=f"batch_more_{run.id}"):
            for suffix in others:
                _download(suffix, run.id, stem)
            if run.at_work or session.is_demo():
                return
            st.caption("This cannot be undone:")
            if st.button("Delete this run", key="batch_delete", icon=":material/delete:"):
                session.runtime().call(session.services().batch.runs.delete(run.id))
                batch_runs.open_one(None)
                st.rerun()


def _download(suffix: str, run_id: str, stem: str) -> None:
    st.download_button(
        label(f"Download {suffix[1:].upper()}"),
        partial(_file, suffix, run_id),
        file_name=f"{stem}-answers{suffix}",
        mime=_FILES[suffix],
        icon=":material/download:",
        on_click="ignore",
        key=f"batch_download_{suffix[1:]}",
    )


def _file(suffix: str, run_id: str) -> bytes:
    call, runs = session.runtime().call, session.services().batch.runs
    return export.written(suffix, call(runs.get(run_id)), call(runs.rows(run_id)))


def _views(run: BatchRun) -> None:
    judged = run_quality.has_ground_truth(run) and not run.at_work
    names = ["Quality", "Answers", "Timing"] if judged else ["Answers", "Timing"]
    chosen = st.segmented_control(
        "View",
        names,
        default=names[0],
        required=True,
        key="batch_view_quality" if judged else "batch_view",
        label_visibility="collapsed",
    )
    {"Quality": evaluation.draw, "Answers": _answers, "Timing": _timing}[chosen](run)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answers(run: BatchRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = "All rows"
        if run.at_work or run.unanswered:  # otherwise all rows have the same status
            shown = st.segmented_control(
                "Rows", list(_SHOWN), default="All rows", required=True, key="batch_rows", label_visibility="collapsed"
            )
        statuses = _SHOWN[shown]
        number = run.total if statuses is None else sum(run.counts.get(status, 0) for status in statuses)
        pages = max(1, ceil(number / _PAGE_ROWS))
        page = st.pagination(pages, key=f"batch_page_{run.id}_{shown}") if pages > 1 else 1
    runs = session.services().batch.runs
    rows = session.runtime().call(
        runs.rows(run.id, offset=(page - 1) * _PAGE_ROWS, limit=_PAGE_ROWS, statuses=statuses)
    )
    if not rows:
        st.caption("No rows like this.")
        return
    waits = "waiting" if run.at_work else "not asked"
    chosen = st.dataframe(
        [_table_row(row, waits) for row in rows],
        hide_index=True,
        width="stretch",
        height=min(35 * len(rows) + 38, 420),
        placeholder="",
        key=f"batch_table_{run.id}_{shown}_{page}",
        on_select="rerun",
        selection_mode="single-cell",  # selecting rows would need a tick, which arrow keys do not set
        column_config={
            "Row": st.column_config.NumberColumn(width=60),
            "Question": st.column_config.TextColumn(width="medium"),
            "Answer": st.column_config.TextColumn(width="large"),
            "Status": st.column_config.TextColumn(width=90),
            "Cited": st.column_config.TextColumn(width="medium"),
            "Seconds": st.column_config.NumberColumn(width=80, format="%.2f"),
        },
    )["selection"]["cells"]
    if chosen and chosen[0][0] < len(rows):
        _whole_answer(rows[chosen[0][0]])
    else:
        st.caption("Click a row, or use the arrow keys, to see the whole answer and its sources.")


def _table_row(row: RunRow, waits: str) -> dict[str, object]:
    answer = row.answer
    if answer is None:
        return {"Row": row.number + 1, "Question": row.asked.question, "Answer": "", "Status": waits, "Cited": ""}
    return {
        "Row": row.number + 1,
        "Question": row.asked.question,
        "Answer": _MARKS.sub("", answer.text or answer.error or ""),
        "Status": answer.status.replace("_", " "),
        "Cited": ", ".join(answer.cited_titles),
        "Seconds": answer.timings.total_s or None,
        "Note": _note(answer),
    }


def _note(answer: StoredAnswer) -> str:
    if answer.same_as is not None:
        return f"as row {answer.same_as + 1}"
    return "cached" if answer.cached else ""


def _whole_answer(row: RunRow) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left.container(border=True):
        _answer(row)
    if row.answer is not None:
        with right:
            _sources(row.answer)


def _answer(row: RunRow) -> None:
    st.text(row.asked.question)
    answer = row.answer
    if answer is None:
        st.caption("Not asked yet.")
        return
    if answer.error:
        show_error(answer.error)
    st.markdown(answer_markdown(answer.text or "", sources=len(answer.sources)))
    st.caption(label(_took(answer)))


def _sources(answer: StoredAnswer) -> None:
    st.markdown("**Sources**")
    for number, source in enumerate(answer.sources, 1):
        name = label(f"{number} · {source.title}" + (f" ({source.year})" if source.year else ""))
        st.page_link("pages/catalogue.py", label=name, query_params={"show": source.show_id})
        st.caption(label(f"{'cited' if source.cited else 'not cited'} · {source.how_found}"))


def _took(answer: StoredAnswer) -> str:
    timings = answer.timings
    parts = [f"{timings.total_s:.2f} s total", f"search {timings.retrieve_s:.2f} s"]
    if timings.queue_s + timings.throttle_s >= 0.01:
        parts.append(f"{timings.queue_s + timings.throttle_s:.2f} s waiting")
    if timings.first_token_s:
        parts.append(f"first words {timings.first_token_s:.2f} s")
    writer = "no language model" if answer.provider == "local" else answer.model
    return " · ".join([*parts, counted(answer.attempts or 0, "request"), writer])


# ── Timing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _timing(run: BatchRun) -> None:
    timed = session.runtime().call(session.services().batch.runs.timed(run.id))
    if not any(one.timings["total_s"] for one in timed):
        st.caption("No timings yet.")
        return
    left, right = st.columns(2)
    with left:
        draw_chart(latency(timed), f"batch_latency_{run.id}")
    with right:
        draw_chart(cumulative(timed), f"batch_cumulative_{run.id}")
    draw_chart(timeline(timed), f"batch_timeline_{run.id}")
