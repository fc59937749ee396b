"""Foreign hosts and origins at a real server: requests over raw sockets and from Chromium."""

import base64
import os
import socket
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import ARGS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

NAMED = "anime.example"
OPENED, SERVED, REFUSED = 101, 200, 403
# Tries what a foreign page could try, and returns the results; `base` is the address of the app.
ATTACK = """async base => {
  const socket = url => new Promise(done => {
    const opened = new WebSocket(url, ['streamlit', 'x', 'y']);
    opened.onopen = () => done('opened');
    opened.onerror = () => done('refused');
  });
  const status = async (path, options) => {
    try { return (await fetch(base + path, options)).status; } catch { return 'refused'; }
  };
  return {
    socket: await socket(base.replace('http', 'ws') + '/_stcore/stream'),
    read: await status('/_stcore/health'),
    api: await status('/v1/models', {headers: {Authorization: 'Bearer TOKEN'}}),
    upload: await status('/_stcore/upload_file/s/f', {method: 'PUT', body: 'x'}),
  };
}"""
TOKEN = "a-token-of-the-tests-0815"


@pytest.fixture(scope="module")
def address(app_of_module):
    with app_of_module(ANIMERAG_HOSTS=f"{NAMED}, Other.Example.", ANIMERAG_API_TOKEN=TOKEN) as url:
        yield url


@pytest.fixture
def ask(address):
    """Send one request over a new socket; return its status and body."""
    port = urlsplit(address).port

    def send(target, *, method="GET", host="127.0.0.1:PORT", origin=None, websocket=False, more=()):
        lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host else []), *more]
        if origin:
            lines.append(f"Origin: {origin}")
        if websocket:
            key = base64.b64encode(os.urandom(16)).decode()
            lines += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
            lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: streamlit, x, y"]
        else:
            lines += ["Connection: close", "Content-Length: 0"]
        request = "\r\n".join([*lines, "", ""]).replace("PORT", str(port))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request.encode())
            data = b""
            while (b"\r\n\r\n" not in data or not websocket) and (part := connection.recv(65536)):
                data += part
            head, _, body = data.partition(b"\r\n\r\n")
            status = int(head.split()[1])
            while websocket and status != OPENED and (part := connection.recv(65536)):
                body += part
        return status, body.decode("utf-8", "replace")

    return send


