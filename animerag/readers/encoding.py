"""Detects the encoding of a text file from its bytes, never from its name; decodes without replacement characters."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers.file_type import HEAD_BYTES, open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, because its mark starts with that of UTF-16
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
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp932", "euc_jp")  # the choices on the page
_GUESSES = ("cp932", "euc_jp", "cp1252")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff01-\uff5e]")
_TYPOGRAPHIC = frozenset("‘’“”–—…•€™©®°·«»¡¿½\u00a0")


# A file that ends in the middle of a character was truncated: it is read up to there. Other errors are raised.
_CUT_END = "animerag-cut-end"


def _drop_cut_end(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and error.reason in _ENDS and error.end == len(error.object):
        return "", error.end
    raise error


_ENDS = {"unexpected end of data", "truncated data", "incomplete multibyte sequence"}
codecs.register_error(_CUT_END, _drop_cut_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """The encoding of a text file by its Python name, and the reason for it."""

    name: str
    reason: str

    @property
    def label(self) -> str:
        """Return the common name of the encoding."""
        return encoding_label(self.name)


def encoding_label(name: str) -> str:
    """Return the common name of an encoding."""
    return _NAMES.get(name, name)


@contextmanager
def reading(path: Path, name: str, encoding: str) -> Iterator[IO[str]]:
    """Open a file as text with its own line ends. Raises InvalidInputError when it cannot be decoded."""
    try:
        with io.TextIOWrapper(open_bytes(path, name), encoding=encoding, errors=_CUT_END, newline="") as stream:
            yield stream
    except UnicodeError as error:
        label = encoding_label(encoding)
        raise InvalidInputError(f"{name} is not text in {label}: choose another encoding.") from error


def detect_encoding(path: Path, name: str, given: str | Encoding | None = None) -> Encoding:
    """Return the encoding of a text file: the given one, that of its byte-order mark, or the most plausible one.

    An `Encoding` from an earlier call is returned as it is. Raises InvalidInputError if no encoding fits, or if the
    given one is unknown or does not fit.
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
        return Encoding(name=wide, reason="every second byte of plain letters is zero")
    if _decodes(path, name, "utf-8"):
        return Encoding(name="utf-8", reason="the whole file is valid UTF-8")
    return _guess(path, name)


def _named(given: str) -> str:
    try:
        result = codecs.lookup(given)
    except (LookupError, ValueError) as error:
        raise InvalidInputError(
            f"{given[:40]} is not a known encoding: use utf-8, utf-16, cp1252, shift_jis or euc_jp."
        ) from error
    if not result._is_text_encoding:  # noqa: SLF001 - the only test; base64 and zip are codecs, too
        raise InvalidInputError(f"{given[:40]} is not a text encoding: use utf-8, utf-16, cp1252, shift_jis or euc_jp.")
    # Files that claim to be Shift-JIS usually use Microsoft's superset of it.
    return {"shift_jis": "cp932", "ascii": "utf-8", "iso8859-1": "cp1252"}.get(result.name, result.name)


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
    """Recognise UTF-16 without a mark: the other byte of most line ends and separators is zero."""
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
            f"{name} has an unknown encoding (not UTF-8, UTF-16, Shift-JIS, EUC-JP or Windows-1252):"
            " choose its encoding."
        )
    return Encoding(name=encoding, reason=f"not UTF-8; {encoding_label(encoding)} fits best")


def _plausibility(text: str) -> float:
    """Score how plausible the non-ASCII characters are as text; 1 is the best."""
    total, number = 0.0, 0
    for before, character, after in _around(text):
        number += 1
        if _JAPANESE.match(character):
            # Western letters misread as Japanese are single characters between ASCII; real Japanese comes in runs.
            total += 1.0 if _JAPANESE.match(before) or _JAPANESE.match(after) else -0.6
        elif character in "ÂÃ" and not after.isascii():  # UTF-8 that was once decoded as Western
            total -= 3.0
        elif character in _TYPOGRAPHIC:
            total += 0.9
        elif character.isalpha() and ord(character) < 0x250:
            quiet = sum(not (ord(c) > 127 and not c.isalpha() and c not in _TYPOGRAPHIC) for c in (before, after))
            total += 0.9 if quiet == 2 else -1.0
        elif 0xFF61 <= ord(character) <= 0xFF9F:  # half-width katakana: rare, and a frequent result of misreading
            total -= 0.3
        elif unicodedata.category(character) in {"Cc", "Co", "Cn"}:
            total -= 3.0
        else:  # a single symbol may be intended, a run of them is noise
            total += 0.5 if before.isascii() and after.isascii() else -0.5
    return total / number if number else 0.0


def _around(text: str) -> Iterator[tuple[str, str, str]]:
    for result in re.finditer(r"[^\x00-\x7f]", text):
        at = result.start()
        yield text[at - 1 : at] or " ", result.group(), text[at + 1 : at + 2] or " "
