"""`python -m animerag.readers`: read one file under limits and write the result to standard output.

Standard input has the request, standard output the messages for `confinement`. This process holds as many rows as an
import would, so that a file that exhausts memory fails here first.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from animerag import readers
from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.readers import questions
from animerag.readers.confinement import Limits
from animerag.readers.detection import ReadOptions
from animerag.text.documents import EMBEDDED_CHARACTERS

if TYPE_CHECKING:
    from animerag.models.shows import Show

_PART = 500  # rows in a message
_HELD = 2_000  # rows that an import has in memory at a time
_MOST_FAULTS = 50_000  # each one goes into the report
_MOST_TITLES = 500  # of one show, for its fingerprint
_BEGINNING = 300  # characters of a description, for the fingerprint
_MB = 2**20
_SPARE_MB = 64  # added to the limit at which the caller kills this process


def main() -> None:
    """Serve one request."""
    request = json.load(sys.stdin)
    limits = Limits(**request["limits"])
    path, name, options = Path(request["path"]), request["name"], request["options"]
    sys.modules["numpy"] = None  # type: ignore[assignment] # openpyxl would import it for types that no file contains
    _limit(limits)
    try:
        if request["kind"] == "questions":
            questions.read(path, name, questions.SheetOptions(**options))
        else:
            _rows(path, name, ReadOptions(**options))
        _send({"end": True})
    except InvalidInputError as error:
        _send({"fault": limits.memory_fault(name) if _of_memory(error) else str(error)})
    except MemoryError:
        _send({"fault": limits.memory_fault(name)})
    except Exception:  # noqa: BLE001 - the parent raises it again
        _send({"bug": traceback.format_exc()})


def _rows(path: Path, name: str, options: ReadOptions) -> None:
    detection = readers.detect(path, name, options)
    _send({"detection": asdict(detection)})
    if detection.problem:
        return
    held: deque[Show | RowError] = deque(maxlen=_HELD)
    faults = 0
    part: list[object] = []
    for row in readers.read_detected(path, detection, options):
        held.append(row)
        faults += isinstance(row, RowError)
        if faults > _MOST_FAULTS:
            reason = row.reason if isinstance(row, RowError) else ""
            raise InvalidInputError(
                f"{name} has more than {_MOST_FAULTS:,} rows that cannot be used; the last one: {reason}"
                " Check the file, its encoding, its separator and its columns."
            )
        part.append(asdict(row) if isinstance(row, RowError) else _row(row))
        if len(part) == _PART:
            _send({"rows": part})
            part = []
    _send({"rows": part})


def _row(show: Show) -> list[object]:
    line, notes = (show.origin.line, [*show.origin.notes, *_cut(show)]) if show.origin else (0, [])
    titles = show.titles[:_MOST_TITLES]
    known = [show.id, show.title, titles, show.description[:_BEGINNING], show.year, show.episodes, show.overlay]
    return [*known, line, notes]


def _cut(show: Show) -> list[str]:
    if len(show.description) <= EMBEDDED_CHARACTERS:
        return []
    long, first = f"{len(show.description):,}", f"{EMBEDDED_CHARACTERS:,}"
    return [f"The description has {long} characters: search by meaning covers the first {first}, word search all."]


def _send(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message))
    sys.stdout.write("\n")
    sys.stdout.flush()


def _of_memory(error: BaseException) -> bool:
    """Return whether a parser reported an input error because it ran out of memory."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or "out of memory" in str(cause)


def _limit(limits: Limits) -> None:
    """Limit this process; if the system has no such limits, the caller's watchdog ends it."""
    try:
        import resource
    except ImportError:
        return
    data = (limits.memory_mb + _SPARE_MB) * _MB
    with contextlib.suppress(OSError):  # the file exists on Linux only
        size = Path("/proc/self/statm").read_text(encoding="ascii").split()[5]
        data += int(size) * resource.getpagesize()
    for kind, soft, hard in (
        (resource.RLIMIT_DATA, data, data),
        (resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 5),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        within = allowed == resource.RLIM_INFINITY or hard <= allowed
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard) if within else (min(soft, allowed), allowed))


if __name__ == "__main__":
    main()
