"""What pages draw. Text from users, files and models never reaches Streamlit's Markdown unescaped."""

from __future__ import annotations

import contextlib
import logging
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag import __version__, exports
from animerag.errors import AnimeRAGError
from animerag.models import Answer, AnswerStatus, Retrieval
from animerag.services.catalogue import SAMPLE_JOB
from animerag.texts import clean
from animerag.ui import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from animerag.jobs import Job
    from animerag.models import Evidence, IngestReport, RelatedShow, Show, Source
    from animerag.runtime import Services
    from animerag.services.batch import QuestionRow
    from animerag.services.catalogue import Status
    from animerag.services.maintenance import DoctorReport

log = logging.getLogger(__name__)

EXAMPLES = (
    "Astronauts who collect trash in orbit",
    "What is AoT about?",
    "How many episodes does Monster have?",
    "名前を書くと人が死ぬノートの話は？",
    "a gentle, quiet show about nature and spirits",
)
# A Material icon would be fetched from its maker's server by every browser.
ICON = str(files("animerag.ui").joinpath("icon.png"))
_POLL_S = 0.5
_SOURCES_PX = 420  # the page scrolls to its end: a longer list would push the answer out of sight
_JAPANESE = re.compile(r"[ぁ-ヿ一-鿿]")


# ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_JOINER = "\u2060"  # takes no room, and parts what Markdown would make a link or an icon of
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LIVE_WHEN_ESCAPED = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=@)(?=\S)|(?<=:)(?=[\w+-]+[:/])", re.IGNORECASE)
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_BLOCK = re.compile(r"\s{0,3}(> ?|[-*•] |\d{1,3}[.)] )?(.*)", re.DOTALL)


def escape(text: str) -> str:
    """Return Markdown that shows `text` as it is, line by line: no image, link, icon, colour, formula or heading."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "  \n".join(_inert(line.strip()) for line in lines)


def label(text: str) -> str:
    """Return `escape` of a text that has to fit on one line."""
    return _inert(" ".join(text.split()))


def answer_markdown(text: str) -> str:
    """Return an answer's Markdown with its bold names, quotes, lists and citations, and everything else inert."""
    blocks: list[str] = []
    previous = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        marker, rest = (part or "" for part in _block(line))
        body = _inline(rest.strip())
        kind = (
            ">" if marker.startswith(">") else "1" if marker[:1].isdigit() else "-" if marker else "p" if body else ""
        )
        prefix = {">": "> ", "1": f"{marker.strip()} ", "-": "- "}.get(kind, "")
        if kind and previous and kind != previous:
            blocks.append("")
        elif kind in (">", "p") and kind == previous:
            blocks[-1] += "  "
        blocks.append(prefix + body)
        previous = kind
    return "\n".join(blocks)


def _block(line: str) -> tuple[str | None, str | None]:
    found = _BLOCK.fullmatch(line.replace("\t", " "))
    return (found.group(1), found.group(2)) if found else (None, line)


def _inline(text: str) -> str:
    parts = _BOLD.split(text)
    return "".join(f"**{_inert(part)}**" if i % 2 else _inert(part) for i, part in enumerate(parts))


