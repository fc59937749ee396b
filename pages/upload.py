"""Upload: check files, take them in, and account for every row."""

import streamlit as st

from animerag.errors import InvalidInputError
from animerag.services.ingestion import SourceFile
from animerag.ui import components, navigation, session, upload

MAX_MB = 50


def page() -> None:
    st.title("Upload")
    st.caption(
        "Shoko exports, CSV, TSV, Excel, JSON, MyAnimeList lists, notes: up to 50 MB each."
        " Larger files: `animerag ingest PATH` on this machine."
    )
    job = session.latest("ingest")
    if job is not None and job.running:
        upload.running(job)
        return
    files = st.file_uploader(
        "Files",
        type=["json", "jsonl", "ndjson", "csv", "tsv", "xlsx", "xml", "gz", "txt", "md"],
        accept_multiple_files=True,
        max_upload_size=MAX_MB,
        key=session.fresh_key("upload_files"),
    )
    if files:
        choose([(file.name, file.getvalue()) for file in files])
    elif job is not None:
        upload.ended(job)
    else:
        st.info(
            "Choose a file to see what it would change. Nothing is stored before you start.", icon=":material/info:"
        )


def choose(uploads: list[tuple[str, bytes]]) -> None:
    """Tell what the files would do, then start."""
    sources: list[SourceFile] = []
    with components.seam():
        sources = [kept(name, data) for name, data in uploads]
        report = session.preflight(sources)
        upload.preflight(report)
        if not st.button("Start", type="primary", icon=":material/play_arrow:", key="upload_start"):
            return
        ingestion = session.services().ingestion
        session.start_job(
            lambda control: ingestion.run(sources, control),
            kind="ingest",
            title=", ".join(name for name, _ in uploads),
            key="ingest:" + ",".join(source.path.name for source in sources),
        )
        session.renew("upload_files")
        st.rerun()
    st.button("Start", disabled=True, icon=":material/play_arrow:", key="upload_start_disabled")


def kept(name: str, data: bytes) -> SourceFile:
    if len(data) > MAX_MB * 2**20:  # the browser alone enforces the widget's limit
        raise InvalidInputError(f"{name} is larger than {MAX_MB} MB: use `animerag ingest` on this machine.")
    return SourceFile(path=session.services().spool.keep(data).path, name=name)


navigation.run(page)
