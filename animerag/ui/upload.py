"""Draws Upload before an import: a card for each file with the changes that it would make, and Start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.ingestion.file_summary import described
from animerag.readers import columns
from animerag.readers.delimited import DELIMITERS
from animerag.readers.encoding import ENCODINGS, encoding_label
from animerag.text.counting import counted
from animerag.ui import session, upload_files
from animerag.ui.batch import tokens_and_cost
from animerag.ui.components import show_error, show_refusal
from animerag.ui.text import label
from animerag.ui.upload_report import conflicts, notes, skipped
from animerag.ui.upload_run import LEVELS

if TYPE_CHECKING:
    from animerag.ingestion.importer import SourceFile
    from animerag.models.imports import IngestReport
    from animerag.readers import Detection
    from animerag.readers.columns import Column
    from animerag.ui.upload_files import Chosen

_NO_FIELD = "none"
_PREVIEWED = 5  # rows
_MOST_PER_REQUEST = 2048  # texts in one embedding request, as providers limit it


def preflight(files: list[Chosen]) -> None:
    """Show the changes that each file would make, let the user correct its mapping, and start the import."""
    with st.skeleton(height=120):
        upload_files.check(files)
    for number, file in enumerate(files):
        with st.container(border=True):
            _card(number, file)
    ready = [file for file in files if file.trouble is None]
    if 0 < len(ready) < len(files):
        st.caption(f"{counted(len(files) - len(ready), 'file')} that cannot be read will be skipped.")
    if session.services().embedder.provider != "local":
        show_refusal()
    _start(files, ready)


def _start(files: list[Chosen], ready: list[Chosen]) -> None:
    """Draw the level and the batch size beside the button that starts the import."""
    settings, is_local = session.services().settings, session.services().embedder.provider == "local"
    start, clear, level, size = st.columns([1.2, 1, 1.6, 1.6], vertical_alignment="bottom")
    levels = LEVELS if settings.ingest_concurrency in LEVELS else (settings.ingest_concurrency, *LEVELS)
    why = "The embedded model runs on this machine: it uses all processors at any level."
    concurrency = level.selectbox(
        "Requests in flight",
        levels,
        levels.index(settings.ingest_concurrency),
        key="upload_concurrency",
        disabled=is_local,
        help=why if is_local else "With auto, the level rises while the provider keeps up.",
        persist_state="session",
    )
    batch_size = size.number_input(
        "Batch size",
        1,
        _MOST_PER_REQUEST,
        None,
        placeholder="auto" if is_local else f"{settings.batch_size}",
        key="upload_batch_size",
        help="Shows in one embedding request.",
        persist_state="session",
    )
    icon = ":material/play_arrow:"
    if start.button("Start", type="primary", icon=icon, key="upload_start", disabled=not ready, width="stretch"):
        uploads = session.services().uploads
        own = None if is_local else concurrency
        begun = uploads.start([file.source for file in ready], concurrency=own, batch_size=batch_size)
        session.runtime().call(begun)
        upload_files.discard([file for file in files if file not in ready])
        files.clear()
        st.rerun()
    if clear.button("Clear", icon=":material/close:", key="upload_clear", width="stretch"):
        upload_files.discard(files)
        files.clear()
        st.rerun()


def _card(number: int, file: Chosen) -> None:
    """Draw a file: its state, the changes that it would make or why it cannot be read, and its mapping."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"upload_head_{number}"):
        st.markdown(f"**{label(file.source.name)}**")
        words, colour, icon = _state(file)
        st.badge(words, color=colour, icon=icon)
        if st.button("", icon=":material/close:", key=f"upload_drop_{number}", type="tertiary", help="Remove file"):
            upload_files.chosen().remove(file)
            upload_files.discard([file])
            st.rerun()
    if file.report is not None:
        st.caption(label(changes(file.report)) + _expected(file))
    if file.trouble:
        show_error(file.trouble)
    if file.report is not None or file.detected is not None:
        with st.expander("Preview and mapping", expanded=bool(file.trouble and file.detected)):
            _reading(number, file)


def _state(file: Chosen) -> tuple[str, Any, str]:
    if file.report is None:
        return "Cannot be read", "red", ":material/error:"
    if not file.report.ingested:
        return "Nothing to do", "gray", ":material/check:"
    if file.report.quarantined:
        return "Ready, with errors", "orange", ":material/warning:"
    return "Ready", "green", ":material/check_circle:"


