"""A sheet of questions in a real browser, over a simulated provider: preview, live table, reload, views, downloads."""

import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(400)]

COUNT = 142


@pytest.fixture
def questions(real_export):
    """The real questions, beside the real export."""
    path = real_export.with_name("questions.csv")
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture
def url(app_over, real_library, chroma_index_url, tmp_path):
    """The address of an app over the real shows, which answers through a simulator in its own process."""
    command = [sys.executable, "-m", "animerag", "simulate", "--chat-latency", "0.8", "--first-token", "0.2"]
    command += ["--faults", "400@0.03", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        environment = {
            "OPENAI_BASE_URL": re.search(r"http://[^\"]+", simulator.stdout.readline())[0],
            "ANIMERAG_EMBEDDING_PROVIDER": "local",
            "ANIMERAG_CHROMA_URL": chroma_index_url,
        }
        (tmp_path / "data").mkdir()
        shutil.copy(real_library, tmp_path / "data")
        with app_over(**environment) as address:
            yield address
        simulator.terminate()


def test_a_sheet_comes_back_answered(url, browser, questions, photograph):
    from playwright.sync_api import expect

    errors = []

    def opened(scheme, address):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 1500})
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        return page

    def shot(page, name, scheme="light"):
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=20_000)
        photograph(page, f"batch-{name}", schemes=[scheme], full_page=True)

    def look(page, view, seen):
        page.get_by_test_id("stButtonGroup").get_by_text(view, exact=True).click()
        expect(page.get_by_text(seen).first).to_be_visible(timeout=20_000)

    page = opened("light", f"{url}/batch")
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(questions, timeout=60_000)
    expect(page.get_by_text(re.compile(rf"^{COUNT} questions"))).to_be_visible(timeout=20_000)
    expect(page.get_by_text("different questions to ask, about")).to_be_visible()
    shot(page, "1-preview")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text(re.compile(rf"\d+ of {COUNT} · .* left · \d+ in flight"))).to_be_visible(timeout=60_000)
    shot(page, "2-running")
    page.reload()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Cancel").click()
    resume = page.get_by_role("button", name=re.compile("Resume"))
    expect(resume).to_be_visible(timeout=30_000)
    shot(page, "3-cancelled")
    resume.click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=20_000)
    expect(page.get_by_text(re.compile(rf"\d+ of {COUNT} questions answered"))).to_be_visible(timeout=200_000)
    shot(page, "4-ended")
    look(page, "Timing", "Time to answer")
    shot(page, "5-timing")
    look(page, "Quality", "missed")
    shot(page, "6-quality")

    dark = opened("dark", page.url)
    look(dark, "Timing", "Time to answer")
    shot(dark, "7-timing", "dark")
    look(dark, "Answers", "Click a row")
    shot(dark, "8-answers", "dark")

    files = {}
    for name in ("CSV", "XLSX", "JSONL"):
        if name == "XLSX":
            page.get_by_role("button", name="More", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {name}").click()
        files[name] = Path(download.value.path()).read_bytes()
    asked = list(csv.DictReader(io.StringIO(questions.read_text(encoding="utf-8-sig"), newline="")))
    rows = list(csv.DictReader(io.StringIO(files["CSV"].decode("utf-8-sig"), newline="")))
    own = ("question", "expected_ids", "kind")
    assert [[row[name] for name in own] for row in rows] == [[row[name] for name in own] for row in asked]
    assert {row["status"] for row in rows} <= {"ok", "no_match", "refused", "error"}
    assert sum(row["status"] == "ok" for row in rows) > 100
    headings, *cells = openpyxl.load_workbook(io.BytesIO(files["XLSX"])).active.iter_rows(values_only=True)
    assert [row[headings.index("status")] for row in cells] == [row["status"] for row in rows]
    assert files["JSONL"].count(b"\n") == COUNT
    assert errors == []


def test_two_runs_are_compared_and_ten_thousand_rows_are_drawn(url, browser, questions, photograph, tmp_path):
    from playwright.sync_api import expect

    page = browser.new_context(color_scheme="light", viewport={"width": 1280, "height": 1500}).new_page()
    page.goto(f"{url}/batch")

    def shot(name):
        photograph(page, f"batch-{name}", full_page=True)

    def bring(path, counted):
        page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(path, timeout=60_000)
        expect(page.get_by_text(counted, exact=True)).to_be_visible(timeout=30_000)

    asked = list(csv.DictReader(io.StringIO(questions.read_text(encoding="utf-8-sig"), newline="")))
    few = tmp_path / "plots.csv"
    with few.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.DictWriter(file, ["question", "expected_ids", "kind"])
        sheet.writeheader()
        sheet.writerows([row for row in asked if row["kind"] == "plot"][:12])
    for sources in ("8", "1"):
        bring(few, "12 questions")
        page.get_by_label("Sources per question").fill(sources)
        page.get_by_label("Sources per question").press("Enter")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_text(re.compile(r"1[0-2] of 12 questions answered"))).to_be_visible(timeout=60_000)
        if sources == "8":
            page.get_by_role("button", name="New sheet").click()
    page.get_by_test_id("stButtonGroup").get_by_text("Quality", exact=True).click()
    page.get_by_label("Compare with").click()
    page.get_by_role("option", name=re.compile("plots")).first.click()
    expect(page.get_by_text(re.compile(r"0 better, [1-9]\d* worse"))).to_be_visible(timeout=20_000)
    shot("9-side-by-side")
    page.get_by_role("button", name="New sheet").click()

    many = tmp_path / "many.csv"
    lines = [f'"What does captain {n} find, and who, if anybody, pays for it?",{n}' for n in range(10_000)]
    many.write_text("question,row\n" + "\n".join(lines) + "\n")
    bring(many, "10,000 questions")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 10,000 · .* left"))).to_be_visible(timeout=90_000)
    page.get_by_test_id("stPagination").get_by_text("2", exact=True).click()
    shot("10-many")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name=re.compile(r"Resume \(9,"))).to_be_visible(timeout=30_000)
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"), newline="")))
    assert [row["row"] for row in rows] == [str(n) for n in range(10_000)]
    assert {row["status"] for row in rows} <= {"ok", "no_match", "error", "cancelled"}
    page.close()
