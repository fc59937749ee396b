"""One file that holds a catalogue: its library, vectors included, and the uploads that unfinished imports still need.

Chroma's directory is not in it: `doctor --repair` makes it anew from the library, and pays nobody for that.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from animerag import __version__, leases
from animerag.errors import InvalidInputError, LibraryError
from animerag.schema import VERSION

_ABOUT, _LIBRARY, _UPLOADS = "backup.json", "library.db", "uploads"
_UPLOAD = re.compile(rf"{_UPLOADS}/[0-9a-f]{{64}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup file says of itself."""

    created_at: str
    version: str  # of the program that made it
    schema: int
    shows: int


def write(database: Path, data_dir: Path, target: Path) -> Backup:
    """Copy the catalogue into a new zip file; whoever works on it meanwhile may go on.

    Raises InvalidInputError where there is no catalogue or the file exists, LibraryError where it cannot be written.
    """
    if not database.exists():
        raise InvalidInputError(f"There is no catalogue at {database} to back up.")
    if target.exists():
        raise InvalidInputError(f"{target} exists already: name another file.")
    unfinished = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as directory:
            copy = Path(directory) / _LIBRARY
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as into:
                source.backup(into)  # one moment of it, while others write
            told = _describe(copy)
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
                file.writestr(_ABOUT, json.dumps(asdict(told), indent=2))
                file.write(copy, _LIBRARY)
                for upload in sorted((data_dir / _UPLOADS).glob("*")):
                    if _UPLOAD.fullmatch(name := f"{_UPLOADS}/{upload.name}"):
                        file.write(upload, name)
        unfinished.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(f"The backup {target} cannot be written: {_reason(error)}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return told


def restore(source: Path, database: Path, data_dir: Path, *, replace: bool) -> Backup:
    """Put a backup's catalogue in the place of what is there; the library that was there is kept beside it.

    The index must be repaired afterwards. Raises InvalidInputError where the file is no backup, a newer program made
    it, something works on the directory, or shows are there and `replace` is not set; LibraryError.
    """
    if leases.any_alive(data_dir / leases.DIRECTORY):
        raise InvalidInputError(f"An animerag is working on {data_dir}: stop it first.")
    if _shows_in(database) and not replace:
        raise InvalidInputError(f"{database} holds a catalogue: add --replace to put the backup in its place.")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(source) as file, tempfile.TemporaryDirectory(dir=data_dir) as directory:
            names = [name for name in file.namelist() if name == _LIBRARY or _UPLOAD.fullmatch(name)]
            for name in names:  # no other name is taken out: a path could lead anywhere
                _take_out(file, name, Path(directory) / name)
            told = _describe(Path(directory) / _LIBRARY)
            _put_in_place(Path(directory), names, database, data_dir)
    except (zipfile.BadZipFile, KeyError, sqlite3.DatabaseError) as error:
        raise InvalidInputError(f"{source} is not a backup of animerag, or it is damaged.") from error
    except OSError as error:
        raise LibraryError(f"{source} cannot be restored: {_reason(error)}.") from error
    return told


def default_name() -> str:
    """Return a file name with this moment in it."""
    return f"animerag-{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}.zip"


def _take_out(file: zipfile.ZipFile, name: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with file.open(name) as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
        unpacked.flush()
        os.fsync(unpacked.fileno())


def _put_in_place(directory: Path, names: list[str], database: Path, data_dir: Path) -> None:
    (data_dir / _UPLOADS).mkdir(exist_ok=True)
    for name in names:
        if name != _LIBRARY:
            (directory / name).replace(data_dir / name)
    if database.exists():
        with closing(sqlite3.connect(database)) as old:  # what lies in its log goes along
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.replace(database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}"))
    for rest in ("-wal", "-shm"):
        database.with_name(database.name + rest).unlink(missing_ok=True)
    (directory / _LIBRARY).replace(database)


def _describe(path: Path) -> Backup:
    """Say what a library holds. Raises InvalidInputError where it is newer than this program, sqlite3.DatabaseError."""
    if not path.exists():
        raise KeyError(_LIBRARY)
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("damaged")
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        (shows,) = connection.execute("SELECT count(*) FROM shows").fetchone()
    if schema > VERSION:
        raise InvalidInputError(f"A newer animerag made this (schema {schema}, this one knows {VERSION}): upgrade it.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Backup(created_at=now, version=__version__, schema=schema, shows=shows)


def _shows_in(database: Path) -> int:
    with contextlib.suppress(InvalidInputError, KeyError, sqlite3.DatabaseError):
        return _describe(database).shows
    return 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
