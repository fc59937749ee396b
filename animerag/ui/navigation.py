"""Lists the app's pages and runs them.

Nothing heavy is imported before the sidebar is drawn, because the first import of the services takes seconds.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st

from animerag.ui import page_requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Receive, Scope, Send
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.navigation.page import StreamlitPage

    from animerag.api.endpoints import ApiEndpoints
    from animerag.event_loop import Runtime

log = logging.getLogger(__name__)

_THROUGH_APP = "through_app"
# Python's garbage collector runs after every 700 new objects, which takes a tenth of the time of imports.
_GARBAGE = (50_000, 20, 50)
_OWNERS = ("upload", "settings", "system")  # pages that only the owner of a catalogue may see
_started: list[
    ApiEndpoints
] = []  # of this server, for the lifespan, which Streamlit handles separately from the middleware
_first_visit = threading.Event()
_FILES_S = 0.6  # in which a browser has loaded the app's files
# A Material icon would be fetched from its maker's server by every browser.
_ICON = str(files("animerag.ui").joinpath("icon.png"))
_LOGO = str(files("animerag.ui").joinpath("logo.svg"))
_sidebar: ContextVar[DeltaGenerator] = ContextVar("sidebar")  # of one run of a page, which has its own thread


def pages() -> dict[str, list[StreamlitPage]]:
    """Return the pages in the order of the sidebar, in its groups; a demo has none that changes anything."""
    groups = {
        "Your shows": [
            st.Page("pages/home.py", title="Home", icon=":material/home:", url_path="home", default=True),
            st.Page("pages/ask.py", title="Ask", icon=":material/forum:", url_path="ask"),
            st.Page("pages/catalogue.py", title="Catalogue", icon=":material/video_library:", url_path="catalogue"),
            st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:", url_path="upload"),
        ],
        "Many questions": [
            st.Page("pages/batch.py", title="Batch", icon=":material/list_alt:", url_path="batch"),
            st.Page("pages/compare.py", title="Compare", icon=":material/speed:", url_path="compare"),
        ],
        "This app": [
            st.Page("pages/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
            st.Page("pages/system.py", title="System", icon=":material/monitor_heart:", url_path="system"),
        ],
    }
    if is_demo():
        shown = {name: [page for page in group if page.url_path not in _OWNERS] for name, group in groups.items()}
        return {name: group for name, group in shown.items() if group}
    return groups


@cache  # reading the environment takes longer than drawing a page's controls
def is_demo() -> bool:
    """Return whether this is a demo: strangers may use the app, and must not change anything."""
    from animerag.config import load_settings
    from animerag.errors import SettingsError

    try:
        return load_settings().demo
    except SettingsError:  # the page will say so
        return False


def entered() -> None:
    """Give the page its name and icon, and note that this session came in through app.py."""
    _first_visit.set()
    _name()
    st.session_state[_THROUGH_APP] = True


def shell(title: str) -> None:
    """Draw what all pages have: the tab's title, the style, the logo, and the sidebar's last line."""
    st.set_page_config(page_title=f"{title} · animerag")
    st.logo(_LOGO, icon_image=_ICON, size="large")
    with st.spinner("Opening the catalogue"):
        from animerag.ui import components

    components.page_opens()
    st.html(components.STYLE)
    with st.sidebar:
        _sidebar.set(st.container())
        with components.error_boundary(), st.spinner("Opening the catalogue"):
            components.foot()


def sidebar() -> DeltaGenerator:
    """Return the place in the sidebar for a page's own controls, above the last line."""
    return _sidebar.get(st.sidebar)  # a page that runs without app.py has no such place


def run(page: Callable[[], None], *, for_owner: bool = False) -> None:
    """Run a page, and show any error in it as one sentence. A page `for_owner` stays closed in a demo.

    A server whose very first request is for a page runs that file alone, by Streamlit's older rules for a folder called
    `pages`. Naming the pages ends that mode, and the next run goes through app.py.
    """
    if _THROUGH_APP not in st.session_state:
        _name()  # before the page's own icon, which browsers would fetch from its maker
        st.navigation(pages())
        st.rerun()

    from animerag.ui.components import error_boundary

    if for_owner and is_demo():
        st.info("The demo cannot be changed.", icon=":material/lock:")
        return
    try:
        with error_boundary():
            page()
    finally:
        page_requests.page_computed()


def start_server() -> list[Middleware]:
    """Prepare the server's process, once, and return the middleware that every request passes before Streamlit."""
    from starlette.middleware import Middleware

    from animerag.api.endpoints import ApiEndpoints, ApiMiddleware
    from animerag.config import load_settings
    from animerag.errors import SettingsError
    from animerag.storage.private_files import restrict_umask
    from animerag.ui.host_check import HostCheck

    restrict_umask()
    gc.set_threshold(*_GARBAGE)

    hosts: tuple[str, ...] = ()
    token = None
    # The page will say so, on this machine only.
    with contextlib.suppress(SettingsError):
        settings = load_settings()
        hosts, token = settings.hosts, settings.api_token
    endpoints = ApiEndpoints(token.get_secret_value() if token else None, _runtime)
    _started.append(endpoints)
    return [
        Middleware(HostCheck, hosts=hosts, programs=endpoints),
        Middleware(ApiMiddleware, endpoints=endpoints),
        Middleware(HomeAddress),
        Middleware(page_requests.PageRequests),
    ]


class HomeAddress:
    """ASGI middleware that leads from /home to the app's own address, the only one at which Streamlit serves Home."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        base = str(st.get_option("server.baseUrlPath") or "").strip("/")
        self._home = f"/{base}/" if base else "/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect the request if it is for /home."""
        app = self._app
        if scope["type"] == "http" and scope["path"].rstrip("/") == f"{self._home}home":
            from starlette.responses import RedirectResponse

            query = scope["query_string"].decode("latin-1")
            app = RedirectResponse(self._home + (f"?{query}" if query else ""))
        await app(scope, receive, send)


@contextlib.asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Print the app's address, open the services, and run the API as long as the server runs."""
    print(f"Open {_address()} in your browser. Ctrl + C stops the app.", flush=True)  # noqa: T201 - for its terminal
    # While the browser starts: the services take longer to import than the browser takes to ask for the first page.
    threading.Thread(target=_open_early, name="animerag-open", daemon=True).start()
    async with _started[-1].lifespan(app):
        yield


def _open_early() -> None:
    """Open the services before the first page needs them; the page shows an error if they cannot be opened.

    A browser that is there already gets the app's files first, which the imports of the services would slow down.
    """
    _first_visit.wait(_FILES_S)
    try:
        _runtime()
    except Exception as error:  # noqa: BLE001 - the first page opens them again, and shows the error
        log.info("the services could not be opened before the first page: %s", error)


def _runtime() -> Runtime:
    from animerag.ui import session

    return session.runtime()


def _address() -> str:
    """Return the address for a browser on this machine."""
    host, port, path = (st.get_option(f"server.{name}") for name in ("address", "port", "baseUrlPath"))
    named = "localhost" if host in (None, "", "0.0.0.0", "::") else host  # noqa: S104 - nothing is bound here
    return f"http://{named}:{port}/{str(path or '').strip('/')}".rstrip("/")


def _name() -> None:
    st.set_page_config(page_title="animerag", page_icon=_ICON, layout="wide")
