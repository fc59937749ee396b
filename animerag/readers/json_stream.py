"""Reads JSON as a stream: the records of one long list with their lines, holding little more than one record.

listed = json_stream.scan(path, name, encoding, keys)      # raises an error sentence for broken JSON
for line, record in json_stream.records(path, name, encoding, listed.place): ...

Python's own parser finds the end of each value; pydantic's parser then parses the value strictly.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers import encoding as sniff
from animerag.readers.json_records import fault, from_text
from animerag.readers.rows import MAX_CELL_CHARACTERS, MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_VALUE_CHARACTERS = 2 * MAX_CELL_CHARACTERS
_PIECE = 2**18  # characters
_HEAD = 200  # records that columns are matched by
_KEYS = 5  # of an object without a list of records, for the error sentence
_SPACE = re.compile(r"[ \t\r\n]*")
_MAY_GO_ON = re.compile(r"[0-9.eE+-]*\Z")  # the rest of the buffer may belong to the number before it
_WALK = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordList:
    """Where the records of a document are: under a `key`, its member number `place`, or the whole document."""

    key: str | None
    place: int | None
    count: int
    head: tuple[Mapping[str, object], ...]  # the first objects


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecords:
    """A document without records: an object with these keys, or a single value."""

    keys: tuple[str, ...]
    value: object = None


@dataclass(slots=True)
class _JsonText:
    """A window on the text of a document that moves as it is read."""

    stream: IO[str]
    name: str
    _buffer: str = ""
    _at: int = 0
    _line: int = 1  # line number at the position `_counted`
    _counted: int = 0
    _ended: bool = False
    _began: bool = False

    @property
    def line(self) -> int:
        """Return the current line, counted from 1."""
        self._line += self._buffer.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """Return the next character that is not a space, "" at the end."""
        while True:
            space = _SPACE.match(self._buffer, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, mark: str) -> None:
        """Skip a mark. Raises InvalidInputError for any other character."""
        if self.peek() != mark:
            raise self._broken(f"expected `{mark}`" if self.peek() else "EOF while parsing")
        self._at += 1

    def value(self) -> str:
        """Return the text of the next value. Raises InvalidInputError if it is broken, too long or too deep."""
        self.peek()
        while True:
            try:
                _, end = _WALK.raw_decode(self._buffer, self._at)
            except RecursionError as error:
                raise InvalidInputError(f"{self.name} {fault(ValueError('recursion'), self.line)}") from error
            except json.JSONDecodeError:
                end = None
            if end is not None and (self._ended or not _MAY_GO_ON.match(self._buffer, end)):
                source = self._buffer[self._at : end]
                self._at = end
                return source
            if len(self._buffer) - self._at > MAX_VALUE_CHARACTERS:
                raise InvalidInputError(
                    f"{self.name} has a record of more than {MAX_VALUE_CHARACTERS:,} characters at line {self.line}."
                )
            if not self._more() and end is None:
                self._refuse_rest()
                raise self._broken("expected value")

    def parsed(self) -> object:
        """Parse and return the next value. Raises what `value` raises."""
        self.peek()
        line = self.line
        source = self.value()
        try:
            return from_text(source)
        except ValueError as error:
            raise InvalidInputError(f"{self.name} {fault(error, line)}") from error

    def elements(self) -> Iterator[int]:
        """Stop at each element of a list and yield its line; the caller must read the element."""
        self.take("[")
        if self.peek() == "]":
            return self.take("]")
        while True:
            self.peek()
            yield self.line
            if self.peek() != ",":
                return self.take("]")
            self.take(",")

    def members(self) -> Iterator[str]:
        """Stop at the value of each member of an object and yield its key; the caller must read the value."""
        self.take("{")
        if self.peek() == "}":
            return self.take("}")
        while True:
            if self.peek() != '"':
                raise self._broken("key must be a string")
            key = str(self.parsed())
            self.take(":")
            yield key
            if self.peek() != ",":
                return self.take("}")
            self.take(",")

    def skip(self) -> None:
        """Skip a value of any size, checking it part by part."""
        mark = self.peek()
        for _ in self.elements() if mark == "[" else self.members() if mark == "{" else ():
            self.parsed()
        if mark not in {"[", "{"}:
            self.parsed()

    def finish(self) -> None:
        """Raise InvalidInputError if anything follows."""
        if self.peek():
            raise self._broken("trailing characters")

    def _more(self) -> bool:
        """Read more text, at least as much as is unread, and drop what was read."""
        line = self.line
        piece = self.stream.read(max(_PIECE, len(self._buffer) - self._at))
        if not self._began:
            piece, self._began = piece.removeprefix("\ufeff"), True
        self._buffer = self._buffer[self._at :] + piece
        self._at = self._counted = 0
        self._line, self._ended = line, not piece
        return not self._ended

    def _refuse_rest(self) -> None:
        """Raise the strict parser's error for the value that starts here, if it has one."""
        line = self.line
        try:
            from_text(self._buffer[self._at :])
        except ValueError as error:
            if "trailing characters" not in str(error):
                raise InvalidInputError(f"{self.name} {fault(error, line)}") from error

    def _broken(self, what: str) -> InvalidInputError:
        return InvalidInputError(f"{self.name} is not complete JSON: it stops at line {self.line} ({what}).")


def scan(path: Path, name: str, encoding: str, keys: Sequence[str]) -> RecordList | NoRecords:
    """Read a whole document and return where its records are: the document, or the list under the first of `keys`.

    Raises InvalidInputError if it is not complete JSON, is nested too deeply or has too many records.
    """
    with sniff.reading(path, name, encoding) as stream:
        document = _JsonText(stream, name)
        if document.peek() == "[":
            result: RecordList | NoRecords = _list(document, None, None)
        elif document.peek() == "{":
            result = _in_object(document, keys)
        else:
            result = NoRecords(keys=(), value=document.parsed())
        document.finish()
        return result


def records(path: Path, name: str, encoding: str, place: int | None) -> Iterator[tuple[int, object]]:
    """Yield the records of the list at `place` with their lines. Raises InvalidInputError if the file has changed."""
    with sniff.reading(path, name, encoding) as stream:
        document = _JsonText(stream, name)
        if place is None:
            yield from ((line, document.parsed()) for line in document.elements())
            return
        for number, _ in enumerate(document.members()):
            if number == place:
                yield from ((line, document.parsed()) for line in document.elements())
                return
            document.skip()


def _in_object(document: _JsonText, keys: Sequence[str]) -> RecordList | NoRecords:
    lists: dict[str, RecordList] = {}
    names: dict[str, None] = {}
    for place, key in enumerate(document.members()):
        names[key] = None
        lists.pop(key, None)  # of two members with the same key, the last counts
        if key in keys and document.peek() == "[":
            lists[key] = _list(document, key, place)
        else:
            document.skip()
    chosen = next((lists[key] for key in keys if key in lists), None)
    return chosen or NoRecords(keys=tuple(names)[:_KEYS], value={})


def _list(document: _JsonText, key: str | None, place: int | None) -> RecordList:
    count = 0
    head: list[Mapping[str, object]] = []
    for _ in document.elements():
        record = document.parsed()
        count += 1
        if count > MAX_ROWS:
            raise InvalidInputError(f"{document.name} has more than {MAX_ROWS:,} records: split it into smaller files.")
        if isinstance(record, dict) and len(head) < _HEAD:
            head.append(record)
    return RecordList(key=key, place=place, count=count, head=tuple(head))