def _inert(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", _LIVE_WHEN_ESCAPED.sub(_JOINER, text))


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def show_error(sentence: str) -> None:
    """Show what went wrong."""
    st.error(escape(sentence), icon=":material/error:")


@contextlib.contextmanager
def seam(tell: Callable[[str], None] = show_error) -> Iterator[None]:
    """Turn whatever goes wrong inside into one sentence; the page goes on below."""
    try:
        yield
    except AnimeRAGError as error:
        tell(str(error))
    except TimeoutError:
        log.warning("a page waited too long", exc_info=True)
        tell("This took too long: try again.")
    except Exception as error:
        log.exception("a page failed")
        tell(f"Something unexpected went wrong ({type(error).__name__}): see the log.")


# ── Everywhere ───────────────────────────────────────────────────────────────────────────────────────────────────────


def provider(name: str) -> str:
    """Name a provider as users know it."""
    return "embedded, offline" if name == "local" else name


def foot() -> None:
    """Draw the sidebar's last line: who answers, how many shows, what runs."""
    services = session.services()
    who = f"openai {services.answering.model}" if services.answering.written_by_a_model else "Embedded, offline"
    st.caption(label(f"{who} · {_count(session.status().shows, 'show')}"))
    running = sum(job.running for job in session.all_jobs())
    if running:
        st.page_link("pages/settings.py", label=f"{_count(running, 'job')} running", icon=":material/sync:")


def catalogue_state(status: Status) -> bool:
    """Draw what there is to say about the catalogue; tell whether it can be asked."""
    job = session.latest(SAMPLE_JOB)
    if job is not None and job.running:
        _sample_running(job)
        return False
    if not status.shows:
        _empty(job)
        return False
    if status.sample_only:
        line, link = st.columns([4, 1], vertical_alignment="center")
        line.caption(f"Sample catalogue, {_count(status.shows, 'show')}. Upload your own: it replaces the sample.")
        link.page_link("pages/upload.py", label="Upload your own", icon=":material/upload_file:")
    running = any(job.running for job in session.all_jobs())
    if status.not_indexed and not running:
        _not_indexed(status)
    return True


def _sample_running(job: Job) -> None:
    @st.fragment(run_every=_POLL_S)
    def poll() -> None:
        if not job.running:
            st.rerun()
        progress = job.control.progress
        shows = f", {progress.total} shows" if progress.total else ""
        st.progress(progress.fraction, f"Taking in the sample catalogue{shows}; your first own upload replaces it")

    poll()


def _empty(job: Job | None) -> None:
    if job is not None and job.error:
        show_error(f"The sample catalogue could not be taken in. {job.error}")
    st.info("The catalogue is empty. Upload an export, or take in the sample.", icon=":material/inbox:")
    upload, retry = st.columns([1, 4], vertical_alignment="center")
    upload.page_link("pages/upload.py", label="Upload", icon=":material/upload_file:")
    if retry.button("Take in the sample", icon=":material/refresh:", key="sample_again"):
        services = session.services()
        session.runtime().call(services.catalogue.start_sample(services.jobs))
        st.rerun()


def _not_indexed(status: Status) -> None:
    services = session.services()
    banner, action = st.columns([5, 1], vertical_alignment="center")
    some = "1 show is" if status.not_indexed == 1 else f"{status.not_indexed:,} shows are"
    banner.warning(f"{some} not indexed for {label(services.embedder.model)}.", icon=":material/warning:")
    if action.button("Index now", key="index_now", width="stretch"):
        title = f"Indexing for {services.embedder.model}"
        session.start_job(services.ingestion.reindex, kind="reindex", title=title, key="reindex")
        st.rerun()


def _running(job: Job, unit: str, draw: Callable[[Job], None] | None = None) -> None:
    """Poll a job: bar, counts, rate and Cancel; the page runs again once it has ended."""

    @st.fragment(run_every=_POLL_S)
    def poll() -> None:
        if not job.running:
            st.rerun()
        progress = job.control.progress
        rate = progress.done / progress.elapsed_s if progress.elapsed_s else 0.0
        counts = f"{progress.done:,} of {progress.total:,} {unit} · {rate:,.1f}/s · {job.elapsed_s:.0f} s"
        stage = "Stopping" if job.state == "cancelling" else progress.stage or "Starting"
        bar, action = st.columns([5, 1], vertical_alignment="center")
        bar.progress(progress.fraction, label(f"{stage} · {counts}" if progress.total else stage))
        stopping = job.state == "cancelling"
        if action.button("Cancel", key=f"cancel_{job.id}", disabled=stopping, icon=":material/stop:", width="stretch"):
            session.cancel_job(job)
            st.rerun(scope="app")
        if draw is not None:
            draw(job)

    st.markdown(f"**{label(job.title)}**")
    poll()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


# ── Ask ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def examples() -> str | None:
    """Draw the example questions; return the one that was clicked."""
    clicked = None
    with st.container(horizontal=True, gap="small"):
        for number, example in enumerate(EXAMPLES):
            if st.button(example, key=f"ask_example_{number}"):
                clicked = example
    return clicked


def exchange(item: session.Exchange, *, latest: bool) -> None:
    """Draw one question with its answer, and the sources beside the latest one."""
    left, right = _exchange_frame(item)
    with left:
        if item.text:
            st.markdown(answer_markdown(item.text))
        if item.error:
            show_error(item.error)
        _footnotes(item)
    with right:
        if item.found is not None and item.found.sources:
            if latest:
                _sources(item.found.sources, item.answer)
            else:
                with st.expander(_count(len(item.found.sources), "source")):
                    for number, source in enumerate(item.found.sources, 1):
                        st.caption(f"{number} · {label(_heading(source.show))}")


def stream(item: session.Exchange, events: Iterator[Retrieval | str | Answer]) -> None:
    """Draw an answer while it comes: the sources first, then its words."""
    left, right = _exchange_frame(item)
    with left:
        place = st.empty()
        place.caption("Searching titles, words and vectors")
    with seam(lambda sentence: setattr(item, "error", sentence)), contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Retrieval):
                item.found = event
                place.caption(f"Found {_count(len(event.sources), 'show')} in {event.timings.retrieve_s * 1000:.0f} ms")
                with right:
                    _sources(event.sources, None)
            elif isinstance(event, Answer):
                item.answer, item.error = event, event.error
                item.text = event.text or item.text
            else:
                item.text += event
                place.markdown(answer_markdown(item.text))


