"""Traces as a collector receives them over a real socket, in OpenTelemetry's form."""

import asyncio
import contextlib
import sys

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import SettingsError
from animerag.jobs.jobs import Control
from animerag.simulator import SimulatorSettings
from animerag.simulator.server import listening
from animerag.telemetry.otlp import exporting


@contextlib.asynccontextmanager
async def collector(received):
    """Receive traces; yield the address."""

    async def take(request):
        received.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    await runner.cleanup()


def spans_of(received):
    return [
        span for one in received for part in one.resource_spans for scope in part.scope_spans for span in scope.spans
    ]


def about(span):
    values = {one.key: one.value for one in span.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}


async def test_an_answer_arrives_as_a_trace_with_the_names_of_the_conventions(settings, export, record):
    received = []
    async with (
        collector(received) as endpoint,
        listening(SimulatorSettings(embed_latency_s=0.02, chat_latency_s=0.1)) as url,
    ):
        own = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url, "openai_base_url": url}
        async with open_services(load_settings(**own, otlp_endpoint=endpoint), warm=False) as services:
            await services.ingestion.run([export(record(1, "Monster", "A surgeon saves a boy."))], Control())
            answer = await services.answering.ask("a surgeon and a boy")

    spans = spans_of(received)
    [resource] = {part.resource.SerializeToString() for one in received for part in one.resource_spans}
    assert b"animerag" in resource
    [whole] = [span for span in spans if span.name == "animerag answer"]
    parts = {span.name: span for span in spans if span.parent_span_id == whole.span_id}
    assert {"chat gpt-5-nano", "embeddings text-embedding-3-small", "retrieval", "alias", "words"} <= parts.keys()
    chat = about(parts["chat gpt-5-nano"])
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.request.model"] == "gpt-5-nano"
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.usage.input_tokens"] == answer.usage.input_tokens
    assert chat["gen_ai.usage.output_tokens"] == answer.usage.output_tokens
    assert 0 < chat["gen_ai.response.time_to_first_chunk"] < 10
    assert about(whole)["animerag.status"] == "ok"
    assert any(span.name == "animerag import" for span in spans)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert b"surgeon" not in b"".join(one.SerializeToString() for one in received)


async def test_an_unavailable_collector_does_not_affect_answers(settings, export, record, unused_tcp_port):
    own = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
    endpoint = f"http://127.0.0.1:{unused_tcp_port}/v1/traces"
    async with asyncio.timeout(60):
        async with open_services(load_settings(**own, otlp_endpoint=endpoint), warm=False) as services:
            await services.ingestion.run([export(record(1, "Monster", "A surgeon saves a boy."))], Control())
            assert (await services.answering.ask("What is Monster about?")).text


async def test_a_missing_extra_is_reported_with_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"pip install 'animerag\[otlp\]'"):
        async with exporting("http://127.0.0.1:9/v1/traces"):
            pass
