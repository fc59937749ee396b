"""Uploads on disk: stored under the hash of their content, and complete once they have their name."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from animerag.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from animerag.models.json_types import JsonMapping

DIRECTORY = "uploads"  # in the data directory
UNFINISHED = ("running", "interrupted")  # states of jobs that still need their uploads
_NAME = re.compile(r"[0-9a-f]{64}")
_GRACE_S = 24 * 3600.0  # a page may start the import of an upload much later


def stored_names(request: JsonMapping) -> set[str]:
    """Return the names of the stored uploads in the request of a job."""
    paths = [PurePath(str(file.get("path"))) for file in request.get("files", ())]
    return {path.name for path in paths if path.parent.name == DIRECTORY and _NAME.fullmatch(path.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpload:
    """A stored upload."""

    path: Path
    sha256: str


class UploadStore:
    """A directory of uploads; the user's name of a file never becomes part of a path."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def store(self, data: bytes | memoryview) -> StoredUpload:
        """Write `data` and return its location; identical data is stored once. Raises LibraryError on a full disk."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._directory / digest
        unfinished = self._directory / f"{digest}.{secrets.token_hex(4)}.part"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if path.exists():
                os.utime(path)
            else:
                with unfinished.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise LibraryError(
                f"The upload could not be stored: {error.strerror or error}. Free some disk space."
            ) from error
        return StoredUpload(path=path, sha256=digest)

    def located(self, path: Path) -> Path:
        """Return the current path of an upload: its data directory may have been moved or restored elsewhere."""
        return self._directory / path.name if path.parent.name == DIRECTORY and _NAME.fullmatch(path.name) else path

    def clean(self, needed: AbstractSet[str], used: Mapping[str, float]) -> None:
        """Remove the uploads that are no longer needed.

        Uploads in `needed` stay. Others are removed if they were `used` (by name, in seconds since the epoch) after
        they were stored, or if they were stored more than a day ago.
        """
        if not self._directory.is_dir():
            return
        before = time.time() - _GRACE_S
        for path in self._directory.iterdir():
            with suppress(OSError):  # another process removed it, or reads it on Windows
                stored = path.stat().st_mtime
                if path.name not in needed and (stored < before or stored <= used.get(path.name, 0.0)):
                    path.unlink()
