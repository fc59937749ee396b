"""What a test does with a page: go there, read it, look again until something shows."""

import re
import time


def visit(app, page):
    return app.switch_page(f"pages/{page}.py").run()


def until(app, seen, within_s=60):
    """Run the page again until `seen` says so: a browser's timer would do that."""
    deadline = time.monotonic() + within_s
    while not seen(app):
        assert time.monotonic() < deadline, words(app)
        time.sleep(0.1)  # as a page's timer waits: run back to back, the page would hold up the work it watches
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
