"""The app in its own process, on an empty data directory, and a Chromium."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
READABLE = 4.5
PATIENCE_MS = 20_000  # long, as another worker's app and browser may use the processor; a passing check returns at once
# Returns each visible text whose contrast with its background is less than `least`, with its ratio.
# Relative luminance and contrast as https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio defines them.
CONTRAST = """least => {
  const parsed = color => {
    const [, kind, inside] = color.match(/^(rgba?|color)\\((.*)\\)$/) || [];
    if (!inside) return null;
    const parts = inside.replace('srgb', '').split(/[ ,/]+/).filter(Boolean).map(Number);
    const scale = kind === 'color' ? 1 : 255;
    return [parts[0] / scale, parts[1] / scale, parts[2] / scale, parts[3] ?? 1];
  };
  const over = (top, below) => top.slice(0, 3).map((value, i) => value * top[3] + below[i] * (1 - top[3]));
  const luminance = colour => {
    const [r, g, b] = colour.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour && colour[3] > 0) layers.push(colour);
      if (colour && colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [1, 1, 1]);
  };
  const poor = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), element = walk.currentNode.parentElement;
    if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest('script,style,svg,[disabled],[aria-disabled=true],[aria-hidden=true]')) continue;
    if (element.closest('[data-stale=true]')) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const back = behind(element), colour = parsed(getComputedStyle(element).color);
    if (!colour) continue;
    const front = over([...colour.slice(0, 3), colour[3] * opacity], back);
    const [high, low] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < least) poor.push(`${text.slice(0, 60)}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""
# Tells whether the app has the colours of a theme.
THEME_IS_ON = """scheme => {
  const parts = getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/[0-9.]+/g).slice(0, 3);
  return (parts.reduce((sum, part) => sum + Number(part), 0) < 3 * 128) === (scheme === 'dark');
}"""
COLOURS_CHANGE = (
    "() => document.getAnimations().some(one => one instanceof CSSTransition && one.playState === 'running')"
)
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
NO_CHROMIUM = "Chromium is not installed, so this test did not run: apt-get install chromium"


def pytest_collection_modifyitems(items):
    """Skip tests that need Chromium if it is missing, before they start anything; with CI set they fail instead."""
    if CHROMIUM is None and not os.environ.get("CI"):
        for item in items:
            if "chromium" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.fixture(scope="session")
def chromium():
    """The path of Chromium. With CI set, a missing one fails the test."""
    if CHROMIUM is None:
        pytest.fail(NO_CHROMIUM)
    return CHROMIUM


@pytest.fixture
def artifacts(tmp_path):
    """The directory of screenshots."""
    directory = Path(os.environ.get("ARTIFACTS") or tmp_path / "artifacts")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def photograph(artifacts):
    """Check a view in both themes: `photograph(page, "name")`; text with too little contrast fails the test.

    With ARTIFACTS set, screenshots are stored as well. They take as long as everything else.
    """
    poor = {}

    def taken(page, name, *, width=None, height=None, schemes=("dark", "light"), full_page=False):
        before = page.viewport_size
        page.set_viewport_size({"width": width or before["width"], "height": height or before["height"]})
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(THEME_IS_ON, arg=scheme)
            if os.environ.get("ARTIFACTS"):
                page.screenshot(path=artifacts / f"{name}-{scheme}.png", full_page=full_page)
            if faint := faint_text(page):
                poor[f"{name}-{scheme}"] = faint
        page.set_viewport_size(before)

    yield taken
    assert poor == {}, f"contrast below {READABLE}:1"


def faint_text(page):
    """Return the text with too little contrast, after colours have changed and charts have been drawn again."""
    ended_s, drawn_s = (time.monotonic() + limit_s for limit_s in (1, 2))
    while page.evaluate(COLOURS_CHANGE) and time.monotonic() < ended_s:
        page.wait_for_timeout(30)
    while (faint := page.evaluate(CONTRAST, READABLE)) and time.monotonic() < drawn_s:
        page.wait_for_timeout(50)
    return faint


@pytest.fixture
def app_url(app_over):
    """The address of a new app without keys; the app and its Chroma end with the test."""
    with app_over() as url:
        yield url


@pytest.fixture
def app_over(tmp_path):
    """Start a new app with these environment variables: `with app_over(NAME=value) as url`."""

    def started(**variables):
        return _app(tmp_path, variables)

    return started


@pytest.fixture(scope="module")
def app_of_module(tmp_path_factory):
    """Start one app for all tests of a module, as `app_over` does."""

    def started(**variables):
        return _app(tmp_path_factory.mktemp("app"), variables)

    return started


class Address(str):
    """The address of an app, and its process."""

    __slots__ = ("process",)


@contextlib.contextmanager
def _app(tmp_path, variables):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANIMERAG_"))}
    environment |= {"ANIMERAG_DATA_DIR": str(tmp_path / "data"), **variables}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with (tmp_path / "app.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPO, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for_health(f"http://127.0.0.1:{port}/_stcore/health", process)
            address = Address(f"http://127.0.0.1:{port}")
            address.process = process
            yield address
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
    log = (tmp_path / "app.log").read_text()
    assert not re.search(r"Traceback|ERROR", log), log


def _wait_for_health(url, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the app ended while it started"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:
            if response.status == 200:
                return
        time.sleep(0.05)
    pytest.fail("the app did not answer within 30 s")


@pytest.fixture
def browser(chromium):
    """The machine's Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield opened
        opened.close()


class Elsewhere:
    """An event loop in its own thread, because the browser's loop runs in this one."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def enter(self, context):
        return self.run(self._stack.enter_async_context(context))

    def close(self):
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def elsewhere():
    """Async servers beside the browser: `elsewhere.enter(context)` and `elsewhere.run(coroutine)`."""
    opened = Elsewhere()
    yield opened
    opened.close()


@pytest.fixture
def provider():
    """The address of a slow simulated provider in its own process."""
    command = [sys.executable, "-m", "animerag", "simulate", "--embed-latency", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        yield re.search(r"http://[^\"]+", simulator.stdout.readline())[0]
        simulator.terminate()