def _exchange_frame(item: session.Exchange) -> tuple[Any, Any]:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(item.question)
    left, right = st.columns([3, 2], gap="large")
    return left.chat_message("assistant", avatar=":material/movie:"), right


def _footnotes(item: session.Exchange) -> None:
    answer = item.answer
    if answer is None:
        if item.error is None:
            st.caption("Stopped before the end.")
        return
    if answer.status is AnswerStatus.TRUNCATED:
        st.warning("The answer was cut short by the model's limit.", icon=":material/content_cut:")
    for note in answer.notes:
        st.caption(escape(note))
    took = f"{_seconds(answer.timings.total_s)} in all, {_seconds(answer.timings.retrieve_s)} of it to find the shows"
    writer = (
        "No language model wrote this: facts and quotes from your catalogue."
        if answer.provider == "local"
        else f"Written by {answer.model}."
    )
    st.caption(f"{escape(writer)}  \n{took}")


def _sources(sources: Sequence[Source], answer: Answer | None) -> None:
    st.markdown("**Sources**")
    with st.container(height=_SOURCES_PX, border=False):
        for number, source in enumerate(sources, 1):
            _source(number, source, None if answer is None else source.show.id in answer.citations)


def _source(number: int, source: Source, cited: bool | None) -> None:
    """Draw one source: what it is, how it was found, and the text that stands behind a citation."""
    show = source.show
    year = f" ({show.year})" if show.year else ""
    with st.expander(f"{number} · {label(show.title + year)}", icon=":material/check:" if cited else None):
        st.text(clean(show.description) or "The catalogue has no description of it.")
        st.page_link(
            "pages/catalogue.py",
            label="Show in the catalogue",
            icon=":material/open_in_new:",
            query_params={"show": show.id},
        )
    native = native_title(show)
    told = [] if cited is None else ["cited" if cited else "not cited"]
    length = [_count(show.episodes, "episode")] if show.episodes else []
    parts = [*([native] if native else []), *length, *told, *map(_found, source.evidence)]
    st.caption(label(" · ".join(parts)))


def _heading(show: Show) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [_count(show.episodes, "episode")] if show.episodes else []
    return " · ".join([show.title, *facts])


def _found(evidence: Evidence) -> str:
    if evidence.branch == "alias":
        return f'alias "{evidence.detail}"'
    if evidence.distance is None:
        return f"{evidence.branch} #{evidence.rank}"
    return f"vectors #{evidence.rank}, distance {evidence.distance:.2f} cosine"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def native_title(show: Show) -> str | None:
    """Return the first title in Japanese writing, when the main one is not."""
    return next((title for title in show.titles if title != show.title and _JAPANESE.search(title)), None)


# ── Upload ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def preflight(report: IngestReport) -> None:
    """Tell what a run would do with every row."""
    counts = {
        "New or changed": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated (last row wins)": report.duplicate,
        "Set aside": report.quarantined,
        "Rows read": report.read,
    }
    st.dataframe([{name: f"{number:,}" for name, number in counts.items()}], hide_index=True, width="stretch")
    _set_aside(report)


