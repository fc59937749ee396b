"""The log of a process, and, with ANIMERAG_DEBUG, asyncio's checks and a trace of all work."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
import traceback
from contextlib import ExitStack, contextmanager
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from animerag.errors import AnimeRAGError, LibraryError
from animerag.telemetry import tracing
from animerag.telemetry.tracing import Span

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

    from animerag.config import Settings
    from animerag.telemetry.tracing import Trace

LOG, TRACES = "animerag.log", "trace.json"
_LOGGERS = ("animerag", "asyncio")
_BYTES, _BACKUPS = 1_000_000, 3  # size of a file, and the number of earlier files
_TRACE_BYTES = 10_000_000
_LONGEST = 300  # maximum characters of a message: enough for this package's sentences, too few for a document
_SLOW_S = 0.05  # long enough for a page to feel slow
_KEY = re.compile(r"\b(?:sk|pk|ck|key)-[\w-]{6,}", re.IGNORECASE)


@contextmanager
def log_file(settings: Settings) -> Iterator[Path]:
    """Write the log of this process to rotated files in the data directory. Raises LibraryError."""
    path = settings.data_dir / "logs" / LOG
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_BACKUPS, encoding="utf-8", delay=True)
    except OSError as error:
        raise LibraryError(
            f"The data directory {settings.data_dir} cannot be written: {error.strerror}. Check its permissions."
        ) from error
    known = (settings.openai_api_key, settings.chroma_api_key, settings.api_token, settings.shoko_key)
    secrets = [one.get_secret_value() for one in known if one]
    handler.setFormatter(RedactingFormatter([secret for secret in secrets if secret]))
    handler.setLevel(logging.DEBUG if settings.debug else logging.INFO)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
    loggers[0].setLevel(handler.level)
    try:
        yield path
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        handler.close()


def tail(path: Path, most_bytes: int = 20_000) -> str:
    """Return the last complete lines of a log; an empty result if there is no log yet."""
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, 2) - most_bytes, 0)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return text.split("\n", 1)[-1] if start else text


class RedactingFormatter(logging.Formatter):
    """Formats records without keys, texts of documents, or values in tracebacks."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, followed by the origin of an error."""
        named = tuple(_named(one) for one in record.args) if isinstance(record.args, tuple) else record.args
        bare = logging.makeLogRecord(record.__dict__ | {"args": named, "exc_text": None})
        text = super().format(bare)
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return _KEY.sub("[key]", text)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the line with its message cut to the length of the package's longest sentences."""
        line = " ".join(record.message.split())
        record.message = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
        return str(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Return the frames and the type of an error: its message may contain user input."""
        kind, error, trace = ei
        message = f": {error}" if isinstance(error, AnimeRAGError) else ""
        return f"{''.join(traceback.format_tb(trace))}{kind.__name__}{message[:_LONGEST]}"


def _named(value: object) -> object:
    """Return the type of a foreign error: its message may contain user input."""
    return type(value).__name__ if isinstance(value, BaseException) and not isinstance(value, AnimeRAGError) else value


@contextmanager
def debugging(settings: Settings) -> Iterator[None]:
    """Turn on asyncio's debug mode and write a trace of all work, if ANIMERAG_DEBUG is set.

    Callbacks that take 50 ms or more are logged, tasks are named after their coroutines, and `logs/trace.json` can be
    opened in any viewer of Chrome's trace events, such as Perfetto.
    """
    if not settings.debug:
        yield
        return
    loop = asyncio.get_running_loop()
    before = loop.get_debug(), loop.slow_callback_duration, loop.get_task_factory()
    loop.set_debug(True)
    loop.slow_callback_duration = _SLOW_S
    loop.set_task_factory(_named_task)  # type: ignore[arg-type] # its protocol is generic in what the task returns
    try:
        with ExitStack() as stack:
            stack.enter_context(tracing.subscribe(_TraceFile(settings.data_dir / "logs" / TRACES).add))
            yield
    finally:
        loop.set_debug(before[0])
        loop.slow_callback_duration = before[1]
        loop.set_task_factory(before[2])


def _named_task(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    options["name"] = options.get("name") or getattr(work, "__qualname__", type(work).__name__)
    return asyncio.Task(work, loop=loop, **options)


class _TraceFile:
    """Appends traces as Chrome's trace events; their array needs no closing bracket, so a crash leaves a valid file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._traces = 0

    def add(self, trace: Trace) -> None:
        """Write a trace and its spans, each lane in its own row."""
        self._traces += 1
        row, wall_s = self._traces * 1000, time.time() - time.perf_counter()
        start_s, end_s = min(one.start_s for one in trace.spans), max(one.end_s for one in trace.spans)

        def event(span: Span, row: int, about: Mapping[str, object]) -> str:
            when = {"ts": round((span.start_s + wall_s) * 1e6), "dur": round(span.seconds * 1e6)}
            return json.dumps({"name": span.name, "ph": "X", **when, "pid": os.getpid(), "tid": row, "args": about})

        events = [event(Span(trace.name, start_s, end_s), row, trace.about)]
        events += [event(one, row + 1 + one.lane, {}) for one in trace.spans]
        if self._path.exists() and self._path.stat().st_size > _TRACE_BYTES:
            self._path.replace(self._path.with_name(f"earlier-{self._path.name}"))
        begins = "" if self._path.exists() else "[\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(begins + "".join(f"{one},\n" for one in events))
