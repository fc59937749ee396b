"""Access control: wrong tokens, hosts, origins and sizes, and the form of refusals."""

import asyncio
import http.client
import json
import logging

import pytest

from animerag.api.access import MOST_BYTES, AuthorizedEndpoint, TokenCheck
from animerag.api.api_errors import ApiError
from animerag.api.backend import RequestLimit, RequestThrottle
from animerag.api.endpoints import ApiEndpoints, endpoint_of
from tests.api.conftest import PAGE, TOKEN, served

RIGHT = {"Authorization": f"Bearer {TOKEN}"}
ENDPOINTS = [
    pytest.param("GET", "/api/search?q=Mushishi", id="api"),
    pytest.param("GET", "/v1/models", id="v1"),
    pytest.param("POST", "/v1/chat/completions", id="chat"),
    pytest.param("POST", "/mcp", id="mcp"),
]


def ask(url, method, path, headers=None, body=None):
    """Send a raw request; return status, headers and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            for one in value if isinstance(value, list) else [value]:
                connection.putheader(name, one)
        if body is not None and "Content-Length" not in (headers or {}):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def closed(sample_runtime):
    """The same app without a token."""
    with served(sample_runtime, None) as url:
        yield url


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_without_a_configured_token_the_api_is_off_and_says_how_to_turn_it_on(closed, method, path):
    for headers in ({}, RIGHT, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        status, _, body = ask(closed, method, path, headers)
        assert status == 403
        assert "set ANIMERAG_API_TOKEN" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": [f"Bearer {TOKEN}", "Bearer other"]},
        {"Authorization": "Bearer \xff\xfe"},
        {"X-Api-Key": TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
    ids=str,
)
def test_a_wrong_token_is_refused_in_the_form_of_the_protocol(sample_runtime, api, method, path, headers):
    status, answered, body = ask(api.url, method, path, headers, b"{}" if method == "POST" else None)

    assert status in (401, 429)
    error = json.loads(body)
    assert "token" in error["error"]["message"] or status == 429
    assert TOKEN not in body
    assert ("jsonrpc" in error) is (path == "/mcp")
    assert ("type" in error["error"]) is path.startswith("/v1")
    assert answered.get("www-authenticate") == "Bearer" or status == 429


def test_without_a_token_the_modules_that_answer_are_not_imported():
    names = {"_shows", "_chat"}

    def runtime():
        raise AssertionError("no request was sent")

    assert not names & vars(ApiEndpoints(None, runtime)).keys()
    assert names <= vars(ApiEndpoints(TOKEN, runtime)).keys()


def test_a_token_in_the_address_is_not_accepted(api):
    assert ask(api.url, "GET", f"/v1/models?token={TOKEN}&access_token={TOKEN}")[0] == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_right_token_is_accepted(api, scheme):
    assert ask(api.url, "GET", "/v1/models", {"Authorization": f"{scheme} {TOKEN}"})[0] == 200


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "foreign",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
    ],
    ids=str,
)
def test_a_foreign_host_or_origin_is_refused_even_with_the_right_token(api, method, path, foreign):
    status, _, body = ask(api.url, method, path, RIGHT | foreign, b"{}" if method == "POST" else None)

    assert status == 403
    assert "ANIMERAG_HOSTS" in json.loads(body)["error"]["message"]


def test_the_apps_own_origin_and_named_hosts_pass(api):
    for own in ({"Origin": api.url}, {"Host": "anime.example"}, {"Origin": "https://anime.example"}):
        assert ask(api.url, "GET", "/v1/models", RIGHT | own)[0] == 200


def test_pages_still_require_an_origin_for_requests_that_change_something(api):
    assert ask(api.url, "GET", "/")[2] == PAGE
    for path in ("/_stcore/upload_file/s/f", "/v1x", "/V1/chat/completions", "/x/v1/models", "//v1/models"):
        assert ask(api.url, "PUT", path, RIGHT)[0] == 403
        assert ask(api.url, "DELETE", path, RIGHT)[0] == 403


@pytest.mark.parametrize("path", ["/v1/../_stcore/upload_file/s/f", "/mcp/../", "/api/%2e%2e/_stcore/health", "/v1/"])
def test_no_request_to_the_api_reaches_the_pages(api, path):
    for method in ("GET", "PUT", "DELETE"):
        status, _, body = ask(api.url, method, path, RIGHT)
        assert status in (404, 405)
        assert json.loads(body)["error"]["message"]


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused_and_no_header_allows_other_sites(api, method):
    for path in ("/v1/chat/completions", "/mcp", "/api/search"):
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for headers in ({}, RIGHT):
            status, answered, _ = ask(api.url, method, path, headers | asked)
            expected = {401} if not headers else {405, 400} if path != "/api/search" or method != "HEAD" else {400}
            assert status in expected, (path, headers)
            assert not [name for name in answered if name.lower().startswith("access-control")]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(api):
    headers = RIGHT | {"Content-Type": "application/json", "Content-Length": str(MOST_BYTES + 1)}
    status, _, body = ask(api.url, "POST", "/v1/chat/completions", headers, b"")

    assert status == 413
    assert "1,024 KiB" in json.loads(body)["error"]["message"]


def test_the_token_is_never_logged(api, caplog):
    caplog.set_level(logging.DEBUG)
    for headers in (RIGHT, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
        for path in ("/v1/models", f"/api/search?q=Mushishi&token={TOKEN}", f"/v1/{TOKEN}", f"/mcp?key={TOKEN}"):
            ask(api.url, "GET", path, headers)
    logging.getLogger("animerag").warning("as if somebody logged %s", TOKEN)

    for handler in logging.getLogger("animerag").handlers:
        handler.flush()
    written = "".join(file.read_text() for file in api.data_dir.glob("logs/*"))
    assert "as if somebody logged [key]" in written
    assert TOKEN not in written
    assert caplog.text.count(TOKEN) == 1  # logged by this test
    assert TOKEN not in repr(api.runtime.services.settings)


def test_guessing_tokens_is_slowed_down_but_the_right_token_is_accepted():
    check = TokenCheck(TOKEN)

    def offer(token):
        check({"headers": [(b"authorization", f"Bearer {token}".encode())]})

    refused = []
    for number in range(60):
        with pytest.raises(ApiError) as error:
            offer(f"guess {number}")
        refused.append(error.value.status)
        offer(TOKEN)

    assert set(refused) == {401, 429}
    assert refused[-1] == 429


def test_a_request_that_would_wait_too_long_is_refused():
    now = [0.0]
    pace = RequestThrottle(per_s=2, burst=3, longest_wait_s=1, clock=lambda: now[0])

    assert [pace.wait_s() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    with pytest.raises(ApiError) as error:
        pace.wait_s()
    assert (error.value.status, error.value.retry_after_s) == (429, 0.5)
    now[0] = 10.0
    assert pace.wait_s() == 0


async def test_only_a_few_calls_are_served_at_once():
    limit, now, most = RequestLimit(RequestThrottle(per_s=1000, burst=1000, longest_wait_s=1)), 0, 0

    async def call():
        nonlocal now, most
        async with limit.slot():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    outcomes = await asyncio.gather(*(call() for _ in range(150)), return_exceptions=True)

    assert most == 8
    assert {error.status for error in outcomes if error} == {429}
    assert outcomes.count(None) == 100


async def test_an_unexpected_error_is_reported_without_its_text(caplog):
    async def broken(scope, receive, send):
        raise ValueError("secret of a document")

    sent = []

    async def send(message):
        sent.append(message)

    arriving = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return arriving.pop() if arriving else await asyncio.Event().wait()

    scope = {"type": "http", "path": "/v1/x", "headers": [(b"authorization", f"Bearer {TOKEN}".encode())]}
    await AuthorizedEndpoint("v1", broken, TokenCheck(TOKEN))(scope, receive, send)

    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [("/v1", "v1"), ("/mcp", "mcp"), ("/api/shows/1", "api"), ("/apis", None), ("/", None), ("/ask", None)],
)
def test_an_endpoint_matches_the_whole_first_part_of_a_path(path, endpoint):
    assert endpoint_of(path) == endpoint
