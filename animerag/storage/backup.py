"""Backups of a catalogue: one file with the library, its vectors, and the uploads that unfinished imports need.

The library in it is a SQLite file, even if the catalogue is in PostgreSQL, and can be restored into either. Chroma's
directory is not included: `doctor --repair` rebuilds it from the library at no cost.
"""

from __future__ import annotations

import asyncio
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
from datetime import UTC, datetime
from pathlib import Path

from animerag import __version__
from animerag.errors import InvalidInputError, LibraryError, reason_of
from animerag.storage import transfer
from animerag.storage.sqlite import integrity, process_locks
from animerag.storage.sqlite.copies import LIBRARY, copy_file, inspected
from animerag.storage.sqlite.page_check import is_corruption
from animerag.storage.upload_files import DIRECTORY as _UPLOADS
from animerag.storage.upload_files import UNFINISHED, stored_names

_ABOUT = "backup.json"
_UPLOAD = re.compile(rf"{_UPLOADS}/[0-9a-f]{{64}}")


def write(database: Path | str, data_dir: Path, target: Path) -> int:
    """Copy the catalogue into a new zip file and return its number of shows; the catalogue stays in use.

    Raises InvalidInputError if there is no catalogue or the file exists, LibraryError if the catalogue is damaged or
    the file cannot be written.
    """
    if isinstance(database, Path) and not database.exists():
        raise InvalidInputError(
            f"There is no catalogue at {database}: set ANIMERAG_DATA_DIR to a directory that has one."
        )
    if target.exists():
        raise InvalidInputError(f"{target} already exists: choose another file name.")
    unfinished = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent) as directory:
            library = Path(directory) / LIBRARY
            if isinstance(database, Path):
                copy_file(database, library)
            else:
                asyncio.run(transfer.copy(database, library))
            _require_sound(library, database)
            schema, shows = inspected(library)
            about = {"created_at": _now().isoformat(timespec="seconds"), "version": __version__}
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
                file.writestr(_ABOUT, json.dumps({**about, "schema": schema, "shows": shows}, indent=2))
                file.write(library, LIBRARY)
                for upload in sorted(_needed_uploads(library)):
                    with contextlib.suppress(FileNotFoundError):  # its import has ended
                        file.write(data_dir / _UPLOADS / upload, f"{_UPLOADS}/{upload}")
            with zipfile.ZipFile(unfinished) as file:
                if (bad := file.testzip()) is not None:
                    raise LibraryError(f"The backup {target} is damaged ({bad}): try again.")
        unfinished.replace(target)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and is_corruption(error):
            raise LibraryError(_refusal(database, str(error))) from error
        raise LibraryError(
            f"The backup {target} cannot be written: {reason_of(error)}. Choose another place."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return shows


def restore(source: Path, database: Path | str, data_dir: Path, *, replace: bool) -> int:
    """Replace the catalogue with a backup and return its number of shows; the previous one stays beside it.

    The index must be repaired afterwards. Raises InvalidInputError if the file is not a backup, was made by a newer
    version, if a process is using the directory, or if it has shows and `replace` is not set; LibraryError.
    """
    if process_locks.any_alive(data_dir / process_locks.DIRECTORY):
        raise InvalidInputError(f"Another animerag process is using {data_dir}: stop it first.")
    if isinstance(database, Path) and _shows_in(database) and not replace:
        raise InvalidInputError(f"{database} already has a catalogue: add --replace to overwrite it with the backup.")
    place = database.parent if isinstance(database, Path) else data_dir
    try:
        place.mkdir(parents=True, exist_ok=True)
        # Unpacked beside the library: the last step is then a rename, which is atomic.
        with zipfile.ZipFile(source) as file, tempfile.TemporaryDirectory(dir=place) as directory:
            names = [name for name in file.namelist() if name == LIBRARY or _UPLOAD.fullmatch(name)]
            for name in names:  # other names are not extracted: a path could lead anywhere
                _take_out(file, name, Path(directory) / name)
            _, shows = inspected(Path(directory) / LIBRARY)
            _put_in_place(Path(directory), names, database, data_dir, replace=replace)
    except (zipfile.BadZipFile, KeyError, sqlite3.DatabaseError) as error:
        raise InvalidInputError(
            f"{source} is not a backup of animerag, or it is damaged: choose another file."
        ) from error
    except OSError as error:
        raise LibraryError(
            f"{source} cannot be restored: {reason_of(error)}. Check the file and the free disk space."
        ) from error
    return shows


def default_name() -> str:
    """Return a file name with the current date and time."""
    return f"animerag-{_now().astimezone():%Y-%m-%d-%H%M%S}.zip"


def _needed_uploads(library: Path) -> set[str]:
    """Return the names of the uploads that unfinished jobs of a library need."""
    states = ", ".join("?" * len(UNFINISHED))
    wanted = f"SELECT request FROM job_requests JOIN jobs ON jobs.id = job_id WHERE state IN ({states})"  # noqa: S608 - names of ours
    with closing(sqlite3.connect(library)) as connection:
        return {
            name for (request,) in connection.execute(wanted, UNFINISHED) for name in stored_names(json.loads(request))
        }


def _require_sound(copy: Path, database: Path | str) -> None:
    """Raise LibraryError for the copy of a damaged library: it might one day replace a sound one."""
    if damage := str(integrity.examine(copy)):
        raise LibraryError(_refusal(database, damage))


def _refusal(database: Path | str, damage: str) -> str:
    name = database if isinstance(database, Path) else "in PostgreSQL"
    return (
        f"The library {name} is damaged and was not backed up: {damage}. Run `animerag doctor --repair`;"
        " if that does not help, restore an earlier backup."
    )


def _take_out(file: zipfile.ZipFile, name: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with file.open(name) as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
        unpacked.flush()
        os.fsync(unpacked.fileno())


def _put_in_place(directory: Path, names: list[str], database: Path | str, data_dir: Path, *, replace: bool) -> None:
    if isinstance(database, str):
        _put_into_database(directory / LIBRARY, database, data_dir, replace=replace)
    (data_dir / _UPLOADS).mkdir(parents=True, exist_ok=True)
    for name in names:
        if name != LIBRARY:
            shutil.move(directory / name, data_dir / name)  # the library may be on another disk
    if isinstance(database, str):
        return
    if database.exists():
        _keep_beside(database, database.with_name(f"{database.name}.before-{_now():%Y%m%d-%H%M%S}"))
    (directory / LIBRARY).replace(database)


def _put_into_database(library: Path, url: str, data_dir: Path, *, replace: bool) -> None:
    """Copy a library into PostgreSQL, after a backup of the library that it replaces."""
    asyncio.run(transfer.require_unused(url, data_dir))
    if replace:
        write(url, data_dir, data_dir / f"before-{_now():%Y%m%d-%H%M%S-%f}.zip")
    asyncio.run(transfer.copy(library, url, replace=replace))


def _keep_beside(database: Path, target: Path) -> None:
    """Keep the current library under another name: a copy of a sound one, the original files of a damaged one."""
    try:
        copy_file(database, target)
        with closing(sqlite3.connect(database)) as old:
            old.execute("PRAGMA journal_mode = DELETE")  # its log must not be applied to the new library
    except sqlite3.DatabaseError as error:
        if not is_corruption(error):
            raise
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                database.with_name(database.name + end).replace(target.with_name(target.name + end))


def _shows_in(database: Path) -> int:
    with contextlib.suppress(InvalidInputError, KeyError, sqlite3.DatabaseError):
        return inspected(database)[1]
    return 0


def _now() -> datetime:
    return datetime.now(UTC)
