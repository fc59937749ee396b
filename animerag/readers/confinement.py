"""Reads a file for the first time in a separate process with limits, so that a hostile file ends only that process.

detection, parts = confinement.inspect(path, name, options)      # one process for both
for part in parts: ...   # lists of Show (without tags and record) and RowError, in file order

The process is `python -m animerag.readers`; its results arrive as JSON, one message per line. Only a file that it has
read to the end is read in this process: the import holds fewer rows at a time.
"""

from __future__ import annotations

import json
import mmap
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Origin, Show
from animerag.readers import file_type, questions
from animerag.readers.columns import Column
from animerag.readers.detection import Detection, ReadOptions
from animerag.readers.questions import SheetOptions
from animerag.readers.rows import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from animerag.models.json_types import JsonObject
    from animerag.readers.questions import Sheet

_IMPORT_ROOT = Path(__file__).parents[2]
_MB = 2**20
# The limits: a fixed part, and a part that grows with the file, faster if it is compressed.
_MEMORY_MB, _MEMORY_FACTOR, _PACKED_MEMORY_FACTOR, _MOST_MEMORY_MB = 256, 8, 32, 4096
_CPU_S, _CPU_S_A_MB, _PACKED_CPU_S_A_MB = 10, 1, 8
_WALL_FACTOR, _WALL_S = 10, 60  # generous, for busy machines and systems that do not limit processor time
_WATCH_S = 0.03
_STUCK_S = 3.0  # idle for this long at more than half of its memory, the process waits for memory in vain
_PAGE_BYTES = mmap.PAGESIZE
_KILLED_BY_MEMORY = {"SIGABRT", "SIGBUS", "SIGKILL", "SIGSEGV"}
_REMEDY = "Split it into smaller files, or save it as CSV or JSON lines."


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for reading one file: MB of memory and seconds of processor time."""

    memory_mb: int
    cpu_s: int

    @classmethod
    def of(cls, path: Path, name: str) -> Limits:
        """Return the limits for a file, by its size. Raises InvalidInputError if it cannot be opened."""
        size_mb, packed = file_type.stored_size(path, name) / _MB, file_type.is_packed(path, name)
        memory_mb = _MEMORY_MB + size_mb * (_PACKED_MEMORY_FACTOR if packed else _MEMORY_FACTOR)
        cpu_s = _CPU_S + size_mb * (_PACKED_CPU_S_A_MB if packed else _CPU_S_A_MB)
        return cls(round(min(memory_mb, _MOST_MEMORY_MB)), round(cpu_s))

    def memory_fault(self, name: str) -> str:
        """Return the error sentence for too much memory."""
        return f"{name} cannot be read within {self.memory_mb:,} MB of memory, the limit for its size. {_REMEDY}"

    def cpu_fault(self, name: str) -> str:
        """Return the error sentence for too much processor time."""
        return f"{name} cannot be read within {self.cpu_s:,} s of processor time, the limit for its size. {_REMEDY}"


def inspect(path: Path, name: str, options: ReadOptions) -> tuple[Detection, Iterator[list[Show | RowError]]]:
    """Detect a file and read it to its end; a detection with a problem has no rows.

    Raises InvalidInputError at the start or later, also when a limit is exceeded.
    """
    parts = _inspected(path, name, options)
    detection = next(parts)
    assert isinstance(detection, Detection)
    return detection, parts  # type: ignore[return-value] # only the first item is a Detection


def read_questions(path: Path, name: str, options: SheetOptions | None = None) -> Sheet:
    """Read a sheet as `questions.read` does. Raises InvalidInputError, also when a limit is exceeded."""
    options = options or SheetOptions()
    with _messages("questions", path, name, asdict(options)) as messages:
        for _ in messages:
            pass
    return questions.read(path, name, options)


def _inspected(path: Path, name: str, options: ReadOptions) -> Iterator[Detection | list[Show | RowError]]:
    with _messages("shows", path, name, asdict(options)) as messages:
        yield _detection(next(messages)["detection"])
        for message in messages:
            yield [_row(name, given) for given in message["rows"]]


@contextmanager
def _messages(kind: str, path: Path, name: str, options: JsonObject) -> Iterator[Iterator[JsonObject]]:
    limits = Limits.of(path, name)
    request = {"kind": kind, "path": str(path.absolute()), "name": name, "options": options, "limits": asdict(limits)}
    process = subprocess.Popen(
        [sys.executable, "-m", "animerag.readers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # allocators print messages before they give up
        cwd=_IMPORT_ROOT,  # the package need not be installed, and the caller may be anywhere
    )
    watchdog = _Watchdog(process, limits)
    watchdog.start()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        yield _read(process, name, limits, watchdog)
    finally:
        watchdog.stop()
        process.kill()
        process.stdout.close()
        process.wait()


class _Watchdog(threading.Thread):
    """Kills a process that exceeds its memory or takes far too long, and records which of the two it was.

    The system's own limit is slightly higher and the last resort: a parser that gets no memory may report another
    error, or hang.
    """

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        super().__init__(name="reader-watchdog", daemon=True)
        self._process = process
        self._limits = limits
        self._done = threading.Event()
        self.fault: str | None = None  # "memory" or "time", once it has killed

    def stop(self) -> None:
        """Stop watching."""
        self._done.set()

    def run(self) -> None:
        """Watch the process until it ends or must be killed."""
        deadline_s = time.monotonic() + _WALL_S + _WALL_FACTOR * self._limits.cpu_s
        used, since_s = "", time.monotonic()
        while not self._done.wait(_WATCH_S):
            memory_mb, now = self._usage()
            if now != used:
                used, since_s = now, time.monotonic()
            starved = memory_mb > self._limits.memory_mb / 2 and time.monotonic() - since_s > _STUCK_S
            if memory_mb > self._limits.memory_mb or starved:
                self.fault = "memory"
            elif time.monotonic() > deadline_s:
                self.fault = "time"
            if self.fault:
                self._process.kill()
                return

    def _usage(self) -> tuple[float, str]:
        """Return the process's resident memory in MB, and a value that changes while it works; (0, "") if unknown."""
        directory = Path("/proc") / str(self._process.pid)
        try:
            stat = (directory / "stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return 0.0, ""
        state, used = stat[0], f"{stat[11]} {stat[12]}"  # fields 3, 14 and 15 of proc(5)
        return int(stat[21]) * _PAGE_BYTES / _MB, used if state == "S" else f"{used} {time.monotonic()}"


def _read(process: subprocess.Popen[bytes], name: str, limits: Limits, watchdog: _Watchdog) -> Iterator[JsonObject]:
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if "fault" in message:
            raise InvalidInputError(message["fault"])
        if "bug" in message:
            raise RuntimeError(message["bug"])
        if "end" in message:
            return
        yield message
    status = process.wait()
    ended = signal.Signals(-status).name if status < 0 else ""
    if watchdog.fault == "memory":
        raise InvalidInputError(limits.memory_fault(name))
    if ended == "SIGXCPU" or watchdog.fault == "time":
        raise InvalidInputError(limits.cpu_fault(name))
    if ended in _KILLED_BY_MEMORY:
        raise InvalidInputError(limits.memory_fault(name))
    raise InvalidInputError(f"{name} was not read completely because its process was stopped: try again.")


def _detection(given: JsonObject) -> Detection:
    layout = given["layout"]
    if layout is not None:
        layout = Layout(
            **{**layout, **{key: tuple(layout[key]) for key in ("headers", "reasons")}, "sample": _cells(layout)}
        )
    columns = tuple(Column(**{**column, "cells": tuple(column["cells"])}) for column in given["columns"])
    changed = {
        "columns": columns,
        "layout": layout,
        "sample": _cells(given),
        "reasons": tuple(given["reasons"]),
        "users": tuple(given["users"]),
    }
    return Detection(**{**given, **changed})


def _cells(given: JsonObject) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, given["sample"]))


def _row(name: str, given: Any) -> Show | RowError:
    if isinstance(given, dict):
        return RowError(**given)
    show_id, title, titles, beginning, year, episodes, overlay, line, notes = given
    return Show(
        id=show_id,
        title=title,
        titles=tuple(titles),
        description=beginning,
        year=year,
        episodes=episodes,
        overlay=overlay,
        origin=Origin(file=name, line=line, notes=tuple(notes)),
    )
