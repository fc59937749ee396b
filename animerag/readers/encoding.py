"""What a file is, told by its bytes: compression, what it is by mistake, and the encoding of its text.

Names decide nothing here, and nothing is decoded with replacement characters.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE_BYTES = 512 * 1024 * 1024  # also what a compressed file may inflate to
MAX_RATIO = 100  # of unpacked to packed; records reach 5 to 20
_RATIO_FROM = 2**20  # bytes below which no ratio is looked at
HEAD_BYTES = 256 * 1024  # what a first look takes in

BURSTS = f"unpacks to more than {MAX_RATIO} times its size, the limit: unpack it and choose the file inside."

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_WORKBOOK = "xl/workbook.xml"
# The first bytes of what people choose by mistake, so that the refusal can name it.
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
    b"BM": "",  # a bitmap only with its reserved zero bytes: see _mistaken
    b"%PDF": "a PDF document: export it as a table first",
    b"SQLite format 3": "an SQLite database: export a table from it first",
    b"PAR1": "a Parquet file: export it as CSV first",
}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16 with a byte-order mark",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32": "UTF-32 with a byte-order mark",
    "cp1252": "Windows-1252",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
}
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp932", "euc_jp")  # what a chooser offers
_GUESSES = ("cp932", "euc_jp", "cp1252")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff01-\uff5e]")
_TYPOGRAPHIC = frozenset("‘’“”–—…•€™©®°·«»¡¿½\u00a0")


# A file that ends in the middle of a character was cut: what is whole of it is read, and nothing else is let through.
_CUT_END = "animerag-cut-end"


def _drop_cut_end(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and error.reason in _ENDS and error.end == len(error.object):
        return "", error.end
    raise error


_ENDS = {"unexpected end of data", "truncated data", "incomplete multibyte sequence"}
codecs.register_error(_CUT_END, _drop_cut_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a file's text is encoded, as Python names it, and why we think so."""

    name: str
    reason: str

    @property
    def label(self) -> str:
        """Return the name that people know."""
        return encoding_label(self.name)


def encoding_label(name: str) -> str:
    """Return the name of an encoding that people know."""
    return _NAMES.get(name, name)


