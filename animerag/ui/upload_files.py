"""Keeps the files that are chosen in Upload, and checks what an import of them would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.errors import InvalidInputError
from animerag.ingestion.importer import SourceFile
from animerag.models.jobs import INGEST_JOB
from animerag.ui import session
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.imports import IngestReport
    from animerag.readers import Detection
    from animerag.text.durations import TimeEstimate

MAX_MB = 50
TYPES = ("json", "jsonl", "ndjson", "csv", "tsv", "xlsx", "xml", "gz", "txt", "md", "db3", "db", "sqlite")
_CHECK_S = 120.0  # seconds; 50 MB of JSON take that long to read


@dataclass(slots=True)
class Chosen:
    """A chosen file, how it is read, and the changes that it would make."""

    source: SourceFile
    detected: Detection | None = None
    report: IngestReport | None = None
    expected: TimeEstimate | None = None
    trouble: str | None = None
    checked: tuple[Any, ...] = ()  # the files and the state of the catalogue from which `report` was made


def chosen() -> list[Chosen]:
    """Return the files that this session has chosen and not yet imported."""
    files: list[Chosen] = st.session_state.setdefault("upload_chosen", [])
    return files


def check(files: Sequence[Chosen]) -> None:
    """Check the chosen files as one import, again if one of them, how it is read, or the catalogue has changed."""
    job = session.services().jobs.latest(INGEST_JOB)
    now = (tuple(file.source for file in files), job and (job.id, job.state))
    if all(file.checked == now for file in files):
        return
    preview = session.services().ingestion.preview.each([file.source for file in files])
    for file, seen in zip(files, session.runtime().call(preview, _CHECK_S * len(files)), strict=True):
        file.checked, file.detected = now, seen.detection or file.detected
        file.report, file.expected, file.trouble = seen.report, seen.expected, seen.problem


def discard(files: Sequence[Chosen]) -> None:
    """Remove uploads that will not be imported, unless another import needs them."""
    session.runtime().call(session.services().uploads.clean([file.source.path for file in files]))


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
            choose(stored(file.name, file.getbuffer()))
        session.renew("upload_files")
        st.rerun()
    uploads = session.services().uploads
    waiting, refused = session.runtime().call(uploads.waiting_files())
    for sentence in refused:
        st.caption(label(sentence))
    if not waiting:
        st.caption(f"Larger than {MAX_MB} MB? Put the file into `{uploads.inbox}`, or run `animerag ingest PATH`.")
        return
    known = {file.source.path for file in chosen()}
    names = [source.name for source in waiting if source.path not in known]
    for name in st.pills(
        "In the inbox folder", names, selection_mode="multi", format_func=label, key=session.fresh_key("upload_inbox")
    ):
        choose(next(source for source in waiting if source.name == name))
        session.renew("upload_inbox")
        st.rerun()


def stored(name: str, data: memoryview) -> SourceFile:
    """Store an upload and return it as a file to import. Raises InvalidInputError if it is too large."""
    if len(data) > MAX_MB * 2**20:  # only the browser enforces the widget's limit
        raise InvalidInputError(f"{name} is larger than {MAX_MB} MB: put it into the inbox folder instead.")
    return SourceFile(path=session.services().spool.store(data).path, name=name)


def choose(source: SourceFile) -> None:
    """Add a file to those that will be imported, once."""
    if all(file.source.path != source.path for file in chosen()):
        chosen().append(Chosen(source))