def ingest_running(job: Job) -> None:
    """Draw an ingestion at work."""
    _running(job, "shows")
    st.caption("This goes on when you leave the page or close the tab.")


def ingest_ended(job: Job) -> None:
    """Draw what became of the last ingestion: result first, details below."""
    if job.state == "failed" or job.report is None:
        show_error(f"{job.title} was not taken in. {job.error or 'The job was stopped before it could report.'}")
        st.caption("Nothing was lost: the catalogue is as it was. Mend the cause and choose the file again.")
        return
    report: IngestReport = job.report
    done = f"**{report.ingested:,} of {_count(report.read, 'row')} stored** from {label(job.title)}"
    if report.stopped_by:
        st.warning(escape(f"Stopped part way: {report.stopped_by}"), icon=":material/warning:")
    elif job.state == "cancelled":
        st.warning("Cancelled. What is stored stays; upload the file again for the rest.", icon=":material/stop:")
    st.markdown(f"{done} in {report.seconds:.1f} s · {_count(report.catalogue, 'show')} in the catalogue")
    counts = {
        "Stored": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated": report.duplicate,
        "Set aside": report.quarantined,
        "Cancelled": report.cancelled,
    }
    for column, (name, number) in zip(st.columns(len(counts)), counts.items(), strict=True):
        said = "The last row with the same id won." if name == "Repeated" else None
        column.metric(name, f"{number:,}", border=True, help=said)
    if report.duplicate:
        st.caption("Of rows that share an id the last one was kept.")
    _set_aside(report)
    with st.container(horizontal=True):
        st.page_link("pages/ask.py", label="Ask about it", icon=":material/forum:")
        st.page_link("pages/catalogue.py", label="Look at the catalogue", icon=":material/video_library:")


def _set_aside(report: IngestReport) -> None:
    if report.rows:
        st.markdown(f"**{_count(len(report.rows), 'row')} set aside**")
        rows = [{"File": r.file, "Line": r.line or None, "Id": r.id, "Reason": r.reason} for r in report.rows]
        st.dataframe(rows, hide_index=True, width="stretch")


# ── Batch ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def question_counts(rows: Sequence[QuestionRow]) -> None:
    """Tell how many questions there are, and how many are empty or asked twice."""
    empty = sum(not row.question for row in rows)
    repeated = len(rows) - empty - len({row.question for row in rows if row.question})
    st.caption(f"{_count(len(rows), 'question')}, {empty:,} empty, {repeated:,} repeated")


def batch_running(job: Job) -> None:
    """Draw a batch at work; the table fills in question order."""
    _running(job, "questions", lambda watched: answers_table(watched.control.partial or []))


def batch_ended(job: Job) -> None:
    """Draw a batch's answers and offer them as files."""
    if job.state == "failed" or job.report is None:
        show_error(f"{job.title} was not answered. {job.error or 'The job was stopped before it could report.'}")
        return
    report = job.report
    answered = len(report.answers) - report.failed
    done = f"**{answered:,} of {_count(len(report.answers), 'question')} answered** from {label(job.title)}"
    st.markdown(f"{done} in {report.seconds:.1f} s")
    if job.state == "cancelled":
        st.warning("Cancelled: questions that were not reached say so.", icon=":material/stop:")
    with st.container(horizontal=True):
        for name, mime, data in (
            ("CSV", "text/csv", exports.answers_csv(report.rows, report.answers)),
            ("JSONL", "application/jsonl", exports.answers_jsonl(report.answers)),
        ):
            st.download_button(
                f"Download {name}",
                data,
                file_name=f"answers.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"batch_download_{name}",
            )
    answers_table(report.answers)


def answers_table(answers: Sequence[Answer | None]) -> None:
    """Draw answers in question order; a question that is still waited for shows as waiting."""
    rows = [_answer_row(number, answer) for number, answer in enumerate(answers, 1)]
    if rows:
        st.dataframe(
            rows,
            hide_index=True,
            width="stretch",
            column_config={
                "No.": st.column_config.NumberColumn(width=60),
                "Question": st.column_config.TextColumn(width="medium"),
                "Answer": st.column_config.TextColumn(width="large"),
                "Status": st.column_config.TextColumn(width=90),
                "Cited": st.column_config.TextColumn(width="medium"),
            },
        )


