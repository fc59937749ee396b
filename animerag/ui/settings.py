"""What Settings draws: names and values, whether index and library agree, jobs and versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import streamlit as st

from animerag import __version__
from animerag.ui.text import counted, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.jobs import Job
    from animerag.runtime import Services
    from animerag.services.catalogue import Status
    from animerag.services.maintenance import DoctorReport


def provider(name: str) -> str:
    """Name a provider as users know it."""
    return "embedded, offline" if name == "local" else name


def facts(heading: str, told: Mapping[str, str]) -> None:
    """Draw names and values that may hold any text."""
    st.subheader(heading, anchor=False)
    for name, value in told.items():
        left, right = st.columns([1, 4])
        left.caption(name)
        right.text(value)


def catalogue_facts(services: Services, status: Status, trouble: str | None) -> None:
    """Draw counts, places and whether Chroma answers."""
    settings = services.settings
    path = settings.database_path
    parts = [path, path.with_name(f"{path.name}-wal")]  # what SQLite has not folded into the file yet counts too
    size = sum(part.stat().st_size for part in parts if part.exists()) / 2**20
    indexed = "unknown" if status.indexed is None else f"{status.indexed:,} indexed, {status.not_indexed:,} not indexed"
    facts(
        "Catalogue",
        {
            "Shows": f"{status.shows:,}, {indexed}" + (", all from the sample" if status.sample_only else ""),
            "Library": f"{path} ({size:.1f} MB)",
            "Data directory": str(settings.data_dir),
            "Chroma": trouble or f"{services.index.mode}, {services.index.url or 'not started yet'}",
        },
    )


def doctor(report: DoctorReport) -> None:
    """Tell whether index and library agree."""
    mended = f" {counted(report.repaired, 'show')} repaired." if report.repaired else ""
    if report.healthy:
        st.success(f"Index and library agree on {counted(report.shows, 'show')}.{mended}", icon=":material/check:")
        return
    counts = {
        "missing": report.missing,
        "stray": report.stray,
        "out of date": report.stale,
        "unsearchable": report.unsearchable,
    }
    found = ", ".join(f"{len(ids):,} {name}" for name, ids in counts.items() if ids)
    st.warning(f"Index and library differ: {found}.{mended}", icon=":material/warning:")


def jobs_table(jobs: Sequence[Job]) -> None:
    """Draw this app's jobs since it started."""
    st.subheader("Jobs", anchor=False)
    if not jobs:
        st.caption("None since the app started.")
        return
    rows = [
        {"Job": job.title, "Kind": job.kind, "State": job.state, "Seconds": round(job.elapsed_s, 1)} for job in jobs
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def versions() -> None:
    """Draw the versions that matter in a bug report."""
    st.subheader("Versions", anchor=False)
    st.caption(label(" · ".join(map(_version, ("animerag", "streamlit", "chromadb", "openai", "aiohttp", "plotly")))))


def _version(package: str) -> str:
    if package == "animerag":
        return f"{package} {__version__}"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
