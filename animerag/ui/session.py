"""The app's one runtime, and what a browser session remembers. Keys carry the name of their page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import streamlit as st

from animerag.catalogue.status import SAMPLE_JOB
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.event_loop import Runtime
from animerag.ingestion.resumable import INGEST_JOB
from animerag.models import Turn
from animerag.query.rendering import labelled as chips_of
from animerag.ui.text import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from animerag.batch.runner import Which
    from animerag.catalogue.status import Status
    from animerag.comparison.experiment import Experiment
    from animerag.composition import Services
    from animerag.ingestion.importer import SourceFile
    from animerag.jobs.jobs import Control, Job
    from animerag.models import AnswerStatus, Exchange, IngestReport, JobRecord, ModelServer, Priority
    from animerag.query.plan import Condition
    from animerag.rate_limits import GateState, LevelChoice
    from animerag.readers import Detection
    from animerag.readers.questions import Sheet, SheetOptions
    from animerag.storage.batch_runs import BatchRun, RunOptions, RunRow, Timed
    from animerag.storage.conversations import Conversation
    from animerag.text.durations import TimeEstimate

T = TypeVar("T")

_STATUS = "status_of_this_run"
_CHECK_S = 120.0  # reading 50 MB of JSON


# The key of a cached resource is its source: an edit here, even of a comment, would open a second runtime.
@st.cache_resource(on_release=Runtime.close, show_spinner="Opening the catalogue")
def runtime() -> Runtime:
    """Return the app's one runtime."""
    return Runtime()


def services() -> Services:
    """Return the services on the runtime's loop. Raises AnimeRAGError when they cannot be opened."""
    return runtime().services


def save_settings(changes: Mapping[str, Any], timeout_s: float) -> None:
    """Keep changed settings and open the services anew with them, for all tabs. Raises AnimeRAGError."""
    _check_idle()
    runtime().call(services().preferences.save(changes), timeout_s)
    _open_anew()


def use_server(server: ModelServer, model: str, timeout_s: float) -> None:
    """Let a server on this machine write the answers from now on. Raises AnimeRAGError."""
    _check_idle()
    runtime().call(services().preferences.use(server, model), timeout_s)
    _open_anew()


def decline_server(server: ModelServer) -> None:
    """Offer this server no more."""
    runtime().call(services().preferences.decline(server))
    st.session_state.pop("offers", None)


def offers(*, declined: bool = False) -> list[ModelServer]:
    """Return servers on this machine that could write answers, looked for once in a session."""
    key = "offers_all" if declined else "offers"
    kept: list[ModelServer] | None = st.session_state.get(key)
    if kept is None:
        kept = st.session_state[key] = runtime().call(services().preferences.offers(declined=declined))
    return kept


def _check_idle() -> None:
    if busy := sum(job.running for job in all_jobs()):
        raise InvalidInputError(f"{counted(busy, 'job')} running: wait for its end, or cancel it, and save then.")


def _open_anew() -> None:
    for key in ("offers", "offers_all"):
        st.session_state.pop(key, None)
    runtime.clear()  # closes it; the next call opens another


# ── Catalogue and jobs ───────────────────────────────────────────────────────────────────────────────────────────────


def look() -> Status:
    """Count what is there, for `status` to be given in this run of the page."""
    st.session_state.pop(_STATUS, None)  # whatever goes wrong, an earlier run's is not taken for this one's
    seen = st.session_state[_STATUS] = _counted()
    return seen


def status() -> Status:
    """Return what this run of the page has counted already, once, or count."""
    kept: Status | None = st.session_state.pop(_STATUS, None)
    return kept or _counted()


def _counted() -> Status:
    """Count what is there; the first look at an empty catalogue starts to take in the sample."""
    catalogue, jobs = services().catalogue, services().jobs
    seen = runtime().call(catalogue.status())
    # A sample that failed is tried again by the user, not by every rerun.
    if not seen.shows and latest(SAMPLE_JOB) is None:
        runtime().call(catalogue.start_sample(jobs))
    return seen


def latest(kind: str) -> Job | None:
    """Return the newest job of a kind, whichever tab started it."""
    return services().jobs.latest(kind)


def journal() -> list[JobRecord]:
    """Return the newest jobs of this catalogue, whichever process ran them."""
    return runtime().call(services().library.journal.jobs())


