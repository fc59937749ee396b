"""Fixtures for commands that run in the process of the test."""

import io
import sys

import pytest

from animerag.cli import main


@pytest.fixture
def run(settings, monkeypatch, capsys):
    """Run a command in this process over the suite's Chroma server; returns (exit status, stdout, stderr)."""
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", settings.chroma_url)

    def command(*arguments, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return status, out, err

    return command
