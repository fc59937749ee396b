"""What Upload draws: files and what they would change, a running import, and what became of every row."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from animerag.charts import live as live_charts
from animerag.errors import InvalidInputError
from animerag.ingestion.file_summary import described
from animerag.ingestion.importer import SourceFile
from animerag.ingestion.resumable import to_correct
from animerag.models.providers import Priority
from animerag.readers import columns
from animerag.readers.delimited import DELIMITERS
from animerag.readers.encoding import ENCODINGS, encoding_label
from animerag.telemetry.tracing import Recorder
from animerag.text.durations import duration
from animerag.ui import session
from animerag.ui.batch import tokens_and_cost
from animerag.ui.components import job_watched, show_error
from animerag.ui.text import counted, escape, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.jobs.jobs import Job
    from animerag.models.imports import IngestReport
    from animerag.models.jobs import JobRecord
    from animerag.rate_limits import LevelChoice
    from animerag.readers import Detection
    from animerag.ui.session import Chosen

MAX_MB = 50
TYPES = ("json", "jsonl", "ndjson", "csv", "tsv", "xlsx", "xml", "gz", "txt", "md", "db3", "db", "sqlite")
_NO_FIELD = "none"
_WIDTHS = {
    "File": 160, "Detected": 130, "New": 52, "Changed": 72, "Unchanged": 84, "Repeated": 78, "Skipped": 66,
    "Tokens": 66, "Cost": 60, "Est. time": 84,
}  # fmt: skip
_WINDOW_S = 20.0  # of a running import's lanes
_LEVELS: tuple[LevelChoice, ...] = ("auto", 1, 3, 5, 10, 20)


# ── Choosing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose_files() -> None:
    """Draw the uploader and the inbox; a chosen file is stored at once, and the browser's copy is released."""
    files = st.file_uploader(
        "Files",
        type=list(TYPES),
        accept_multiple_files=True,
        max_upload_size=MAX_MB,
        key=session.fresh_key("upload_files"),
        help="Shoko databases and exports, CSV, TSV, Excel, JSON, JSON Lines, MyAnimeList lists, text notes.",
    )
    if files:
        for file in files:
            _choose(_stored(file.name, file.getbuffer()))
        session.renew("upload_files")
        st.rerun()
    uploads = session.services().uploads
    waiting, refused = session.runtime().call(uploads.waiting_files())
    for sentence in refused:
        st.caption(label(sentence))
    if not waiting:
        st.caption(label(f"Larger than {MAX_MB} MB? Put the file into {uploads.inbox}, or run animerag ingest PATH."))
        return
    known = {file.source.path for file in session.chosen()}
    names = [source.name for source in waiting if source.path not in known]
    for name in st.pills(
        "In the inbox folder", names, selection_mode="multi", format_func=label, key=session.fresh_key("upload_inbox")
    ):
        _choose(next(source for source in waiting if source.name == name))
        session.renew("upload_inbox")
        st.rerun()


def _stored(name: str, data: memoryview) -> SourceFile:
    if len(data) > MAX_MB * 2**20:  # the browser alone enforces the widget's limit
        raise InvalidInputError(f"{name} is larger than {MAX_MB} MB: put it into the inbox folder instead.")
    return SourceFile(path=session.services().spool.store(data).path, name=name)


def _choose(source: SourceFile) -> None:
    if all(file.source.path != source.path for file in session.chosen()):
        session.chosen().append(session.Chosen(source))