def took_s(job: JobRecord) -> float:
    """Return how long a job took, or has taken so far."""
    end = datetime.fromisoformat(job.finished_at) if job.finished_at else datetime.now(UTC)
    return max((end - datetime.fromisoformat(job.created_at)).total_seconds(), 0.0)


def gate_now() -> GateState:
    """Return what the provider's gate does at this moment."""

    async def look() -> GateState:
        return services().gate.state()

    return runtime().call(look())


def all_jobs() -> list[Job]:
    """Return the jobs of this process, newest first."""
    return services().jobs.all()


def start_job(work: Callable[[Control], Awaitable[Any]], *, kind: str, title: str, key: str | None = None) -> Job:
    """Start a job that outlives the page. Raises InvalidInputError, LibraryError."""
    return runtime().call(services().jobs.start(work, kind=kind, title=title, key=key))


def cancel_job(job: Job) -> None:
    """Ask a job to end at its next safe point."""

    async def cancel() -> None:
        services().jobs.cancel(job.id)

    runtime().call(cancel())


def answer(job: Job, *, yes: bool) -> None:
    """Answer what a job asks."""

    async def tell() -> None:
        job.control.answer(yes=yes)

    runtime().call(tell())


def set_level(priority: Priority, choice: Any) -> None:
    """Change how many requests may be in flight while work goes on."""

    async def change() -> None:
        services().gate.set_level(priority, choice)

    runtime().call(change())


def chroma_trouble() -> str | None:
    """Return why Chroma cannot be reached, or None when it can."""
    try:
        runtime().call(services().index.start())
    except AnimeRAGError as error:
        return str(error)
    except TimeoutError:
        return "Chroma did not answer in time."
    return None


# ── Compare ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def experiment(job: Job | None) -> Experiment | None:
    """Return the experiment to show: the one that was opened, else what the latest job found unless it was deleted."""
    opened = st.query_params.get("experiment") or (job.report.id if job is not None and job.report else None)
    if opened is None:
        return None
    kept: Experiment | None = st.session_state.get("compare_shown")
    if kept is None or kept.id != opened:
        kept = st.session_state["compare_shown"] = runtime().call(services().comparison.load(opened))
    return kept


def open_experiment(experiment_id: str | None) -> None:
    """Show a saved experiment from now on, or none; an address with it can be kept and sent."""
    st.session_state.pop("compare_shown", None)
    renew("compare_saved")  # the row that was chosen is no longer what is shown
    if experiment_id is None:
        st.query_params.pop("experiment", None)
    else:
        st.query_params["experiment"] = experiment_id


# ── Batch ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sheet(path: Path, name: str, options: SheetOptions) -> Sheet:
    """Read a sheet of questions once for all reruns. Raises InvalidInputError."""
    key = (path.name, options)
    kept: tuple[Any, Sheet] | None = st.session_state.get("batch_sheet")
    if kept is None or kept[0] != key:
        kept = st.session_state["batch_sheet"] = (key, runtime().call(services().batch.read(path, name, options)))
    return kept[1]


def start_run(read: Sheet, options: RunOptions, *, sha256: str, concurrency: LevelChoice) -> None:
    """Journal a sheet, start to answer it, and show it from now on. Raises InvalidInputError, LibraryError."""

    async def start() -> str:
        batch = services().batch
        run_id = await batch.begin(read, options, sha256=sha256)
        await batch.start(services().jobs, run_id, concurrency=concurrency)
        return run_id

    st.session_state.pop("batch_sheet", None)
    open_run(runtime().call(start()))


def continue_run(shown: BatchRun, which: Which) -> None:
    """Ask what a run misses or what failed in it. Raises InvalidInputError, LibraryError."""
    runtime().call(services().batch.start(services().jobs, shown.id, which))


def delete_run(shown: BatchRun) -> None:
    """Forget a run. Raises InvalidInputError while something works on it."""
    runtime().call(services().batch.runs.delete(shown.id))
    open_run(None)


def open_run(run_id: str | None) -> None:
    """Show a run from now on, or none; an address with it can be kept and sent."""
    renew("batch_saved")
    st.session_state["batch_closed"] = run_id is None
    if run_id is None:
        st.query_params.pop("run", None)
    else:
        st.query_params["run"] = run_id


