"""Uploads on disk: kept under the hash of their content, whole and flushed before anybody is told "received"."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import LibraryError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """A kept upload."""

    path: Path
    sha256: str


class UploadStore:
    """A directory of uploads; what the user called a file never becomes part of a path."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, data: bytes | memoryview) -> Spooled:
        """Write `data` and return where. Raises LibraryError when the disk does not take it."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._directory / digest
        unfinished = self._directory / f"{digest}.{secrets.token_hex(4)}.part"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                with unfinished.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise LibraryError(f"The upload could not be kept: {error.strerror or error}. Free some space.") from error
        return Spooled(path=path, sha256=digest)
