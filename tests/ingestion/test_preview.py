"""Previews: the format of a file and its changes, from one process."""

import subprocess

import pytest

from animerag.ingestion.importer import SourceFile
from animerag.readers import confinement


@pytest.fixture
def started(monkeypatch):
    """The processes that were started to read files."""
    processes, real = [], subprocess.Popen

    def start(*args, **options):
        processes.append(args)
        return real(*args, **options)

    monkeypatch.setattr(confinement.subprocess, "Popen", start)
    return processes


async def test_a_preview_takes_one_process_and_describes_the_file_and_its_changes(services, export, record, started):
    source = export(record(1, "Monster", "A surgeon."), record(2, "Nana"), {})
    (preview,) = await services.ingestion.preview.each([source])
    assert (preview.detection.format, preview.problem) == ("shoko", None)
    assert (preview.report.ingested, preview.report.quarantined) == (2, 1)
    assert preview.expected.least_s <= preview.expected.most_s
    assert len(started) == 1


async def test_a_file_with_unknown_columns_keeps_its_detection_for_corrections(services, tmp_path, started):
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    (preview,) = await services.ingestion.preview.each([SourceFile(path=path, name=path.name)])
    assert [column.heading for column in preview.detection.columns] == ["a", "b"]
    assert (preview.report, preview.problem) == (None, preview.detection.problem)
    assert preview.problem
    assert len(started) == 1
