"""Every command in the guide and in operations.md runs, in order, on the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import _COMMAND, ROOT, arguments, fenced_lines

pytestmark = [pytest.mark.long, pytest.mark.timeout(420)]

# Commands that take more than a minute, need a person or never end are tested in tests/cli.
ELSEWHERE = (["query", "-i"], ["simulate"], ["compare"], ["move"])

ENDED = "the command has ended"
# One process for all commands, because its imports take longer than most of them.
PROGRAM = f"""
import json, sys
from animerag.cli import main

for words in json.loads(sys.argv[1]):
    if status := main(words):
        sys.exit(f"animerag {{' '.join(words)}} ended with status {{status}}")
    print("{ENDED}")
"""


def shown(name):
    """Return the commands of a document, in order."""
    path = ROOT / name
    found = [(line, _COMMAND.search(line)) for line in fenced_lines(path)]
    calls = [arguments(line[match.end() :]) for line, match in found if match]
    return [call for call in calls if not any(call[: len(skipped)] == skipped for skipped in ELSEWHERE)]


@pytest.fixture
def place(tmp_path, export, record):
    """A directory with the files that the documents name."""
    rows = [
        record(number, title, text)
        for number, (title, text) in enumerate(
            [
                ("Planetes", "Astronauts collect the trash that circles in orbit."),
                ("Attack on Titan", "Behind walls people hide from giants."),
                ("Monster", "A surgeon saves a boy."),
            ],
            1,
        )
    ]
    source = export(*rows)
    (tmp_path / "shoko_export.json").write_bytes(Path(source.path).read_bytes())
    (tmp_path / "questions.csv").write_text(
        "question,expected_ids\nAstronauts who collect trash,1\nWhat is Monster about?,3\n", encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("document", ["docs/guide.md", "docs/operations.md"])
def test_every_command_runs(document, place, settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANIMERAG_"))}
    environment |= {"ANIMERAG_DATA_DIR": str(place / "data"), "ANIMERAG_CHROMA_URL": settings.chroma_url}
    calls = shown(document)
    assert len(calls) >= 5
    first = [] if ["ingest", "shoko_export.json"] in calls else [["ingest", "shoko_export.json"]]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(first + calls)],
        check=False,
        cwd=place,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(ENDED) == len(first + calls)
