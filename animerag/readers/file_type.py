"""Recognises file types by their first bytes, and opens files, compressed or not, within limits."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


MAX_FILE_BYTES = 512 * 1024 * 1024  # also the limit for an unpacked file
MAX_DATABASE_BYTES = 16 * 2**30  # only a few of its tables are read
MAX_RATIO = 100  # unpacked to packed size; real files reach 5 to 20
_RATIO_FROM = 2**20  # bytes; the ratio of smaller files does not matter
HEAD_BYTES = 256 * 1024  # read for the detection
BURSTS = f"unpacks to more than {MAX_RATIO} times its size, the limit: unpack it and choose the file inside."
_SQLITE = b"SQLite format 3"
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_WORKBOOK = "xl/workbook.xml"
# The first bytes of files that people choose by mistake, so that the error can name them.
_MAGIC = {
    _ZIP: "a ZIP archive: unpack it and choose the file inside",
    b"PK\x05\x06": "an empty ZIP archive",
    _GZIP: "a gzip archive inside another: unpack it first",
    b"BZh": "a bzip2 archive: unpack it first",
    b"\xfd7zXZ": "an XZ archive: unpack it first",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive: unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file: save it as .xlsx or CSV",
    b"\x89PNG": "a PNG picture, not a table",
    b"\xff\xd8\xff": "a JPEG picture, not a table",
    b"GIF8": "a GIF picture, not a table",
    b"RIFF": "a sound or a picture, not a table",
    b"BM": "",  # a bitmap only if its reserved bytes are zero: see _mistaken
    b"%PDF": "a PDF document: export it as a table first",
    _SQLITE: "a compressed SQLite database: unpack it first",
    b"PAR1": "a Parquet file: export it as CSV first",
}


def stored_size(path: Path, name: str) -> int:
    """Return the size of a file on disk in bytes. Raises InvalidInputError if it is missing or too large."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InvalidInputError(
            f"{name} cannot be read ({error.strerror or error}): check its path and permissions."
        ) from error
    if size > MAX_FILE_BYTES and not (size <= MAX_DATABASE_BYTES and is_database(path, name)):
        raise InvalidInputError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MB: split it into smaller files.")
    return size


def is_packed(path: Path, name: str) -> bool:
    """Return whether a file is compressed, as gzip or as a workbook's ZIP archive. Raises InvalidInputError."""
    with _open(path, name) as stream:
        return stream.peek(4)[:4].startswith((_GZIP, _ZIP))


def is_database(path: Path, name: str) -> bool:
    """Return whether a file is an SQLite database. Raises InvalidInputError."""
    with _open(path, name) as stream:
        return stream.peek(len(_SQLITE)).startswith(_SQLITE)


def open_bytes(path: Path, name: str) -> IO[bytes]:
    """Open a file, unpacking gzip while reading. Raises InvalidInputError if it is missing or too large."""
    size = stored_size(path, name)
    stream = _open(path, name)
    if stream.peek(2)[:2] != _GZIP:
        return stream
    return io.BufferedReader(_Inflating(stream, name, size), buffer_size=2**20)


def _open(path: Path, name: str) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInputError(
            f"{name} cannot be read ({error.strerror or error}): check its path and permissions."
        ) from error


class _Inflating(io.RawIOBase):
    """A gzip file with a limit on its unpacked size, against decompression bombs."""

    def __init__(self, stream: IO[bytes], name: str, size: int) -> None:
        self._stream = stream
        self._inflated = gzip.GzipFile(fileobj=stream)
        self._name = name
        self._left = MAX_FILE_BYTES
        self._left_by_ratio = max(_RATIO_FROM, MAX_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inflated.read(min(len(buffer), 2**20))
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInputError(f"{self._name} is a damaged gzip file ({error}): compress it again.") from error
        self._left -= len(data)
        self._left_by_ratio -= len(data)
        if self._left < 0:
            raise InvalidInputError(f"{self._name} unpacks to more than {MAX_FILE_BYTES // 2**20} MB: split it.")
        if self._left_by_ratio < 0:
            raise InvalidInputError(f"{self._name} {BURSTS}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def head(path: Path, name: str) -> bytes:
    """Return the first unpacked bytes of a file. Raises InvalidInputError if it is empty or a known binary format."""
    with open_bytes(path, name) as stream:
        data = stream.read(HEAD_BYTES)
    if not data.strip(b" \t\r\n\f\0\xef\xbb\xbf\xfe\xff"):
        raise InvalidInputError(f"{name} is empty: choose another file.")
    mistaken = None if is_workbook(path, name) else _mistaken(data)
    if mistaken:
        raise InvalidInputError(f"{name} is {mistaken}.")
    return data


def _mistaken(data: bytes) -> str | None:
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "a bitmap picture, not a table"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def is_workbook(path: Path, name: str) -> bool:
    """Return whether a file is an Excel workbook. Raises InvalidInputError if it would unpack to too much."""
    with open_bytes(path, name) as stream:
        if stream.read(4) != _ZIP:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidInputError(f"{name} is a damaged ZIP archive or workbook: save or download it again.") from error
    if _WORKBOOK not in names:
        return False
    if sum(entry.file_size for entry in entries) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{name} unpacks to more than {MAX_FILE_BYTES // 2**20} MB: split it.")
    if any(entry.file_size > max(_RATIO_FROM, MAX_RATIO * entry.compress_size) for entry in entries):
        raise InvalidInputError(
            f"{name} unpacks to more than {MAX_RATIO} times its size, the limit: save it as CSV and choose that."
        )
    return True
