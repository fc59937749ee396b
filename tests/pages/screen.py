"""Helpers for tests of pages: open a page, read it, and rerun it until a condition is met."""

import re
import time


def visit(app, page):
    return app.switch_page(f"pages/{page}.py").run()


def until(app, seen, within_s=60):
    """Rerun the page until `seen` returns true, as a browser's timer does."""
    deadline = time.monotonic() + within_s
    while not seen(app):
        assert time.monotonic() < deadline, words(app)
        # The interval of a page's timer; without it, reruns would slow down the work that the page shows.
        time.sleep(0.1)
        app.run()
        assert not app.exception
    return app


def words(app):
    """Return all text that the page shows."""
    kinds = ("markdown", "caption", "text", "title", "subheader", "success", "warning", "error", "info")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def plain(markdown):
    """Return what a browser shows of an escaped label."""
    return re.sub(r"\\(?=[!-/:-@\[-`{-~])", "", markdown)