def run_shown() -> BatchRun | None:
    """Return the run to show: the one that was opened, else one that is at work unless it was closed."""
    opened = st.query_params.get("run")
    job = latest("batch")
    if opened is None and job is not None and job.running and not st.session_state.get("batch_closed"):
        opened = job.key.removeprefix("batch:")
    if opened is None:
        return None
    try:
        return run(opened)
    except InvalidInputError:  # deleted in another tab, or an address from another catalogue
        st.query_params.pop("run", None)
        return None


def run(run_id: str) -> BatchRun:
    """Return a run. Raises InvalidInputError when there is none."""
    return runtime().call(services().batch.runs.get(run_id))


def runs() -> list[BatchRun]:
    """Return the newest runs, newest first."""
    return runtime().call(services().batch.runs.latest())


def run_job(shown: BatchRun) -> Job | None:
    """Return the job of this process that works or worked on a run."""
    return services().jobs.get(shown.job_id) if shown.job_id else None


def run_rows(
    run_id: str,
    *,
    offset: int = 0,
    limit: int | None = None,
    statuses: Sequence[AnswerStatus | None] | None = None,
) -> list[RunRow]:
    """Return rows of a run, in order."""
    return runtime().call(services().batch.runs.rows(run_id, offset=offset, limit=limit, statuses=statuses))


def whole_run(run_id: str) -> tuple[BatchRun, list[RunRow]]:
    """Return a run with all of its rows, as they are now; called by the server when a file is asked for."""
    return run(run_id), run_rows(run_id)


def run_timed(run_id: str) -> list[Timed]:
    """Return when each row was asked."""
    return runtime().call(services().batch.runs.timed(run_id))


def set_batch_level(choice: LevelChoice) -> None:
    """Change how many questions are in flight."""

    async def change() -> None:
        services().batch.set_level(choice)

    runtime().call(change())


def titles(ids: Sequence[str]) -> list[str]:
    """Return the titles of shows; an id that is not in the catalogue stands for itself."""
    found = runtime().call(services().library.shows(ids))
    return [found[show_id].title if show_id in found else show_id for show_id in ids]


def held(ids: Sequence[str]) -> set[str]:
    """Return those of the ids that the catalogue has."""
    return set(runtime().call(services().library.shows(ids, records=False)))


def run_title(shown: BatchRun) -> str:
    """Name a run in a line that tells it from another one of the same sheet."""
    return f"{local_time(shown.created_at, precise=True)} · {shown.name}"


def local_time(created_at: str, *, precise: bool = False) -> str:
    """Return a moment in the browser's time zone, to the minute, or `precise` to the second."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else None
    told = datetime.fromisoformat(created_at).astimezone(zone)
    return f"{told:%Y-%m-%d %H:%M:%S}" if precise else f"{told:%Y-%m-%d %H:%M}"


# ── Ask ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def conversation() -> list[Exchange]:
    """Return the conversation that the address names, else the one of this tab, oldest exchange first."""
    wanted, held = st.query_params.get("chat"), st.session_state.get("ask_chat")
    if wanted and wanted != held:
        open_conversation(wanted)
    elif held:  # back from another page, whose address says nothing of it
        st.query_params["chat"] = held
    kept: list[Exchange] = st.session_state.setdefault("ask_conversation", [])
    return kept


def open_conversation(conversation_id: str | None) -> None:
    """Show an earlier conversation, or begin a new one."""
    found = runtime().call(services().conversations.exchanges(conversation_id)) if conversation_id else []
    st.session_state["ask_conversation"] = found
    st.session_state["ask_chat"] = conversation_id if found else None
    st.query_params.pop("chat", None)
    if found and conversation_id:
        st.query_params["chat"] = conversation_id


def keep_conversation(exchanges: Sequence[Exchange]) -> Callable[[], None]:
    """Keep the last exchange, and return what keeps it again, even while the page is being stopped."""
    loop, kept = runtime(), services().conversations
    number, exchange = len(exchanges) - 1, exchanges[-1]
    chat = loop.call(kept.put(st.session_state.get("ask_chat"), number, exchange))
    st.session_state["ask_chat"] = st.query_params["chat"] = chat

    def again() -> None:
        loop.call(kept.put(chat, number, exchange))

    return again


def conversations() -> list[Conversation]:
    """Return earlier conversations, the last one first."""
    return runtime().call(services().conversations.latest())


def delete_conversation(conversation_id: str) -> None:
    """Forget a conversation for good."""
    runtime().call(services().conversations.delete(conversation_id))
    if st.session_state.get("ask_chat") == conversation_id:
        open_conversation(None)


def tags() -> list[str]:
    """Return every tag of the catalogue, the most used first."""
    return cached_by_revision("tags", services().retriever.tags)


def cached_by_revision(name: str, look_up: Callable[[], Awaitable[T]]) -> T:
    """Return what depends on the catalogue's shows alone, looked up again only when they have changed."""
    key = f"of_catalogue_{name}"

    async def looked_up() -> tuple[int, T] | None:
        revision = await services().library.revision()
        return None if kept is not None and kept[0] == revision else (revision, await look_up())

    kept: tuple[int, T] | None = st.session_state.get(key)
    fresh = runtime().call(looked_up())
    if fresh is not None:
        kept = st.session_state[key] = fresh
    assert kept is not None
    return kept[1]


