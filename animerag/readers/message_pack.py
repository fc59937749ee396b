"""Decodes MessagePack values, plain or in LZ4 blocks, in which Shoko stores the properties of videos.

The formats: github.com/msgpack/msgpack/blob/master/spec.md and github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md; an
extension of type 98 holds the sizes of the blocks that follow it in an array.
"""

from __future__ import annotations

import struct
from typing import Any

_MOST_BYTES = 4 * 2**20  # of one value, unpacked; a video's streams take a few thousand
_DEEPEST = 32
_BLOCKS = 98
_SHORTEST_MATCH = 4
_MORE = 15  # the highest value of half a byte: the length continues in the next byte
_FIXED = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_SIZED = {
    0xC4: (">B", "bytes"), 0xC5: (">H", "bytes"), 0xC6: (">I", "bytes"), 0xD9: (">B", "text"), 0xDA: (">H", "text"),
    0xDB: (">I", "text"), 0xDC: (">H", "list"), 0xDD: (">I", "list"), 0xDE: (">H", "map"), 0xDF: (">I", "map"),
    0xC7: (">B", "other"), 0xC8: (">H", "other"), 0xC9: (">I", "other"),
}  # fmt: skip
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def loads(data: bytes) -> Any:
    """Decode a value. Raises ValueError for invalid bytes and for values that are too large."""
    try:
        value = _Unpacker(data).value(0)
        if isinstance(value, list) and value and isinstance(value[0], _Extension) and value[0].kind == _BLOCKS:
            sizes = _Unpacker(value[0].data)
            blocks = [_unpacked(block, sizes.value(0)) for block in value[1:]]
            return _Unpacker(b"".join(blocks)).value(0)
    except (struct.error, IndexError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError("the bytes are not a MessagePack value") from error
    return value


class _Extension:
    """A value of an extension type."""

    def __init__(self, kind: int, data: bytes) -> None:
        self.kind = kind
        self.data = data


class _Unpacker:
    """Decodes values one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self, depth: int) -> Any:
        """Decode the next value. Raises ValueError."""
        if depth > _DEEPEST:
            raise ValueError("the value is nested too deeply")
        [mark] = self._take(1)
        if mark < 0x80 or mark >= 0xE0:
            return mark if mark < 0x80 else mark - 0x100
        if mark < 0xC0:
            kind, size = ("map", mark & 0x0F) if mark < 0x90 else ("list", mark & 0x0F)
            return self._sized(*(("text", mark & 0x1F) if mark >= 0xA0 else (kind, size)), depth)
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark in _FIXED:
            return self._number(_FIXED[mark])
        if mark in _SIZED:
            form, kind = _SIZED[mark]
            return self._sized(kind, self._number(form), depth)
        if 0xD4 <= mark <= 0xD8:
            return self._sized("other", 1 << (mark - 0xD4), depth)
        raise ValueError("the value has an unknown type")

    def _sized(self, kind: str, size: int, depth: int) -> Any:
        if kind == "other":
            number = self._number(">b")
            return _Extension(number, self._take(size))
        if kind in ("bytes", "text"):
            data = self._take(size)
            return data.decode() if kind == "text" else data
        if size > len(self._data):
            raise ValueError("the value has more entries than bytes")
        if kind == "list":
            return [self.value(depth + 1) for _ in range(size)]
        return {str(self.value(depth + 1)): self.value(depth + 1) for _ in range(size)}

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise ValueError("the value is cut off")
        self._at += size
        return data


def _unpacked(block: bytes, size: int) -> bytes:
    """Return an LZ4 block unpacked to `size` bytes. Raises ValueError, IndexError."""
    if not isinstance(size, int) or not 0 <= size <= _MOST_BYTES:
        raise ValueError("the value is too large")
    out, at = bytearray(), 0
    while at < len(block):
        token = block[at]
        literals, at = _length(block, at + 1, token >> 4)
        out += block[at : at + literals]
        at += literals
        if at >= len(block):  # the last sequence has no match
            break
        back = block[at] | block[at + 1] << 8
        matched, at = _length(block, at + 2, token & 0x0F)
        matched += _SHORTEST_MATCH
        start = len(out) - back
        if back == 0 or start < 0 or len(out) + matched > size:
            raise ValueError("the block is damaged")
        piece = bytes(out[start : start + matched])
        out += (piece * (matched // len(piece) + 1))[:matched]
    if len(out) != size:
        raise ValueError("the block is damaged")
    return bytes(out)


def _length(block: bytes, at: int, length: int) -> tuple[int, int]:
    """Return a length that starts with half a byte, and its end."""
    if length == _MORE:
        while True:
            more = block[at]
            at += 1
            length += more
            if more != 0xFF:
                break
    return length, at
