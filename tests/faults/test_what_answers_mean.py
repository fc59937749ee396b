"""A provider's answer decides whether the job stops, a row is skipped, or the request is repeated, at little cost."""

import json

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import ProviderError, RateLimitedError
from animerag.jobs.jobs import Control
from animerag.models.answers import AnswerStatus
from animerag.models.providers import Priority
from animerag.models.questions import QuestionRow
from animerag.rate_limits import admission, circuit_breaker, gate
from animerag.readers.questions import Sheet
from animerag.storage.batch_runs import RunOptions
from tests.raw_server import embedded, error, events, raw_server, reply, vector

SHOWS, BATCH = 60, 10
TOO_LONG = error(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded")


@pytest.fixture
def opened(settings):
    def over(server, **options):
        stores = {name: getattr(settings, name) for name in ("data_dir", "chroma_url", "database_url")}
        chosen = {**stores, "openai_base_url": server.url, "ingest_concurrency": 1, "api": "chat"}
        return open_services(load_settings(**chosen, **options), warm=False)

    return over


@pytest.fixture
def import_from(opened, source):
    """Import through a server; returns the report, or the error that ended the job before anything was stored."""

    async def run(server):
        async with opened(server) as services:
            try:
                return await services.ingestion.run([source], Control(), batch_size=BATCH)
            except ProviderError as problem:
                return problem

    return run


def after(served, answer):
    """Serve some batches, then answer differently."""
    left = [served]

    def behave(request):
        if len(request.texts) > 1:
            left[0] -= 1
        return embedded(request) if left[0] >= 0 else answer(request)

    return behave


GOOGLE = [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID"}}]
STOPS = {
    "payment required": (error(402, "Payment required"), "quota"),
    "no credits, in other words": (reply(402, {"detail": "You ran out of credits"}), "quota"),
    "a key that is invalid": (error(400, "Incorrect API key provided", "invalid_api_key"), "key"),
    "a key, said in a list": (reply(400, GOOGLE), "key"),
    "a key, said as a plain text": (reply(400, {"error": "The API key has expired"}), "key"),
    "a billing limit": (error(400, "Billing hard limit has been reached", "billing_hard_limit_reached"), "quota"),
    "a balance": (error(400, "Your credit balance is too low to access the API"), "quota"),
    "a deactivated account": (error(403, "no", "account_deactivated"), "quota"),
    "a model that is gone": (error(400, "Invalid model name passed in model=m"), "does not know"),
    "credit, inside a 200": (reply(200, {"error": {"code": 402, "message": "Insufficient credits"}}), "quota"),
}


@pytest.mark.parametrize(("answer", "why"), STOPS.values(), ids=STOPS.keys())
async def test_a_bad_key_or_missing_credit_stops_a_running_import_after_one_call(import_from, answer, why):
    async with raw_server(after(3, lambda _: answer)) as server:
        report = await import_from(server)
        bulk = [request for request in server.requests if len(request.texts) > 1]
    assert why in report.stopped_by
    assert (report.ingested, report.cancelled, report.quarantined) == (3 * BATCH, SHOWS - 3 * BATCH, 0)
    assert len(bulk) == 4


@pytest.mark.both_databases
async def test_only_the_row_that_is_refused_is_left_out(import_from):
    def behave(request):
        return TOO_LONG if any("island 119." in text for text in request.texts) else embedded(request)

    async with raw_server(behave) as server:
        report = await import_from(server)
    assert (report.ingested, report.quarantined, report.stopped_by) == (SHOWS - 1, 1, None)


def twice(request):
    data = [{"index": 0, "embedding": vector(text, 8)} for text in request.texts]
    return reply(200, {"data": data, "usage": {"total_tokens": 5}})


def mixed(request):
    data = [{"index": n, "embedding": vector(text, 8 - n % 2)} for n, text in enumerate(request.texts)]
    return reply(200, {"data": data, "usage": {"total_tokens": 5}})


@pytest.mark.parametrize("answer", [twice, mixed])
@pytest.mark.parametrize("served", [0, 2])
async def test_unusable_answers_cost_little_and_stop_the_job(import_from, answer, served):
    def behave(request):
        return answer(request) if len(request.texts) > 1 else embedded(request)

    async with raw_server(after(served, behave)) as server:
        outcome = await import_from(server)
        sizes = [len(request.texts) for request in server.requests if len(request.texts) > 1]
    assert "cannot be used" in (str(outcome) if served == 0 else outcome.stopped_by)
    assert sizes.count(BATCH // 2) == 2, "one half is tried, twice"
    assert sizes.count(BATCH) <= served + 2 * 2, "each batch under way is tried twice"


def sheet(count):
    rows = tuple(QuestionRow(question=f"What does the captain find on voyage {n} at sea?") for n in range(count))
    return Sheet(name="q", format="lines", headings=("question",), column="question", certain=True, rows=rows)


@pytest.fixture
def sheet_from(opened, source):
    """Import through a good server and answer a sheet through another one; return the report and the run."""

    async def run(server, behave):
        async with opened(server) as services:
            await services.ingestion.run([source], Control())
            server.requests.clear()
            server.answer = behave
            run_id = await services.batch.begin(sheet(20), RunOptions(retrieval_only=True), sha256="0" * 64)
            report = await services.batch.answer(run_id, Control(), concurrency=3)
            return report, await services.batch.runs.get(run_id)

    return run


@pytest.mark.parametrize("answer", [twice, mixed])
async def test_a_sheet_with_unusable_embeddings_stops_after_one_halving(sheet_from, answer):
    async with raw_server(embedded) as server:
        report, run = await sheet_from(server, lambda r: answer(r) if len(r.texts) > 1 else embedded(r))
        sizes = [len(request.texts) for request in server.requests]
    assert "cannot be used" in report.stopped_by
    assert (run.missing, run.failed) == (20, 0), "the questions wait for a resumption"
    assert sizes == [20, 20, 10, 10]


@pytest.mark.both_databases
async def test_a_sheet_whose_embeddings_have_another_width_stops_at_once(sheet_from):
    async with raw_server(embedded) as server:
        report, run = await sheet_from(server, lambda request: embedded(request, width=9))
        sizes = [len(request.texts) for request in server.requests]
    assert "9 numbers instead of 8" in report.stopped_by
    assert run.missing == 20
    assert [size for size in sizes if size > 1] == [20, 20], "beside it, one word may ask for the width"


async def test_a_sheet_is_embedded_in_halves_if_a_server_rejects_larger_requests(sheet_from):
    async with raw_server(embedded) as server:
        report, run = await sheet_from(server, lambda r: twice(r) if len(r.texts) > 10 else embedded(r))
        sizes = [len(request.texts) for request in server.requests]
    assert report.stopped_by is None
    assert run.counts == {AnswerStatus.OK: 20}
    assert sizes == [20, 20, 10, 10]


def silent(request):
    """Embed and report no usage."""
    data = [{"index": n, "embedding": vector(text, 8)} for n, text in enumerate(request.texts)]
    return reply(200, {"data": data})


async def test_uncounted_usage_is_marked_as_estimated_in_both_reports(import_from, sheet_from):
    async with raw_server(silent) as server:
        imported = await import_from(server)
    async with raw_server(embedded) as server:
        counted, _ = await sheet_from(server, embedded)
        report, run = await sheet_from(server, silent)
    assert imported.usage.estimated
    assert not counted.usage.estimated
    assert report.usage.estimated
    assert run.usage.estimated, "after a restart as well: the journal knows"


@pytest.mark.both_databases
async def test_a_server_that_rejects_whole_batches_gets_halves(import_from):
    def behave(request):
        return twice(request) if len(request.texts) > BATCH // 2 else embedded(request)

    async with raw_server(behave) as server:
        report = await import_from(server)
    assert (report.ingested, report.stopped_by) == (SHOWS, None)


async def test_an_outage_is_probed_with_a_short_text(import_from, monkeypatch):
    monkeypatch.setattr(admission, "PROBE_S", 0.05)
    monkeypatch.setattr(gate, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(admission, "DOWN_AFTER", 3)
    failures, away = [], 0

    def trouble(request):
        failures.append(len(request.texts))
        return error(503) if len(failures) < 8 else embedded(request)

    async with raw_server(after(2, trouble)) as server:
        report = await import_from(server)
    assert report.ingested == SHOWS
    away = failures[3:8]
    assert away == [1] * 5, "after three batches have failed, and until one short text is served"
    assert failures[8] == BATCH


async def test_a_provider_that_serves_the_probe_and_nothing_else_is_given_up(import_from, monkeypatch):
    monkeypatch.setattr(admission, "PROBE_S", 0.05)
    monkeypatch.setattr(gate, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(admission, "DOWN_AFTER", 2)

    def cut(request):
        return error(503) if len(request.texts) > 1 else embedded(request)

    async with raw_server(after(2, cut)) as server:
        report = await import_from(server)
        bulk = [request for request in server.requests if len(request.texts) > 1]
    assert "stopped answering" in report.stopped_by
    assert len(bulk) <= 2 + 2 * 3 * circuit_breaker.RELAPSES


@pytest.mark.parametrize("headers", [{"retry-after": "0"}, {"retry-after": "soon"}, {}])
async def test_endless_429s_end_an_import(import_from, headers, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "DOWN_PATIENCE_S", 1.0)
    refused = error(429, "slow down", "rate_limit_exceeded", headers)
    async with raw_server(after(2, lambda _: refused)) as server:
        report = await import_from(server)
    assert "keeps refusing requests" in report.stopped_by
    assert (report.ingested, report.cancelled) == (2 * BATCH, SHOWS - 2 * BATCH)


@pytest.mark.parametrize("headers", [{"retry-after": "0"}, {"retry-after": "soon"}])
async def test_endless_429s_end_a_question(opened, headers, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "REFUSED_PATIENCE_S", 1.0)
    async with raw_server(lambda _: error(429, "slow down", "rate_limit_exceeded", headers)) as server:
        async with opened(server) as services:
            with pytest.raises(RateLimitedError, match="keeps refusing"):
                await services.embedder.embed(["a"], priority=Priority.LIVE)


def chunk(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 3}}
FILTERS = {
    "an end without text": events(chunk("content_filter"), USAGE),
    "an end without text on a line that stays open": events(chunk("content_filter"), USAGE, hold=True),
    "a 400 before the answer": error(400, "Blocked by the content management policy", "content_filter"),
    "an error in the stream": events({"error": {"code": "content_filter", "message": "filtered"}}),
}


@pytest.mark.parametrize("answer", FILTERS.values(), ids=FILTERS.keys())
async def test_an_answer_that_a_content_filter_emptied_is_a_refusal_and_requested_once(opened, source, answer):
    def behave(request):
        if request.path.endswith("/embeddings"):
            return embedded(request)
        return answer

    async with raw_server(behave) as server:
        async with opened(server) as services:
            await services.ingestion.run([source], Control())
            answered = await services.answering.ask("What does the captain find on voyage 3?")
        asked = [json.dumps(request.json) for request in server.requests if "chat" in request.path]
    assert (answered.status, answered.text, answered.error) == (AnswerStatus.REFUSED, None, None)
    assert len(asked) == 1