# ── Before ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def preflight(files: list[Chosen]) -> None:
    """Show what each file would change, let its mapping be corrected, and start the import."""
    session.look_into(files)
    narrow = {name: st.column_config.Column(width=width) for name, width in _WIDTHS.items()}
    st.dataframe([_row(file) for file in files], hide_index=True, width="stretch", column_config=narrow)
    for number, file in enumerate(files):
        if file.trouble:
            show_error(file.trouble)
        name = f"{label(file.source.name)}: preview and mapping"
        with st.expander(name, expanded=bool(file.trouble and file.detected)):
            _reading(number, file)
    ready = [file for file in files if file.trouble is None]
    if 0 < len(ready) < len(files):
        st.caption(f"{counted(len(files) - len(ready), 'file')} that cannot be read will be skipped.")
    start, clear = st.columns([1, 4])
    if start.button(
        "Start", type="primary", icon=":material/play_arrow:", key="upload_start", disabled=not ready, width="stretch"
    ):
        session.runtime().call(session.services().uploads.start([file.source for file in ready]))
        session.give_up([file.source.path for file in files if file not in ready])
        files.clear()
        st.rerun()
    if clear.button("Clear", icon=":material/close:", key="upload_clear"):
        session.give_up([file.source.path for file in files])
        files.clear()
        st.rerun()


def _row(file: Chosen) -> dict[str, Any]:
    report = file.report
    if report is None:
        return {"File": file.source.name, "Detected": file.detected.label if file.detected else "cannot be read"}
    summary = report.files[0]
    tokens, cost = report.usage.embedding_tokens, report.usage.cost_usd
    return {
        "File": file.source.name,
        "Detected": summary.format,
        "New": report.ingested - report.changed,
        "Changed": report.changed,
        "Unchanged": report.unchanged,
        "Repeated": report.duplicate,
        "Skipped": report.quarantined,
        "Tokens": f"{tokens:,}",
        "Cost": "unknown" if cost is None else f"${cost:.4f}" if cost else "none",
        "Est. time": file.expected.words() if report.ingested and file.expected else "nothing to do",
    }


def _reading(number: int, file: Chosen) -> None:
    """Draw how a file is read, and the controls that change it."""
    if file.report is not None:
        st.text("\n".join(described(file.report.files[0])))
    if file.detected is not None:
        source = _corrected(number, file.source, file.detected)
        if source != file.source:
            file.source = source
            st.rerun()
        _preview(file.detected)
    if file.report is not None:
        _notes(file.report, "row")
        _skipped(file.report)
    if st.button("Remove file", key=f"upload_drop_{number}", icon=":material/close:"):
        session.chosen().remove(file)
        session.give_up([file.source.path])
        st.rerun()


def _corrected(number: int, source: SourceFile, found: Detection) -> SourceFile:
    """Return the source with the user's choices; what is not chosen is detected."""
    key = f"upload_{source.path.name[:12]}_{number}"
    options = source.options
    first, second, third = st.columns(3)
    if found.encoding:
        encoding = first.selectbox(
            "Encoding",
            ENCODINGS,
            index=None,
            placeholder=encoding_label(found.encoding),
            format_func=encoding_label,
            key=f"{key}_encoding",
        )
        options = replace(options, encoding=encoding)
    if found.delimiter:
        delimiter = second.selectbox(
            "Columns are separated by",
            list(DELIMITERS),
            index=None,
            placeholder=DELIMITERS.get(found.delimiter, found.delimiter),
            format_func=lambda one: DELIMITERS[one],
            key=f"{key}_delimiter",
        )
        options = replace(options, delimiter=delimiter)
    if found.format == "shoko":
        fields = ("AnimeID", "AniDB_AnimeID")
        given = second.selectbox("ID field", fields, index=None, placeholder=fields[0], key=f"{key}_id")
        options = replace(options, id_field=given)
    if found.users:
        chosen = first.selectbox(
            "Watch state of",
            found.users,
            index=None,
            placeholder="choose a user" if found.problem else found.users[0],
            format_func=label,
            key=f"{key}_user",
        )
        options = replace(options, user=chosen)
    prefix = third.text_input("ID prefix", value=source.id_prefix, placeholder="automatic", key=f"{key}_prefix")
    options = replace(options, columns=_columns(key, found))
    return replace(source, options=options, id_prefix=prefix or None)


