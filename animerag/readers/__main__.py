"""`python -m animerag.readers`: reads one file under limits and writes what it finds to standard output.

Standard input has the request and standard output the messages of `confinement`. The rows that an import would hold at
one time are held here as well, so that a file which would fill its memory fills this one's first.
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
_HELD = 2_000  # rows that an import has in memory at one time
_MOST_FAULTS = 50_000  # each is kept for a report, so that somebody can correct it
_MOST_TITLES = 500  # of one show, to know it by
_BEGINNING = 300  # characters of a description, to know the show by
_MB = 2**20
_SPARE_MB = 64  # above the limit that the caller watches


def main() -> None:
    """Serve one request."""
    request = json.load(sys.stdin)
    limits = Limits(**request["limits"])
    path, name, options = Path(request["path"]), request["name"], request["options"]
    sys.modules["numpy"] = None  # type: ignore[assignment] # openpyxl would import it for types that no file holds
    _limit(limits)
    try:
        if request["kind"] == "questions":
            questions.read(path, name, questions.SheetOptions(**options))
        else:
            _rows(path, name, ReadOptions(**options))
        _say({"end": True})
    except InvalidInputError as error:
        _say({"fault": limits.memory_fault(name) if _of_memory(error) else str(error)})
    except MemoryError:
        _say({"fault": limits.memory_fault(name)})
    except Exception:  # noqa: BLE001 - the parent raises it again
        _say({"bug": traceback.format_exc()})


def _rows(path: Path, name: str, options: ReadOptions) -> None:
    detection = readers.detect(path, name, options)
    _say({"found": asdict(detection)})
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
                f"{name} has more than {_MOST_FAULTS:,} rows that cannot be used; the last one: {reason} Is it what you"
                " meant to choose, and are its encoding, separator and columns as you said?"
            )
        part.append(asdict(row) if isinstance(row, RowError) else _row(row))
        if len(part) == _PART:
            _say({"rows": part})
            part = []
    _say({"rows": part})


def _row(show: Show) -> list[object]:
    line, notes = (show.origin.line, [*show.origin.notes, *_cut(show)]) if show.origin else (0, [])
    titles = show.titles[:_MOST_TITLES]
    known = [show.id, show.title, titles, show.description[:_BEGINNING], show.year, show.episodes, show.overlay]
    return [*known, line, notes]


def _cut(show: Show) -> list[str]:
    if len(show.description) <= EMBEDDED_CHARACTERS:
        return []
    long, first = f"{len(show.description):,}", f"{EMBEDDED_CHARACTERS:,}"
    return [f"Of the description's {long} characters the first {first} are found by meaning, all by words."]


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message))
    sys.stdout.write("\n")
    sys.stdout.flush()


def _of_memory(error: BaseException) -> bool:
    """Tell whether a parser complained of its input because it got no memory."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or "out of memory" in str(cause)


def _limit(limits: Limits) -> None:
    """Limit this process; where the system has no such limits the caller's watchdog ends it."""
    try:
        import resource
    except ImportError:
        return
    data = (limits.memory_mb + _SPARE_MB) * _MB
    with contextlib.suppress(OSError):  # there is no such file but on Linux
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