def stored_size(path: Path, name: str) -> int:
    """Return the bytes of a file as it is stored. Raises InvalidInputError when it is missing or too large."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror or error}.") from error
    if size > MAX_FILE_BYTES:
        raise InvalidInputError(f"{name} is larger than {MAX_FILE_BYTES // 2**20} MB: split it into smaller files.")
    return size


def is_packed(path: Path, name: str) -> bool:
    """Tell whether a file is compressed: gzip, or the ZIP archive that a workbook is. Raises InvalidInputError."""
    with _open(path, name) as stream:
        return stream.peek(4)[:4].startswith((_GZIP, _ZIP))


def open_bytes(path: Path, name: str) -> IO[bytes]:
    """Open a file, inflating gzip as it is read. Raises InvalidInputError when it is missing or too large."""
    size = stored_size(path, name)
    stream = _open(path, name)
    if stream.peek(2)[:2] != _GZIP:
        return stream
    return io.BufferedReader(_Inflating(stream, name, size), buffer_size=2**20)


def _open(path: Path, name: str) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror or error}.") from error


class _Inflating(io.RawIOBase):
    """A gzip file read through a limit, so that a small file cannot become an endless one."""

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
            raise InvalidInputError(f"{self._name} is a damaged gzip file: {error}.") from error
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
    """Return the first bytes of a file, inflated. Raises InvalidInputError for what is empty or no text."""
    with open_bytes(path, name) as stream:
        data = stream.read(HEAD_BYTES)
    if not data.strip(b" \t\r\n\f\0\xef\xbb\xbf\xfe\xff"):
        raise InvalidInputError(f"{name} is empty.")
    mistaken = None if is_workbook(path, name) else _mistaken(data)
    if mistaken:
        raise InvalidInputError(f"{name} is {mistaken}.")
    return data


def _mistaken(data: bytes) -> str | None:
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "a bitmap picture, not a table"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def is_workbook(path: Path, name: str) -> bool:
    """Tell whether a file is an Excel workbook. Raises InvalidInputError where it would unpack to too much."""
    with open_bytes(path, name) as stream:
        if stream.read(4) != _ZIP:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidInputError(f"{name} is a damaged ZIP archive or workbook.") from error
    if _WORKBOOK not in names:
        return False
    if sum(entry.file_size for entry in entries) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{name} unpacks to more than {MAX_FILE_BYTES // 2**20} MB: split it.")
    if any(entry.file_size > max(_RATIO_FROM, MAX_RATIO * entry.compress_size) for entry in entries):
        raise InvalidInputError(
            f"{name} unpacks to more than {MAX_RATIO} times its size, the limit: save it as CSV and choose that."
        )
    return True


@contextmanager
def reading(path: Path, name: str, encoding: str) -> Iterator[IO[str]]:
    """Open a file as text with its own line ends. Raises InvalidInputError when it stops being such text."""
    try:
        with io.TextIOWrapper(open_bytes(path, name), encoding=encoding, errors=_CUT_END, newline="") as stream:
            yield stream
    except UnicodeError as error:
        label = encoding_label(encoding)
        raise InvalidInputError(f"{name} is not text in {label}: choose another encoding.") from error


def detect_encoding(path: Path, name: str, given: str | Encoding | None = None) -> Encoding:
    """Return the encoding of a text file: the given one, the marked one, or the one that reads the whole file best.

    An `Encoding` is what an earlier call returned, and is not looked into again.

    Raises InvalidInputError when none does, or the given one is unknown or does not fit.
    """
    if isinstance(given, Encoding):
        return given
    with open_bytes(path, name) as stream:
        data = stream.read(HEAD_BYTES)
    marked = next((encoding for bom, encoding in _BOMS.items() if data.startswith(bom)), None)
    if given:
        chosen = _named(given)
        _check(path, name, chosen)
        return Encoding(name="utf-8-sig" if chosen == "utf-8" and marked == "utf-8-sig" else chosen, reason="as chosen")
    if marked:
        _check(path, name, marked)
        return Encoding(name=marked, reason="byte-order mark")
    wide = _wide(data)
    if wide and _decodes(path, name, wide):
        return Encoding(name=wide, reason="every other byte of plain letters is zero")
    if _decodes(path, name, "utf-8"):
        return Encoding(name="utf-8", reason="the whole file is valid UTF-8")
    return _guess(path, name)


def _named(given: str) -> str:
    try:
        found = codecs.lookup(given)
    except (LookupError, ValueError) as error:
        raise InvalidInputError(
            f"There is no encoding called {given[:40]}: use utf-8, utf-16, cp1252, shift_jis or euc_jp."
        ) from error
    if not found._is_text_encoding:  # noqa: SLF001 - the only way to ask; base64 and zip are codecs, too
        raise InvalidInputError(f"{given[:40]} is no encoding of text.")
    # What is called Shift-JIS in the wild is Microsoft's superset of it.
    return {"shift_jis": "cp932", "ascii": "utf-8", "iso8859-1": "cp1252"}.get(found.name, found.name)


def _check(path: Path, name: str, encoding: str) -> None:
    if not _decodes(path, name, encoding):
        raise InvalidInputError(f"{name} is not text in {encoding_label(encoding)}: choose another encoding.")


def _decodes(path: Path, name: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(_CUT_END)
    with open_bytes(path, name) as stream:
        try:
            while chunk := stream.read(2**20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True


def _wide(data: bytes) -> str | None:
    """Recognise UTF-16 without a mark: most line ends and separators then have a zero for their other byte."""
    even = data[: min(len(data) // 2 * 2, 65536)]
    marks = "\n\r,;\t"
    plain = sum(even.count(mark.encode()) for mark in marks)
    for encoding in ("utf-16-le", "utf-16-be"):
        units = Counter(even[place : place + 2] for place in range(0, len(even), 2))
        wide = sum(units[mark.encode(encoding)] for mark in marks)
        if wide and wide * 2 >= plain:
            return encoding
    return None


def _guess(path: Path, name: str) -> Encoding:
    with open_bytes(path, name) as stream:
        data = next((chunk for chunk in iter(lambda: stream.read(HEAD_BYTES), b"") if not chunk.isascii()), b"")
    scored = []
    for encoding in _GUESSES:
        if _decodes(path, name, encoding):
            text = codecs.getincrementaldecoder(encoding)("strict").decode(data)
            scored.append((_plausibility(text), encoding))
    best, encoding = max(scored, default=(0.0, ""))
    if best <= 0:
        raise InvalidInputError(
            f"{name} is in no encoding we can recognise (not UTF-8, UTF-16, Shift-JIS, EUC-JP or Windows-1252):"
            " choose its encoding."
        )
    return Encoding(name=encoding, reason=f"not UTF-8; it reads best as {encoding_label(encoding)}")


def _plausibility(text: str) -> float:
    """Say, up to 1, how much the non-ASCII characters look like writing and not like noise."""
    total, number = 0.0, 0
    for before, character, after in _around(text):
        number += 1
        if _JAPANESE.match(character):
            # Western letters misread as Japanese stand alone among ASCII; real Japanese comes in runs.
            total += 1.0 if _JAPANESE.match(before) or _JAPANESE.match(after) else -0.6
        elif character in "ÂÃ" and not after.isascii():  # UTF-8 that was taken for Western once
            total -= 3.0
        elif character in _TYPOGRAPHIC:
            total += 0.9
        elif character.isalpha() and ord(character) < 0x250:
            quiet = sum(not (ord(c) > 127 and not c.isalpha() and c not in _TYPOGRAPHIC) for c in (before, after))
            total += 0.9 if quiet == 2 else -1.0
        elif 0xFF61 <= ord(character) <= 0xFF9F:  # half-width katakana: rare, and what other encodings turn into
            total -= 0.3
        elif unicodedata.category(character) in {"Cc", "Co", "Cn"}:
            total -= 3.0
        else:  # a symbol: alone it may be meant, in a row it is noise
            total += 0.5 if before.isascii() and after.isascii() else -0.5
    return total / number if number else 0.0


def _around(text: str) -> Iterator[tuple[str, str, str]]:
    for found in re.finditer(r"[^\x00-\x7f]", text):
        at = found.start()
        yield text[at - 1 : at] or " ", found.group(), text[at + 1 : at + 2] or " "