DOORS = [
    pytest.param({"target": "/", "expected": SERVED}, id="page"),
    pytest.param({"target": "/_stcore/stream", "websocket": True, "expected": OPENED}, id="socket"),
    pytest.param({"target": "/_stcore/health", "expected": SERVED}, id="health"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "who",
    [
        {},
        {"origin": "http://127.0.0.1:PORT"},
        {"host": "localhost:PORT", "origin": "http://localhost:PORT"},
        {"host": "LOCALHOST.:PORT", "origin": "http://localhost:PORT"},
        {"host": "[::1]:PORT", "origin": "http://[::1]:PORT"},
        {"host": "localhost:9000", "origin": "http://localhost:9000"},  # a port that Docker or SSH passes on
        {"host": NAMED, "origin": f"https://{NAMED}"},
        {"host": "other.example", "origin": "https://other.example:8443"},
        {"host": "127.0.0.1:PORT", "origin": f"https://{NAMED}"},  # a proxy that passes on its own Host header
    ],
)
def test_the_apps_own_addresses_are_served(ask, door, who):
    asked = dict(door)
    expected = asked.pop("expected")
    assert ask(**asked, **who)[0] == expected


EVERY_DOOR = [
    *DOORS,
    pytest.param({"target": "/_stcore/upload_file/s/f", "method": "PUT"}, id="upload"),
    pytest.param({"target": "/_stcore/upload_file/s/f", "method": "POST"}, id="upload-post"),
    pytest.param({"target": "/_stcore/upload_file/s/f", "method": "DELETE"}, id="delete"),
    pytest.param({"target": "/ask", "method": "OPTIONS"}, id="preflight"),
]


@pytest.mark.parametrize("door", EVERY_DOOR)
@pytest.mark.parametrize(
    "who",
    [
        {"host": "evil.example:PORT", "origin": "http://evil.example:PORT"},
        {"host": "evil.example:PORT"},
        {"host": "evil.example@localhost:PORT"},
        {"host": "localhost.evil.example"},
        {"host": f"evil.{NAMED}"},
        {"origin": "http://evil.example:PORT"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://localhost:PORT"},  # another name than in the Host header
        {"host": "localhost:PORT", "origin": "http://localhost:9999"},
        {"host": "localhost:PORT", "origin": "http://localhost"},
        {"host": "localhost:PORT", "origin": "null"},
        {"host": "localhost:PORT", "origin": "file://localhost:PORT"},
        {"host": NAMED, "origin": f"https://evil.{NAMED}"},
    ],
)
def test_foreign_hosts_and_origins_are_refused_at_every_endpoint(ask, door, who):
    asked = {name: value for name, value in door.items() if name != "expected"}
    status, body = ask(**asked, **who)

    assert status == REFUSED
    assert "ANIMERAG_HOSTS" in body  # our message, not Streamlit's about a token


@pytest.mark.parametrize("door", EVERY_DOOR)
@pytest.mark.parametrize(
    "who",
    [
        {"host": None},
        {"more": ["Host: evil.example"]},
        {"origin": "http://127.0.0.1:PORT", "more": ["Origin: http://evil.example"]},
    ],
)
def test_a_request_that_names_no_host_or_two_is_refused(ask, door, who):
    asked = {name: value for name, value in door.items() if name != "expected"}
    assert ask(**asked, **who)[0] in (400, REFUSED)  # the server itself refuses some of them


def test_the_refusal_says_what_to_set(ask):
    for websocket in (False, True):
        for who in ({"host": "box.lan:PORT"}, {"origin": "https://box.lan"}):
            status, body = ask("/_stcore/stream" if websocket else "/", websocket=websocket, **who)
            assert status == REFUSED
            assert "box.lan" in body
            assert "ANIMERAG_HOSTS" in body


def test_an_upload_without_an_origin_is_refused(ask):
    status, body = ask("/_stcore/upload_file/s/f", method="PUT")
    assert status == REFUSED
    assert "needs an Origin" in body


@pytest.mark.parametrize("target", ["/v1/models", "/api/search?q=a", "/mcp", "/v1", "/api/", "/mcp/x"])
def test_programs_need_the_token_and_never_reach_the_pages(ask, target):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(target, method=method)[0] == 401
        assert ask(target, method=method, more=[f"Authorization: Bearer {TOKEN}x"])[0] in (401, 429)
        status, body = ask(target, method=method, more=[f"Authorization: Bearer {TOKEN}"])
        assert "<html" not in body
        if (target, method) != ("/v1/models", "GET"):
            assert status in (400, 404, 405, 409, 415) or (target.startswith("/api/search") and status == 200)
    status, body = ask("/v1/models", more=[f"Authorization: Bearer {TOKEN}"])
    assert (status, '"animerag"' in body) == (SERVED, True)


@pytest.fixture
def victim(chromium):
    """A page in a Chromium whose names under .example lead to this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
        # Chromium may ask before a page may reach this machine. Here it does not, so that only the app's check counts.
        unguarded = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
        opened = playwright.chromium.launch(executable_path=chromium, args=[*ARGS, rules, unguarded])
        yield opened.new_page()
        opened.close()


def test_a_page_of_another_site_reaches_nothing_in_a_real_browser(address, victim):
    from playwright.sync_api import expect

    port = urlsplit(address).port
    foreign = [f"http://evil.example:{port}", "http://localhost:9999", "http://127.0.0.1:9999"]
    # The page comes from another server; its later requests go to the app, as after a rebinding.
    for site in foreign:
        victim.route(f"{site}/attack", lambda route: route.fulfill(content_type="text/html", body="<p>kittens</p>"))
        victim.goto(f"{site}/attack")
        own = site if "evil" in site else address
        assert victim.evaluate(ATTACK.replace("TOKEN", TOKEN), own) in (
            {"socket": "refused", "read": REFUSED, "api": REFUSED, "upload": REFUSED},
            {"socket": "refused", "read": "refused", "api": "refused", "upload": "refused"},
        ), site

    victim.goto(f"http://evil.example:{port}/")
    expect(victim.get_by_text("does not answer for the host")).to_be_visible()


def test_the_owner_can_use_the_app_in_a_real_browser(address, victim):
    from playwright.sync_api import expect

    port = urlsplit(address).port
    for own in (f"http://localhost:{port}", f"http://{NAMED}:{port}"):
        victim.goto(f"{own}/settings")
        expect(victim.get_by_role("heading", name="Settings")).to_be_visible(timeout=60_000)