def _answer_row(number: int, answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {"No.": number, "Question": "", "Answer": "", "Status": "waiting", "Cited": ""}
    titles = {source.show.id: source.show.title for source in answer.sources}
    return {
        "No.": number,
        "Question": answer.question,
        "Answer": (answer.text or answer.error or "").replace("**", ""),
        "Status": str(answer.status).replace("_", " "),
        "Cited": ", ".join(titles[show_id] for show_id in answer.citations),
    }


# ── Catalogue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def show_table(shows: Sequence[Show], total: int) -> None:
    """Draw the shows that match; choosing a row opens it."""
    if not shows:
        st.info("No title has this. Try fewer letters, or another script.", icon=":material/search_off:")
        return
    st.caption(f"{_count(total, 'show')}" + (f", the first {len(shows):,} below" if total > len(shows) else ""))
    key = session.fresh_key("catalogue_table")

    def choose() -> None:
        chosen = st.session_state[key].selection.rows
        if chosen and chosen[0] < len(shows):
            st.query_params["show"] = shows[chosen[0]].id
        else:
            st.query_params.pop("show", None)

    st.dataframe(
        [
            {
                "Title": show.title,
                "Native title": native_title(show),
                "Year": show.year,
                "Episodes": show.episodes,
                "Rating": show.rating,
                "Tags": ", ".join(show.tags),
            }
            for show in shows
        ],
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=560,
        column_config={
            "Title": st.column_config.TextColumn(width="medium"),
            "Native title": st.column_config.TextColumn(width="medium"),
            "Year": st.column_config.NumberColumn(format="%d", width=60),
            "Episodes": st.column_config.NumberColumn(width=80),
            "Rating": st.column_config.NumberColumn(format="%.2f", width=70),
        },
    )


def show_page(show: Show, *, known: set[str]) -> None:
    """Draw all there is about one show; relations that the catalogue has can be opened."""
    st.subheader(label(show.title), anchor=False)
    others = [title for title in show.titles if title != show.title]
    if others:
        st.text(" · ".join(others))
    years = (
        f"{show.year} to {show.end_year}" if show.year and show.end_year and show.end_year != show.year else show.year
    )
    facts = [
        str(years) if years else "",
        _count(show.episodes, "episode") if show.episodes else "",
        f"rated {show.rating:.2f} of 10" if show.rating else "",
        _count(show.votes, "vote") if show.votes else "",
        f"id {show.id}",
    ]
    st.caption(label(" · ".join(filter(None, facts))))
    st.text(clean(show.description) or "The catalogue has no description of it.")
    if show.tags:
        st.caption(label(", ".join(show.tags)))
    _links("Relations", show.relations, known)
    _links("Similar", show.similar, known)
    if st.button("Close", icon=":material/close:", key="catalogue_close"):
        _open_show(None)


def _links(heading: str, related: Sequence[RelatedShow], known: set[str]) -> None:
    if not related:
        return
    st.markdown(f"**{heading}**")
    for place, item in enumerate(related):
        kind = f" · {item.kind}" if item.kind not in ("", "similar") else ""
        name = label(f"{item.title or item.id}{kind}" + (f" · {item.year}" if item.year else ""))
        if item.id not in known:
            st.caption(f"{name} · not in the catalogue")
        elif st.button(name, key=f"catalogue_{heading}_{place}", type="tertiary", icon=":material/arrow_forward:"):
            _open_show(item.id)


def _open_show(show_id: str | None) -> None:
    session.renew("catalogue_table")  # the row that was chosen is no longer what is shown
    if show_id is None:
        st.query_params.pop("show", None)
    else:
        st.query_params["show"] = show_id
    st.rerun()


# ── Settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
    mended = f" {_count(report.repaired, 'show')} repaired." if report.repaired else ""
    if report.healthy:
        st.success(f"Index and library agree on {_count(report.shows, 'show')}.{mended}", icon=":material/check:")
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
