"""Files in, shows out: each reader turns one format into `Show`s or `RowError`s and knows nothing of storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers import shoko

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from animerag.models import RowError, Show

MAX_FILE_BYTES = 512 * 1024 * 1024  # a JSON array is parsed whole; beyond this it would not fit beside the app


def read(path: Path, *, name: str | None = None, id_field: str = shoko.ID_FIELD) -> Iterator[Show | RowError]:
    """Read a file's rows; `name` is what the user calls it.

    Raises InvalidInputError, before the first row, when the file cannot be read as a whole.
    """
    shown = name or path.name
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InvalidInputError(
                f"{shown} is larger than {MAX_FILE_BYTES // 2**20} MB: split it into smaller files."
            )
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{shown} cannot be read: {error.strerror or error}.") from error
    return shoko.read(data, name=shown, id_field=id_field)