def changes(report: IngestReport) -> str:
    """Describe the changes of an import: `CSV · 300 new · 2 changed · 1,258 unchanged`."""
    counts = {
        "new": report.ingested - report.changed,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "repeated": report.duplicate,
        "skipped": report.quarantined,
    }
    parts = [f"{number:,} {name}" for name, number in counts.items() if number]
    return " · ".join([report.files[0].format, *(parts or ["no rows"])])


def _expected(file: Chosen) -> str:
    if file.report is None or not file.report.ingested or file.expected is None:
        return ""
    return f" · {tokens_and_cost(file.report.usage)} · {label(file.expected.words())}"


def _reading(number: int, file: Chosen) -> None:
    """Draw how a file is read, and the controls that change it."""
    if file.report is not None:
        st.text("\n".join(described(file.report.files[0])))
    if file.detected is not None:
        source = _corrected(number, file.source, file.detected)
        if source != file.source:
            file.source = source
            st.rerun()
        if rows := preview_rows(file.detected):
            st.dataframe(rows, hide_index=True, width="stretch")
    if file.report is not None:
        conflicts(file.report)
        notes(file.report, "row")
        skipped(file.report)


def _corrected(number: int, source: SourceFile, detection: Detection) -> SourceFile:
    """Return the source with the user's choices; everything else is detected."""
    key = f"upload_{source.path.name[:12]}_{number}"
    options = source.options
    first, second, third = st.columns(3)
    if detection.encoding:
        encoding = first.selectbox(
            "Encoding",
            ENCODINGS,
            index=None,
            placeholder=encoding_label(detection.encoding),
            format_func=encoding_label,
            key=f"{key}_encoding",
        )
        options = replace(options, encoding=encoding)
    if detection.delimiter:
        delimiter = second.selectbox(
            "Columns are separated by",
            list(DELIMITERS),
            index=None,
            placeholder=DELIMITERS.get(detection.delimiter, detection.delimiter),
            format_func=lambda one: DELIMITERS[one],
            key=f"{key}_delimiter",
        )
        options = replace(options, delimiter=delimiter)
    if detection.format == "shoko":
        fields = ("AnimeID", "AniDB_AnimeID")
        given = second.selectbox("ID field", fields, index=None, placeholder=fields[0], key=f"{key}_id")
        options = replace(options, id_field=given)
    if detection.users:
        chosen = first.selectbox(
            "Watch state of",
            detection.users,
            index=None,
            placeholder="choose a user" if detection.problem else detection.users[0],
            format_func=label,
            key=f"{key}_user",
        )
        options = replace(options, user=chosen)
    prefix = third.text_input("ID prefix", value=source.id_prefix, placeholder="automatic", key=f"{key}_prefix")
    options = replace(options, columns=_columns(key, detection))
    enrich = st.toggle(
        "Only complete the shows you have",
        source.enrich,
        key=f"{key}_enrich",
        help="Adds no shows. Fills in types, dates, studios and relations that your catalogue lacks.",
    )
    return replace(source, options=options, id_prefix=prefix or None, enrich=enrich)


def _columns(key: str, detection: Detection) -> dict[str, str]:
    """Draw a field for every column, the guessed ones first, and return what was chosen."""
    chosen_fields: dict[str, str] = {}
    asked = [] if detection.fixed else sorted(detection.columns, key=lambda column: column.certain)
    if not asked:
        return chosen_fields
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
            chosen_fields[column.heading] = chosen
    return chosen_fields


def _grid(number: int, wide: int) -> list[Any]:
    return [place for _ in range(-(-number // wide)) for place in st.columns(wide)][:number]


def preview_rows(detection: Detection) -> list[dict[str, str]]:
    """Return the first rows of a file, mapped columns first, each named by its field and its heading."""
    places = sorted(range(len(detection.columns)), key=lambda place: _importance(detection.columns[place].field))
    names = {place: _named(detection.columns[place]) for place in places}
    rows = [dict(enumerate(cells)) for cells in detection.sample[:_PREVIEWED]]
    return [{names[place]: row[place] for place in places if place in row} for row in rows]


def _importance(field: str | None) -> int:
    order = ["title", *columns.FIELDS]
    return order.index(field) if field in order else len(order)


def _named(column: Column) -> str:
    return f"{columns.FIELDS.get(column.field, column.field)} ({column.heading})" if column.field else column.heading
