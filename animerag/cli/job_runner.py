"""Opens the services, runs a job with a progress bar, and returns the exit status, for all commands."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

from animerag.errors import AnimeRAGError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rich.progress import Progress as RichProgress

    from animerag.jobs.jobs import Control, Job
    from animerag.models.jobs import Progress as JobProgress
    from animerag.services import Services

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name

T = TypeVar("T")

DONE, ROWS_LEFT, UNUSABLE, CANCELLED = 0, 1, 2, 130
_LOOK_S = 0.1  # seconds between two polls of the progress


@asynccontextmanager
async def services(*, warm: bool = False, serverless: bool = False, **options: object) -> AsyncIterator[Services]:
    """Open the services on this command's own loop, as `open_services` does; `options` override settings."""
    from animerag.config import load_settings

    settings = load_settings(**options)
    local = settings.provider_for(settings.embedding_provider) == "local"
    if warm and local and (not serverless or _has_idle_processor()):  # many questions need no encoder
        from animerag.indexing.encoder import load_encoder

        threading.Thread(target=load_encoder, name="animerag-load").start()  # while the modules below are imported
    from animerag.composition import open_services

    async with open_services(settings, warm=warm, serverless=serverless) as opened:
        yield opened


def _has_idle_processor() -> bool:
    """Return whether a second processor has been idle lately; yes if the system does not report its load."""
    try:
        processors = len(os.sched_getaffinity(0))
        return processors > 1 and os.getloadavg()[0] < processors
    except (AttributeError, OSError):
        return (os.cpu_count() or 1) > 1


async def run_job(
    opened: Services,
    work: Callable[[Control], Awaitable[T]],
    *,
    kind: str,
    title: str,
    exclusive: bool = False,
    key: str | None = None,
    started: Callable[[str], Awaitable[None]] | None = None,
) -> tuple[T, bool]:
    """Run a job with a progress bar on stderr; Ctrl-C stops it and finished work stays.

    `started` is called with the job's id. Returns the report and whether the job was stopped. Raises InvalidInputError
    if another process is doing this, AnimeRAGError if the job failed.
    """
    failure: list[AnimeRAGError] = []
    reports: list[T] = []

    async def guarded(control: Control) -> T:
        try:
            report = await work(control)
        except AnimeRAGError as error:
            failure.append(error)
            raise
        reports.append(report)
        return report

    job = await opened.jobs.start(guarded, kind=kind, title=title, key=key, exclusive=exclusive)
    if not job.here:
        raise InvalidInputError(f"{job.title} is already in progress on {job.host}: see `animerag jobs`.")
    if started is not None:
        await started(job.id)
    on_interrupt(lambda: opened.jobs.cancel(job.id))
    with _ProgressBar() as bar:
        waiting = asyncio.ensure_future(opened.jobs.wait(job))
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=_LOOK_S)
            if job.control.question is not None:
                bar.stop()
                await _answered(job, waiting)
                bar.start()
            bar.update(job.control.progress)
    if failure:
        raise failure[0]
    if not reports:
        raise AnimeRAGError(job.error or "The job ended without a report.")
    return reports[0], job.state == "cancelled"


async def _answered(job: Job, ended: asyncio.Future[Job]) -> None:
    """Wait until the job's question is answered, here or in another process, or the job has ended."""
    reply = _asked(job.control.question or "")
    either: set[asyncio.Future[bool] | asyncio.Future[Job]] = {reply, ended}
    while job.control.question is not None and not ended.done():
        await asyncio.wait(either, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        if reply.done():
            job.control.answer(yes=reply.result())
            return
    print(file=sys.stderr)  # ends the line of the question


class _ProgressBar:
    """A progress bar on stderr if that is a terminal; otherwise it does nothing, and `rich` is not imported."""

    def __init__(self) -> None:
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("Starting", total=None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Show the bar."""
        if self._bar is not None:
            self._bar.start()

    def stop(self) -> None:
        """Hide the bar, for a question."""
        if self._bar is not None:
            self._bar.stop()

    def update(self, progress: JobProgress) -> None:
        """Show a job's step and progress."""
        if self._bar is not None:
            total = progress.total or None
            self._bar.update(self._task, description=progress.stage, completed=progress.done, total=total)


def _asked(question: str) -> asyncio.Future[bool]:
    """Ask a yes-or-no question without blocking the event loop, so that Ctrl-C still works.

    A daemon thread reads the file descriptor itself: the lock of `sys.stdin` would keep the interpreter from exiting.
    """
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bool] = loop.create_future()

    def answer(yes: bool) -> None:
        if not reply.done():
            reply.set_result(yes)

    def read() -> None:
        try:
            line = os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
        except (OSError, ValueError):  # no terminal
            line = ""
        with suppress(RuntimeError):  # the command has ended
            loop.call_soon_threadsafe(answer, line.strip().lower() in {"y", "yes"})

    threading.Thread(target=read, name="answer", daemon=True).start()
    return reply


def discard_output() -> None:
    """Keep the interpreter's final flush from failing, too (docs.python.org/3/library/signal.html#note-on-sigpipe)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_interrupt(stop: Callable[[], None]) -> None:
    """Call `stop` on Ctrl-C and SIGTERM instead of ending the process."""
    with suppress(NotImplementedError):  # event loops on Windows take no signal handlers; Ctrl-C then ends the command
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def number_or_auto(text: str) -> int | str:
    """Parse a whole number of at least 1, or `auto`."""
    return "auto" if text == "auto" else positive(text)
