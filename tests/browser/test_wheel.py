"""The wheel in a separate environment, outside the checkout: `animerag` opens the app, which answers a question."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

REPO = Path(__file__).resolve().parents[2]
SOURCES = (
    *("animerag", "pages", ".streamlit", "app.py", "setup.py", "pyproject.toml", "MANIFEST.in"),
    *("requirements.txt", "README.md", "LICENSE"),
)
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
OFFLINE = ["--no-deps", "--no-index"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources without the network."""
    place = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, copy = REPO / name, place / "source" / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(source, copy)
    run([*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", place / "dist", place / "source"])
    (built,) = (place / "dist").glob("animerag-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The directory of programs of an environment with the wheel, which borrows the dependencies of this one."""
    environment = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", environment])
    python = environment / "bin" / "python"
    run([*PIP, "--python", python, "install", *OFFLINE, "--no-compile", wheel])
    (site,) = (environment / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def run(command):
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_wheel_has_every_file_of_the_package_and_the_app(wheel):
    package = [path for path in (REPO / "animerag").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    app = [REPO / "app.py", REPO / ".streamlit" / "config.toml", *(REPO / "pages").glob("*.py")]
    wanted = {path.relative_to(REPO).as_posix() for path in package}
    wanted |= {f"animerag/bundle/{path.relative_to(REPO).as_posix()}" for path in app}

    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_installed_command_opens_an_app_that_answers(installed, browser, tmp_path):
    from playwright.sync_api import expect

    inherited = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    environment = {name: os.environ[name] for name in inherited if name in os.environ}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_DATA_HOME": str(tmp_path / "share")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    log = tmp_path / "app.log"
    with log.open("wb") as output:
        app = subprocess.Popen(
            [installed / "animerag"], cwd=elsewhere, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    page = browser.new_page()
    try:
        while not (address := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert app.poll() is None, log.read_text()
            page.wait_for_timeout(50)
        page.goto(address[0])
        expect(page.get_by_text("Sample catalogue, 150 shows.")).to_be_visible(timeout=60_000)
        box = page.get_by_test_id("stChatInput").locator("textarea")
        box.fill("When did Cowboy Bebop air?")
        box.press("Enter")
        expect(page.get_by_text("1998").last).to_be_visible(timeout=30_000)
        page.goto(f"{address[0]}/settings")
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible(timeout=30_000)
        primary = page.evaluate("getComputedStyle(document.querySelector('.stApp')).fontFamily")
        assert primary.startswith("Inter"), "the theme is there"
    finally:
        page.close()
        app.terminate()
        app.wait(20)
    assert f"Data directory: {tmp_path / 'share' / 'animerag'}" in log.read_text()
    assert (tmp_path / "share" / "animerag" / "library.db").exists()
    assert list(elsewhere.iterdir()) == []
    assert not re.search(r"Traceback|ERROR", log.read_text()), log.read_text()