def _columns(key: str, found: Detection) -> dict[str, str]:
    """Draw a field for every column, the guessed ones first, and return what was chosen."""
    said: dict[str, str] = {}
    asked = [] if found.fixed else sorted(found.columns, key=lambda column: column.certain)
    if not asked:
        return said
    fields = [*columns.FIELDS, _NO_FIELD]
    for place, column in zip(_grid(len(asked), 4), asked, strict=True):
        guess = column.field or "not mapped"
        chosen = place.selectbox(
            label(column.heading) + ("" if column.certain else " (guessed)"),
            fields,
            index=None,
            placeholder=guess,
            key=f"{key}_column_{column.heading}",
        )
        if chosen:
            said[column.heading] = chosen
    return said


def _grid(number: int, wide: int) -> list[Any]:
    return [place for _ in range(-(-number // wide)) for place in st.columns(wide)][:number]


def _preview(found: Detection) -> None:
    if found.sample and found.columns:
        names = [column.heading for column in found.columns]
        rows = [dict(zip(names, cells, strict=False)) for cells in found.sample[:5]]
        st.dataframe(rows, hide_index=True, width="stretch")


# ── During ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def running(job: Job) -> None:
    """Draw a running import."""
    job_watched(job, _progress, _lanes)
    st.caption("You can leave this page; the import keeps running. Cancel keeps what is already saved.")


def _progress(job: Job) -> str:
    progress = job.control.progress
    stage = "Stopping" if job.state == "cancelling" else progress.stage or "Starting"
    if not progress.total or not progress.done:
        return stage
    rate = progress.done / max(job.elapsed_s, 0.001)
    left = duration(max((progress.total - progress.done) / rate, 1.0))
    return f"{stage} · {progress.done:,} of {progress.total:,} shows · {rate:,.0f} shows/s · about {left} left"


def _lanes(job: Job) -> None:
    """Draw the job's question, or what each request in flight is waiting for."""
    if job.control.question is not None:
        _ask(job)
        return
    if session.services().embedder.provider != "local":
        _level(job)
    recorder, now_s = job.control.partial_as(Recorder), time.perf_counter()
    if recorder is None:
        return
    started_s = now_s - job.elapsed_s
    spans = recorder.until(now_s, now_s - _WINDOW_S)
    if session.services().embedder.provider == "local":  # hundreds of small pieces wait for two threads
        spans = [span for span in spans if span.name != "queue"]
    if spans:
        st.html(live_charts.lanes(spans, started_s, now_s, window_s=_WINDOW_S))


def _ask(job: Job) -> None:
    st.warning(escape(job.control.question or ""), icon=":material/help:")
    go_on, stop = st.columns([1, 4])
    for place, name, yes in ((go_on, "Import the rest", True), (stop, "Stop", False)):
        if place.button(name, key=f"upload_answer_{yes}_{job.id}"):
            session.answer(job, yes=yes)
            st.rerun(scope="app")


def _level(job: Job) -> None:
    """Show what the rate limits do, and let the level be changed."""
    words, choice = st.columns([4, 1], vertical_alignment="center")
    state = session.gate_now()
    words.caption(label(f"Level {state.levels[Priority.INGEST]}: {state.words()}"))
    chosen = choice.selectbox(
        "Requests in flight", _LEVELS, index=None, placeholder="change the level", key=f"upload_level_{job.id}",
        label_visibility="collapsed",
    )  # fmt: skip
    if chosen is not None and chosen != st.session_state.get(f"upload_level_set_{job.id}"):
        session.set_level(Priority.INGEST, chosen)
        st.session_state[f"upload_level_set_{job.id}"] = chosen


def cut_off(record: JobRecord) -> None:
    """Offer to resume an import that a crash or a closed app has interrupted."""
    left = session.what_is_left(record)
    uploads, call = session.services().uploads, session.runtime().call
    with st.container(border=True):
        if left is None:
            st.markdown(f"**{label(record.title)}** was interrupted, and its file is no longer stored.")
        else:
            done = left.read - left.ingested - left.quarantined
            st.markdown(f"**{label(record.title)}** was interrupted: {done:,} of {left.read:,} done.")
        resume, discard = st.columns([1, 4])
        if left is not None and resume.button("Resume", type="primary", icon=":material/resume:", key="upload_resume"):
            call(uploads.resume(record.id))
            st.rerun()
        if discard.button(
            "Discard",
            icon=":material/delete:",
            key="upload_discard",
            help="What is already saved stays in the catalogue.",
        ):
            call(uploads.discard(record.id))
            st.rerun()


# ── After ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ended(job: Job) -> None:
    """Draw the result of the last import, then its details."""
    if job.state == "failed" or job.report is None:
        show_error(f"{job.title} was not imported. {job.error or 'The import ended before it could report.'}")
        st.caption("Your catalogue is unchanged. Fix the problem and choose the file again.")
        return
    report: IngestReport = job.report
    if report.stopped_by:
        st.warning(escape(f"Stopped early: {report.stopped_by}"), icon=":material/warning:")
    elif job.state == "cancelled":
        saved = counted(report.ingested, "show") + (" was saved." if report.ingested == 1 else " were saved.")
        st.warning(f"Cancelled. {saved}", icon=":material/stop:")
    done = f"**{report.ingested:,} of {counted(report.read, 'row')} stored** from {label(job.title)}"
    st.markdown(f"{done} in {report.seconds:.1f} s · {counted(report.catalogue, 'show')} in the catalogue")
    if report.usage.embedding_tokens:
        st.caption(tokens_and_cost(report.usage))
    counts = {
        "Stored": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated": report.duplicate,
        "Skipped": report.quarantined,
        "Remaining": report.cancelled,
    }
    for column, (name, number) in zip(st.columns(len(counts)), counts.items(), strict=True):
        hint = "Of rows with the same ID the last one counts." if name == "Repeated" else None
        column.metric(name, f"{number:,}", border=True, help=hint)
    left = report.cancelled
    if left and st.button(f"Resume ({left:,} left)", icon=":material/resume:", key=f"upload_rest_{job.id}"):
        session.runtime().call(session.services().uploads.resume(job.id))
        st.rerun()
    _notes(report, "saved row")
    _skipped(report, job)
    with st.container(horizontal=True):
        st.page_link("pages/ask.py", label="Ask a question", icon=":material/forum:")
        st.page_link("pages/catalogue.py", label="Open the catalogue", icon=":material/video_library:")


def _notes(report: IngestReport, what: Literal["row", "saved row"]) -> None:
    if report.notes:
        number = len({(note.file, note.line) for note in report.notes})
        st.markdown(f"**{counted(number, what)} with notes**")
        rows = [{"File": n.file, "Line": n.line or None, "ID": n.id, "Note": n.note} for n in report.notes]
        st.dataframe(rows, hide_index=True, width="stretch")


def _skipped(report: IngestReport, job: Job | None = None) -> None:
    """List the skipped rows; after an import they can be downloaded, corrected and tried again."""
    if not report.rows:
        return
    st.markdown(f"**{counted(len(report.rows), 'row')} skipped**")
    rows: Sequence[dict[str, Any]] = [
        {"File": r.file, "Line": r.line or None, "ID": r.id, "Reason": r.reason, "Row content": r.excerpt}
        for r in report.rows
    ]
    st.dataframe(rows, hide_index=True, width="stretch")
    if job is None:
        return
    ending, text = to_correct(report.rows)
    download, retry = st.columns([1, 3])
    download.download_button(
        "Download skipped rows",
        text.encode("utf-8-sig" if ending == "csv" else "utf-8"),
        file_name=f"skipped-rows.{ending}",
        icon=":material/download:",
        key=f"upload_aside_{job.id}",
        on_click="ignore",
    )
    if retry.button("Try again", icon=":material/refresh:", key=f"upload_retry_{job.id}"):
        _choose(_stored(f"skipped-rows.{ending}", memoryview(text.encode())))
        st.rerun()
