"""The API on a real port over real services with the sample, mounted as in the app, without its pages."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from animerag.api.endpoints import ApiEndpoints, ApiMiddleware
from animerag.config import load_settings
from animerag.event_loop import Runtime
from animerag.jobs.jobs import Control
from animerag.ui.host_check import HostCheck

TOKEN = "a-long-token-of-the-tests-4711"
PAGE = "a page"


@dataclass(frozen=True)
class Served:
    """The address of the API, and its runtime."""

    url: str
    runtime: Runtime
    data_dir: object

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])


@contextlib.contextmanager
def served(runtime, token):
    """Serve the API, and a page for all other paths; yield the address."""
    endpoints = ApiEndpoints(token, lambda: runtime)

    async def page(scope, receive, send):
        if scope["type"] == "http":
            await PlainTextResponse(PAGE)(scope, receive, send)

    app = HostCheck(ApiMiddleware(page, endpoints), hosts=("anime.example",), programs=endpoints)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", access_log=False))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))

        async def serve():
            async with endpoints.lifespan():
                await server.serve([listener])

        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def sample_runtime(tmp_path_factory, chroma_index_url):
    """The app's runtime over the sample, for all tests of the API."""
    directory = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
            patch.delenv(name)
        patch.chdir(directory)
        settings = load_settings(data_dir=directory / "data", chroma_url=chroma_index_url, api_token=TOKEN)
        runtime = Runtime(settings)
        runtime.call(runtime.services.catalogue.import_sample(Control()), 60)
        yield runtime
        runtime.close()


@pytest.fixture(scope="session")
def api(sample_runtime):
    """The API with a token."""
    with served(sample_runtime, TOKEN) as url:
        yield Served(url, sample_runtime, sample_runtime.services.settings.data_dir)


@pytest.fixture
def client(api):
    """An HTTP client that sends the token."""
    import httpx2

    with httpx2.Client(base_url=api.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as opened:
        yield opened