def forget_cached(name: str) -> None:
    """Let this be looked up again."""
    st.session_state.pop(f"of_catalogue_{name}", None)


def labelled(condition: Condition) -> list[tuple[tuple[str, ...], str]]:
    """Return conditions as chips show them, shows that they compare with by title."""
    table = runtime().call(services().retriever.table())
    return chips_of(condition, table.title_of)


def turns(exchanges: Sequence[Exchange]) -> list[Turn]:
    """Return what earlier exchanges say to the next question."""
    return [
        Turn(
            question=exchange.question,
            answer=exchange.text,
            cited=exchange.answer.citations,
            ids=exchange.answer.result.ids if exchange.answer.result else (),
        )
        for exchange in exchanges
        if exchange.answer is not None
    ]


# ── Upload ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Chosen:
    """A file that was chosen: spooled, and as its owner has it read."""

    source: SourceFile
    detected: Detection | None = None
    report: IngestReport | None = None
    expected: TimeEstimate | None = None
    trouble: str | None = None
    checked: tuple[Any, ...] = ()  # the files and the state of the catalogue that `report` was made of


def chosen() -> list[Chosen]:
    """Return the files that this session has chosen and not started."""
    kept: list[Chosen] = st.session_state.setdefault("upload_chosen", [])
    return kept


def look_into(files: Sequence[Chosen]) -> None:
    """Check the chosen files as one import, again if one of them, how it is read, or the catalogue has changed."""
    job = latest(INGEST_JOB)
    now = (tuple(file.source for file in files), job and (job.id, job.state))
    if all(file.checked == now for file in files):
        return
    preview = services().ingestion.preview.each([file.source for file in files])
    for file, seen in zip(files, runtime().call(preview, _CHECK_S * len(files)), strict=True):
        file.checked, file.detected = now, seen.detection or file.detected
        file.report, file.expected, file.trouble = seen.report, seen.expected, seen.problem


def give_up(paths: Sequence[Path]) -> None:
    """Let uploads go that this page needs no more, unless an import needs them."""
    runtime().call(services().uploads.clean(paths))


def indexing_takes() -> str:
    """Say what indexing for the current model would take, such as "about 289k tokens, $0.006, 5 s"."""
    ingestion = services().ingestion
    missing = runtime().call(ingestion.preview.missing())
    time = runtime().call(ingestion.preview.expected_time(missing.read)).words()
    tokens, cost = missing.usage.embedding_tokens, missing.usage.cost_usd
    if services().embedder.provider == "local":
        return f"about {time} and costs nothing"
    price = "an unknown price" if cost is None else f"${cost:.4f}"
    return f"about {tokens:,} tokens, {price}, {time}"


def unfinished() -> JobRecord | None:
    """Return an import that a process which is gone has left unfinished."""
    return runtime().call(services().uploads.unfinished())


def what_is_left(record: JobRecord) -> IngestReport | None:
    """Say what an unfinished import still has to do, read once; None where its files are gone."""
    kept: dict[str, IngestReport | None] = st.session_state.setdefault("upload_left", {})
    if record.id not in kept:
        try:
            kept[record.id] = runtime().call(services().uploads.what_is_left(record.id), timeout_s=_CHECK_S)
        except InvalidInputError:
            kept[record.id] = None
    return kept[record.id]


def fresh_key(name: str) -> str:
    """Return a widget key that `renew` replaces, which empties the widget."""
    return f"{name}_{st.session_state.get(f'{name}_round', 0)}"


def renew(name: str) -> None:
    """Empty the widget that goes by `fresh_key(name)`."""
    st.session_state[f"{name}_round"] = st.session_state.get(f"{name}_round", 0) + 1
