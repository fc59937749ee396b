"""One job: its state, its result, and the control through which observers and the work talk to each other."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from animerag.models.jobs import Progress

P = TypeVar("P")

JobState = Literal["running", "cancelling", "done", "failed", "cancelled", "interrupted"]
LOCAL_OWNER = "local"  # without a login, the command line and all tabs have one owner


@runtime_checkable
class LargeReport(Protocol):
    """A report that is stored elsewhere."""

    @property
    def journalled(self) -> Mapping[str, object]:
        """Return what the journal stores instead."""
        ...


@dataclass(slots=True)
class Control:
    """The channel between a job and its observers: progress, questions, and the request to stop."""

    progress: Progress = field(default_factory=Progress)
    partial: object | None = None  # partial results; each kind of work has its own class
    question: str | None = None  # the owner must answer it before the work continues
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _answer: asyncio.Future[bool] | None = None

    def partial_as(self, kind: type[P]) -> P | None:
        """Return the partial results if they are of the given kind, otherwise None."""
        return self.partial if isinstance(self.partial, kind) else None

    async def ask(self, question: str) -> bool:
        """Wait until the owner answers yes or no; a stop counts as no."""
        self.question, self._answer = question, asyncio.get_running_loop().create_future()
        answer, stop = self._answer, asyncio.ensure_future(self.stopped())
        either: set[asyncio.Future[bool] | asyncio.Future[None]] = {answer, stop}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return answer.done() and answer.result()
        finally:
            self.question = self._answer = None
            stop.cancel()

    def answer(self, *, yes: bool) -> None:
        """Answer the open question, if there is one."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(yes)

    def stop(self) -> None:
        """Ask the work to stop at the next safe point."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Return whether the job was asked to stop."""
        return self._stop.is_set()

    def part(self) -> Control:
        """Return a control for a part of the work that stops with the whole; its progress is not shown."""
        return Control(_stop=self._stop)

    async def stopped(self) -> None:
        """Wait until the job is asked to stop."""
        await self._stop.wait()

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until the job is asked to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopped(), seconds)


@dataclass(slots=True, kw_only=True)
class Job:
    """A piece of long work; pages only read it.

    A job of another process has `here` False: its control is a copy of the journal, a second old at most, without
    partial results.
    """

    id: str
    kind: str
    title: str
    key: str
    owner: str
    control: Control = field(default_factory=Control)
    state: JobState = "running"
    report: object = None  # the result of the work: each kind of job has its own class for it
    error: str | None = None
    started_s: float = field(default_factory=time.monotonic)
    finished_s: float | None = None
    task: asyncio.Task[None] | None = None
    here: bool = True  # whether this process runs it
    host: str = ""  # the machine and the process that run it
    lease: str = ""  # the lease of that process

    def report_as(self, kind: type[P]) -> P | None:
        """Return the report if it has this type; None before the job has ended, or if it failed.

        The report of another process's job is rebuilt from the journal.
        """
        if isinstance(self.report, kind):
            return self.report
        return _rebuilt(self.report, kind) if isinstance(self.report, Mapping) else None

    @property
    def running(self) -> bool:
        """Return whether the job is at work, stopping included."""
        return self.state in ("running", "cancelling")

    @property
    def elapsed_s(self) -> float:
        """Return the seconds from the start to the end, or until now."""
        return (self.finished_s or time.monotonic()) - self.started_s


def _rebuilt(journalled: Mapping[str, object], kind: type[P]) -> P | None:
    """Return a report from its JSON, or None if this type of report is not journalled completely."""
    try:
        return _adapter(kind).validate_python(journalled) if is_dataclass(kind) else None
    except (ValidationError, PydanticUserError, PydanticUndefinedAnnotation):
        return None


@cache
def _adapter(kind: type[P]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
