"""Draws Batch before a run: the sheet as it was read, the estimate, and Start."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from animerag.errors import InvalidInputError
from animerag.models.providers import Usage
from animerag.readers.delimited import DELIMITERS
from animerag.readers.encoding import ENCODINGS, encoding_label
from animerag.readers.questions import LINES, MAX_K, SheetOptions
from animerag.storage.batch_runs import RunOptions
from animerag.text.counting import counted
from animerag.ui import batch_runs, session
from animerag.ui.components import show_refusal
from animerag.ui.text import label

if TYPE_CHECKING:
    from animerag.models.questions import QuestionRow
    from animerag.rate_limits import LevelChoice
    from animerag.readers.questions import Sheet

MAX_MB = 50
MAX_LEVEL = 64
DEMO_ROWS = 20  # questions of a sheet in a demo, where strangers share a machine
_USUAL_LEVEL = 3
_PREVIEWED = 5
_DETECT = "detect"
_NUMBER_PX, _LEVEL_PX = 150, 480


def choose() -> None:
    """Accept a file or pasted lines, show how they were read, and start the run. Raises InvalidInputError."""
    file_tab, text_tab = st.tabs(["File", "Paste"])
    file = file_tab.file_uploader(
        "CSV, TSV, Excel or JSON Lines with a column of questions, or text with one question per line",
        type=["csv", "tsv", "xlsx", "jsonl", "ndjson", "txt", "md"],
        max_upload_size=MAX_MB,
        key=session.fresh_key("batch_file"),
    )
    lines = text_tab.text_area(
        "Questions, one per line; cells copied from a spreadsheet work as well",
        key=session.fresh_key("batch_lines"),
        height=160,
    )
    if file is not None:
        _prepare(file.getvalue(), file.name)
    elif lines.strip():
        _prepare(lines.encode(), "pasted lines.txt")
    else:
        st.info(
            "Choose a file or paste questions. You get the same rows back with answers, in the same order. "
            "Nothing is asked before you start.",
            icon=":material/info:",
        )


def _prepare(data: bytes, name: str) -> None:
    if len(data) > MAX_MB * 2**20:  # only the browser enforces the widget's limit
        raise InvalidInputError(f"{name} is larger than {MAX_MB} MB: split it into several files.")
    digest = hashlib.sha256(data).hexdigest()
    path = session.services().spool.store(data).path
    reading = _chosen_reading(digest)
    with st.skeleton(height=200):
        sheet = batch_runs.sheet(path, name, reading)
    if session.is_demo() and len(sheet.rows) > DEMO_ROWS:
        raise InvalidInputError(f"The demo answers at most {DEMO_ROWS} questions at a time: shorten the sheet.")
    _how_read(sheet, digest)
    _counts(sheet)
    _preview(sheet)
    options, level = _options()
    show_refusal()
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Start", type="primary", icon=":material/play_arrow:", key="batch_start")
        st.caption(_takes(sheet, options, level))
    if pressed:
        batch_runs.start(sheet, options, sha256=digest, concurrency=level)
        session.runtime().call(session.services().uploads.clean([path]))
        session.renew("batch_file")
        session.renew("batch_lines")
        st.rerun()


# ── How the sheet is read ─────────────────────────────────────────────────────────────────────────────────────────────


def _chosen_reading(digest: str) -> SheetOptions:
    """Return the choices for this file from the selects below, which are drawn after it is read."""
    state = st.session_state

    def chosen(name: str) -> str | None:
        value = state.get(f"batch_{name}_{digest}")
        return None if value in (None, _DETECT) else str(value)

    return SheetOptions(column=chosen("column"), encoding=chosen("encoding"), delimiter=chosen("delimiter"))


def _how_read(sheet: Sheet, digest: str) -> None:
    """Draw the column of the questions and, folded, the options that are nearly always detected correctly."""
    column, file = st.columns([1, 2], vertical_alignment="bottom")
    column.selectbox(
        "Question column",
        sheet.headings,
        index=sheet.headings.index(sheet.column),
        key=f"batch_column_{digest}",
        help=None if sheet.certain else "Guessed from the cells.",
    )
    if sheet.format == "workbook":
        return
    columns = file.expander("Encoding and separator", icon=":material/settings:").columns(2)
    detected = encoding_label(sheet.encoding or "")
    columns[0].selectbox(
        "Encoding",
        [_DETECT, *ENCODINGS],
        format_func=lambda name: f"Detected: {detected}" if name == _DETECT else encoding_label(name),
        key=f"batch_encoding_{digest}",
    )
    if sheet.format == "jsonl":
        return
    marks = {**DELIMITERS, LINES: "none, one question per line"}
    shown = marks.get(sheet.delimiter or "", repr(sheet.delimiter))
    columns[1].selectbox(
        "Columns are separated by",
        [_DETECT, *marks],
        format_func=lambda mark: f"Detected: {shown}" if mark == _DETECT else marks[mark],
        key=f"batch_delimiter_{digest}",
    )


def _counts(sheet: Sheet) -> None:
    parts = [counted(len(sheet.rows), "question")]
    parts += [f"{number:,} {name}" for number, name in ((sheet.empty, "empty"), (sheet.repeated, "repeated")) if number]
    if sheet.unusable:
        parts.append(f"{sheet.unusable:,} cannot be asked")
    st.markdown(f"**{', '.join(parts)}**")
    if sheet.empty or sheet.unusable:
        st.caption("Rows that cannot be asked stay in the sheet, with the reason.")


def _preview(sheet: Sheet) -> None:
    rows = [_preview_row(sheet, row) for row in sheet.rows[:_PREVIEWED]]
    st.dataframe(rows, hide_index=True, width="stretch")
    wrong = [(number, row) for number, row in enumerate(sheet.rows, 1) if row.problem][:_PREVIEWED]
    for number, row in wrong:
        st.caption(label(f"Row {number}: {row.problem}"))


def _preview_row(sheet: Sheet, row: QuestionRow) -> dict[str, str]:
    return {
        heading: row.question if heading == sheet.column else str(row.columns.get(heading, ""))
        for heading in sheet.headings
    }


# ── How it is answered ───────────────────────────────────────────────────────────────────────────────────────────────


def _options() -> tuple[RunOptions, LevelChoice]:
    services, cap = session.services(), None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        k = st.number_input(
            "Sources per question",
            1,
            MAX_K,
            services.batch.k,
            key="batch_k",
            persist_state="session",
            width=_NUMBER_PX,
        )
        if services.answering.written_by_a_model:
            cap = st.number_input(
                "Cost cap, $",
                min_value=0.0,
                value=services.settings.max_cost_usd,
                format="%g",
                placeholder="none",
                key="batch_cap",
                persist_state="session",
                width=_NUMBER_PX,
            )
        level = level_choice()
    return RunOptions(k=k, max_cost_usd=cap), level


def level_choice() -> LevelChoice:
    """Draw the limit of questions in flight, `auto` or a number, before and during a run."""
    services = session.services()
    is_auto = services.settings.query_concurrency == "auto"
    with st.container(horizontal=True, vertical_alignment="center", width=_LEVEL_PX):
        if st.toggle("Automatic level", value=is_auto, key="batch_auto", persist_state="session"):
            number = counted(services.batch.level, "question")
            st.caption(f"Up to {number} in flight now; more while the provider keeps up.")
            return "auto"
        configured = services.settings.query_concurrency
        usual = _USUAL_LEVEL if configured == "auto" else min(configured, MAX_LEVEL)
        return int(st.slider("Questions in flight", 1, MAX_LEVEL, usual, key="batch_level", persist_state="session"))


def _takes(sheet: Sheet, options: RunOptions, level: LevelChoice) -> str:
    """Describe the cost of a run: `7 different questions to ask, about 61k tokens, $0.02, 15 to 50 s`."""
    batch = session.services().batch
    options = replace(options, max_cost_usd=None)
    estimate = session.runtime().call(batch.estimate(sheet.rows, options, concurrency=level))
    asked = f"{counted(estimate.asked, 'different question')} to ask"
    if not estimate.tokens:
        return f"{asked}, no cost, {estimate.time.words()}"
    usage = Usage(input_tokens=estimate.tokens, cost_usd=estimate.cost_usd)
    return f"{asked}, about {tokens_and_cost(usage)}, {estimate.time.words()}"


def tokens_and_cost(usage: Usage) -> str:
    """Describe usage for a caption: `61k tokens, $0.02`, and whether part of it is estimated."""
    number = usage.input_tokens + usage.output_tokens + usage.embedding_tokens
    tokens = f"{number / 1000:,.0f}k tokens" if number >= 10_000 else f"{number:,} tokens"
    if usage.cost_usd == 0:
        return f"{tokens}, no cost"
    spent = f"{tokens}, cost unknown" if usage.cost_usd is None else f"{tokens}, \\${usage.cost_usd:,.4f}"
    return f"{spent}, estimated" if usage.estimated else spent
