"""Covers from folders: found, scaled down, and refused if they are not plain pictures."""

import asyncio
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from animerag.catalogue import thumbnails
from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control

ROOT = Path(__file__).parents[2]


def picture(kind="JPEG", size=(300, 450), mode="RGB", **options):
    """Return a picture's bytes, left half red."""
    image = Image.new(mode, size)
    image.paste((255, 0, 0, 255)[: len(mode)] if len(mode) > 1 else 255, (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *more, depth=8, colour=2):
    """Return a PNG with this size in its header and hardly any data."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *more, data, chunk(b"IEND", b"")])


def comment(data, text):
    """Return a JPEG with a comment after its beginning."""
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]


def webp(width, height):
    bits = (width - 1) | (height - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", bits) + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def frames():
    out = io.BytesIO()
    Image.new("RGB", (60, 90)).save(out, "WEBP", save_all=True, append_images=[Image.new("RGB", (60, 90), "red")])
    return out.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="https://evil.example/p.png"/></svg>'
HOSTILE = {
    "svg": SVG,
    "svg with a declaration": b'<?xml version="1.0"?>' + SVG,
    "html": b"<!doctype html><script>alert(1)</script>",
    "empty": b"",
    "gif": picture("GIF"),
    "tiff": picture("TIFF"),
    "bmp": picture("BMP"),
    "icon": picture("ICO", size=(64, 64)),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "png bomb by its header": png(60_000, 60_000),
    "png bomb of one line": png(2**31 - 1, 1),
    "png of no size": png(0, 0),
    "png with a page behind it": picture("PNG") + b"<script>alert(1)</script>",
    "png cut off": picture("PNG")[:-40],
    "png without data": png(300, 450),
    "jpeg with an archive behind it": picture() + b"PK\x03\x04" + bytes(40),
    "jpeg with a script in a comment": comment(picture(), b"*/=alert(1)/*<script>alert(1)</script>"),
    "jpeg that begins a document": comment(picture(), b"%PDF-1.7 1 0 obj"),
    "jpeg bomb by its header": picture().replace(struct.pack(">HH", 450, 300), struct.pack(">HH", 65_000, 65_000), 1),
    "jpeg cut off": picture()[:-200],
    "jpeg of a beginning": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "jpeg with a segment beyond its end": b"\xff\xd8\xff\xe1\xff\xff\xff\xd9",
    "webp bomb by its header": webp(16_384, 16_384),
    "webp with something behind it": picture("WEBP") + b"<html>",
    "webp animation": frames(),
    "noise": bytes(range(256)) * 40,
    "beyond 8 MB": picture() + bytes(9 * 2**20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_a_plain_picture_is_refused(name):
    with pytest.raises(InvalidInputError, match="The cover"):
        thumbnails.thumbnail(HOSTILE[name])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(picture(), id="jpeg"),
        pytest.param(picture(progressive=True), id="progressive jpeg"),
        pytest.param(picture(mode="CMYK"), id="jpeg for print"),
        pytest.param(picture(mode="L"), id="grey jpeg"),
        pytest.param(picture() + bytes(16), id="jpeg padded with zeros"),
        pytest.param(picture("PNG"), id="png"),
        pytest.param(picture("PNG", mode="RGBA"), id="transparent png"),
        pytest.param(picture("PNG", mode="L"), id="grey png"),
        pytest.param(picture("WEBP"), id="webp"),
        pytest.param(picture("WEBP", mode="RGBA", lossless=True), id="transparent webp"),
    ],
)
def test_a_picture_becomes_a_small_jpeg_of_the_same_shape(data):
    small = thumbnails.thumbnail(data)

    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (240, 360), "RGB")
        left, right = image.getpixel((40, 180)), image.getpixel((200, 180))
    assert left != right
    assert len(small) < 20_000


def test_metadata_is_removed():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = picture(exif=exif, comment=b"a secret")
    assert b"taken at home" in data

    small = thumbnails.thumbnail(data)

    assert b"taken at home" not in small
    assert b"secret" not in small


def test_compressed_texts_in_a_picture_are_never_unpacked():
    bombs = [chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**20))) for _ in range(80)]
    whole = picture("PNG")

    small = thumbnails.thumbnail(whole[:33] + b"".join(bombs) + whole[33:])

    assert small


DECODE = """
import sys
from pathlib import Path
from animerag.catalogue.thumbnails import thumbnail
from animerag.errors import InvalidInputError

def kilobytes(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0])

for path in sorted(Path(sys.argv[1]).iterdir(), key=lambda path: int(path.name)):
    try:
        thumbnail(path.read_bytes())
    except InvalidInputError:
        pass
    if path.name == "0":  # everything is loaded; the peak counts from here
        before = kilobytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
print(kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_the_worst_pictures_take_less_than_50_mb(tmp_path):
    worst = [
        picture(size=(2040, 3060), progressive=True, subsampling=0, quality=95),
        picture("PNG", size=(1730, 2600), mode="RGBA"),
        picture("WEBP", size=(1210, 1815), mode="RGBA", lossless=True),
    ]
    for number, data in enumerate([picture(), *worst, *HOSTILE.values()]):
        (tmp_path / str(number)).write_bytes(data)

    done = subprocess.run(
        [sys.executable, "-c", DECODE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50 * 1024  # KB


@pytest.fixture
async def shown(services, export, record):
    """Services over three shows, and the folder for their covers."""
    rows = [record(17, "Alpha", Picname="4711.jpg"), record(5, "Beta"), record(6, "Gamma")]
    await services.ingestion.run([export(*rows)], Control())
    folder = services.settings.data_dir / "covers"
    folder.mkdir()
    return services, folder


async def test_covers_are_found_by_id_and_by_shokos_name(shown):
    services, folder = shown
    (folder / "AniDB" / "17").mkdir(parents=True)
    (folder / "AniDB" / "17" / "4711.jpg").write_bytes(picture())
    (folder / "5.png").write_bytes(picture("PNG"))

    found = await services.covers.of(["17", "5", "6", "no show"])

    assert set(found) == {"17", "5"}
    assert all(small.startswith(b"\xff\xd8") for small in found.values())


async def test_a_changed_file_gets_a_new_thumbnail_and_an_invalid_one_gets_none(shown):
    services, folder = shown
    (folder / "5.jpg").write_bytes(picture())
    before = (await services.covers.of(["5"]))["5"]
    (folder / "5.jpg").write_bytes(picture(size=(100, 100)))
    after = (await services.covers.of(["5"]))["5"]
    (folder / "5.jpg").write_bytes(SVG)

    assert before != after
    assert await services.covers.of(["5"]) == {}


async def test_only_regular_files_inside_the_folder_count(shown, tmp_path):
    services, folder = shown
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture())
    (folder / "5.jpg").symlink_to(secret)
    os.mkfifo(folder / "6.jpg")
    (folder / "17.jpg").symlink_to(folder / "17.jpg")

    assert await asyncio.wait_for(services.covers.of(["5", "6", "17"]), 5) == {}


async def test_a_record_cannot_name_a_file_elsewhere(services, export, record, tmp_path):
    rows = [record(17, "Alpha", Picname="../../../../secret.jpg"), record(18, "Beta", Picname="/etc/passwd")]
    await services.ingestion.run([export(*rows)], Control())
    (services.settings.data_dir / "covers").mkdir()
    (tmp_path / "secret.jpg").write_bytes(picture())

    assert await services.covers.of(["17", "18"]) == {}
