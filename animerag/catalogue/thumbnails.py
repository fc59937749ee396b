"""Turns a cover file into a small JPEG; no other module decodes pictures.

A file that is not entirely one plain JPEG, PNG or WebP picture is refused before Pillow reads it, as is a picture with
too many pixels: a small file can require gigabytes of memory. Pillow gets the picture without its metadata.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

SIZE = (240, 360)  # maximum width and height in pixels, enough for a card on a high-density screen
MOST_BYTES = 8 * 2**20  # of a file
# At worst, decoding takes 6 bytes per pixel of a JPEG, 8 of a PNG and 18 of a WebP: less than 50 MB in all.
MOST_PIXELS = {"JPEG": 6_500_000, "PNG": 4_500_000, "WEBP": 2_200_000}
_QUALITY = 82
_PAPER = (255, 255, 255)  # the background of transparent pictures

# Signatures of other formats that a browser, a document reader or an archiver would accept.
_OTHER_TYPES = re.compile(rb"<script|<svg|<html|<!doctype|<\?php|<\?xml[^>]{0,80}<svg|%PDF-|PK\x03\x04", re.IGNORECASE)
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG_PRESERVED = (0xE0, 0xEE)  # JFIF, and Adobe's transform of colours; the rest of APPn and comments are metadata
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def thumbnail(data: bytes) -> bytes:
    """Return a picture as a JPEG of at most `SIZE` pixels, without metadata.

    Raises InvalidInputError for anything but one whole picture of a size that can be decoded safely.
    """
    from PIL import Image

    kind, picture = _checked(data)
    try:
        with Image.open(BytesIO(picture), formats=(kind,)) as opened:
            _check_pixels(kind, *opened.size)
            if getattr(opened, "n_frames", 1) > 1:
                raise InvalidInputError("The cover is an animation: use a still picture.")
            opened.draft("RGB", (2 * SIZE[0], 2 * SIZE[1]))  # a JPEG is decoded at a fraction of its size
            opened.thumbnail(SIZE, reducing_gap=2.0)
            small = BytesIO()
            _flat(opened).save(small, "JPEG", quality=_QUALITY)
            return small.getvalue()
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        raise InvalidInputError("The cover cannot be decoded: save it again as JPEG, PNG or WebP.") from error


def _flat(image: Image) -> Image:
    """Return the picture as RGB, with transparent parts on a white background."""
    from PIL import Image as Images

    if image.mode == "RGB":
        return image
    if "transparency" not in image.info and "A" not in image.getbands():
        return image.convert("RGB")
    layers = image.convert("RGBA")
    flat = Images.new("RGB", layers.size, _PAPER)
    flat.paste(layers, mask=layers.getchannel("A"))
    return flat


def _checked(data: bytes) -> tuple[str, bytes]:
    """Return the type of a picture and its bytes without metadata. Raises InvalidInputError."""
    if len(data) > MOST_BYTES:
        raise InvalidInputError(f"The cover has more than {MOST_BYTES // 2**20} MB: use a smaller file.")
    if data.startswith(b"\xff\xd8\xff"):
        kind, picture = "JPEG", _jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, picture = "PNG", _png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind, picture = "WEBP", _webp(data)
    else:
        raise InvalidInputError("The cover is not a JPEG, PNG or WebP picture: save it in one of these formats.")
    if _OTHER_TYPES.search(data):
        raise InvalidInputError("The cover contains another document: save only the picture.")
    return kind, picture


def _check_pixels(kind: str, width: int, height: int) -> None:
    if not width or not height or width * height > MOST_PIXELS[kind]:
        most = MOST_PIXELS[kind] / 1e6
        raise InvalidInputError(
            f"The cover has {width:,} × {height:,} pixels, more than {most:.1f} million: scale it down."
        )


def _broken() -> InvalidInputError:
    return InvalidInputError("The cover is incomplete, or has data after its end: save the picture again.")


def _png(data: bytes) -> bytes:
    """Return a PNG with only its picture chunks: texts and profiles may decompress to any size."""
    chunks, names = [data[:8]], []
    for name, chunk in _png_chunks(data):
        names.append(name)
        if name in _PNG_CHUNKS:
            chunks.append(chunk)
    if not names or names[0] != b"IHDR" or names[-1] != b"IEND" or len(chunks[1]) != 25:
        raise _broken()
    _check_pixels("PNG", *struct.unpack(">II", chunks[1][8:16]))
    return b"".join(chunks)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        if at + 12 > len(data):
            raise _broken()
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 12 + length
        name = data[at + 4 : at + 8]
        if end > len(data) or (name == b"IEND" and end != len(data)):
            raise _broken()
        yield name, data[at:end]
        at = end


def _jpeg(data: bytes) -> bytes:
    """Return a JPEG without comments and application data, which may hold pictures and profiles of their own."""
    whole = data.rstrip(b"\0")
    if not whole.endswith(b"\xff\xd9"):
        raise _broken()
    segments, at, size = [whole[:2]], 2, None
    while True:
        if at + 4 > len(whole) or whole[at] != 0xFF:
            raise _broken()
        marker = whole[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker == 0xDA:  # the picture begins
            break
        (length,) = struct.unpack(">H", whole[at + 2 : at + 4])
        end = at + 2 + length
        if length < 2 or end > len(whole):
            raise _broken()
        if marker in _JPEG_SIZES and length >= 8:
            size = struct.unpack(">HH", whole[at + 5 : at + 9])
            _check_pixels("JPEG", size[1], size[0])
        if marker in _JPEG_PRESERVED or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            segments.append(whole[at:end])
        at = end
    if size is None:
        raise _broken()
    return b"".join([*segments, whole[at:]])


def _webp(data: bytes) -> bytes:
    """Return a still WebP after checking its size, before anything is decoded."""
    (length,) = struct.unpack("<I", data[4:8])
    if length + 8 != len(data) or len(data) < 30:
        raise _broken()
    form, head = data[12:16], data[20:30]
    if form == b"VP8X":
        if head[0] & 0x02:
            raise InvalidInputError("The cover is an animation: use a still picture.")
        width, height = (int.from_bytes(part, "little") + 1 for part in (head[4:7], head[7:10]))
    elif form == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif form == b"VP8 ":
        width, height = (int.from_bytes(part, "little") & 0x3FFF for part in (head[6:8], head[8:10]))
    else:
        raise _broken()
    _check_pixels("WEBP", width, height)
    return data
