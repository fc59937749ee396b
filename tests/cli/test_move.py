"""`animerag move`: copies the catalogue to another database, or gives the reason why it cannot."""

import asyncio

import pytest

from animerag.cli import main
from animerag.storage.library import Library


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A data directory with a catalogue in a file."""
    directory = tmp_path / "data"
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(directory))
    monkeypatch.delenv("ANIMERAG_DATABASE_URL", raising=False)

    async def fill():
        library = await Library.open(directory / "library.db")
        await library.set_meta("setting:sources", "5")
        await library.close()

    asyncio.run(fill())
    return directory


def test_a_catalogue_is_copied_once_and_a_target_that_has_one_is_refused(catalogue, postgresql_url, capsys):
    assert main(["move", "--to", postgresql_url]) == 0
    assert "compared every row" in capsys.readouterr().out
    assert main(["move", "--to", postgresql_url]) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("mysql://host/name", "ANIMERAG_DATABASE_URL cannot be used"),
        ("postgresql://me:secret@127.0.0.1:1/name", "Start PostgreSQL"),
        ("sqlite:///{catalogue}/library.db", "in this database already"),
    ],
)
def test_an_unusable_target_is_reported_without_its_password(catalogue, capsys, to, sentence):
    assert main(["move", "--to", to.format(catalogue=catalogue)]) == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert "secret" not in message
