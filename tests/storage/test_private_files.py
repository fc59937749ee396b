"""Only the owner can read animerag's files, in new and in old data directories."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from animerag.storage.private_files import tighten

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes say nothing on Windows")
OTHERS = 0o077


def open_to_others(directory):
    paths = [directory, *directory.rglob("*")]
    return [str(path) for path in paths if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & OTHERS]


def test_a_command_makes_private_files_whatever_the_umask(tmp_path, record, export):
    data = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANIMERAG_", "OPENAI_"))}
    environment |= {"ANIMERAG_DATA_DIR": str(data), "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "animerag", "ingest", str(export(record(1, "Monster", "A surgeon.")).path)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, umask=0o000, timeout=50, capture_output=True)

    assert (data / "library.db").exists()
    assert (data / "chroma" / "server.log").exists()  # by the server's own process
    assert list((data / "chroma" / "data").iterdir())
    assert open_to_others(data) == []


def test_an_existing_data_directory_becomes_private(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere.json"
    for name in (
        "chroma/data/x/link.bin",
        "uploads/abc",
        "logs/animerag.log",
        "library.db",
        "library.db-wal",
        "mine.txt",
    ):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("")
        (data / name).chmod(0o644)
    elsewhere.write_text("")
    elsewhere.chmod(0o644)
    (data / "uploads" / "link").symlink_to(elsewhere)
    for directory in (data, *(path for path in data.rglob("*") if path.is_dir())):
        directory.chmod(0o755)

    tighten(data, data / "library.db")

    assert open_to_others(data) == [str(data / "mine.txt")]  # in a directory that only the owner can open
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_a_database_elsewhere_becomes_private_but_not_its_neighbours(tmp_path):
    for name in ("anime.db", "anime.db-wal", "other.db"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o664)

    tighten(tmp_path / "none", tmp_path / "anime.db")

    assert open_to_others(tmp_path / "anime.db") == open_to_others(tmp_path / "anime.db-wal") == []
    assert open_to_others(tmp_path / "other.db")


async def test_opening_the_services_makes_files_private(settings):
    from animerag.composition import open_services

    settings.data_dir.mkdir(mode=0o755)
    settings.data_dir.chmod(0o755)
    async with open_services(settings, warm=False):
        assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
