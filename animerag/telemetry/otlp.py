"""Sends traces to an OpenTelemetry collector, if the extra `animerag[otlp]` is installed.

Names follow https://github.com/open-telemetry/semantic-conventions-genai. No question, answer or document is sent.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from animerag import __version__
from animerag.errors import SettingsError
from animerag.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanKind, Tracer

    from animerag.telemetry.tracing import Span, Trace

MODEL, EMBEDDING_MODEL = "gen_ai.request.model", "embedding_model"
_CHAT = ("model", "answer")  # the wait for the first word, and the rest of the answer
_OPERATIONS = {"embedding": "embeddings", "vectors": "retrieval"}


@asynccontextmanager
async def exporting(endpoint: str) -> AsyncIterator[None]:
    """Send every trace that ends in this block to the collector at `endpoint`, such as http://127.0.0.1:4318/v1/traces.

    Traces are sent from a separate thread; if the collector is unavailable, they are dropped. Raises SettingsError if
    the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError("ANIMERAG_OTLP_ENDPOINT needs an extra: pip install 'animerag[otlp]'.") from error
    about = Resource.create({"service.name": "animerag", "service.version": __version__})
    provider = TracerProvider(resource=about)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    try:
        with tracing.subscribe(_Sender(provider.get_tracer("animerag", __version__)).send):
            yield
    finally:
        await asyncio.to_thread(provider.shutdown)


class _Sender:
    """Converts finished spans to OpenTelemetry's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def send(self, trace: Trace) -> None:
        """Create a span for the trace and a child for each part; waiting for a model and its answer are one span."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        calls = {key: value for key, value in trace.about.items() if key.startswith("gen_ai.")}
        own = {f"animerag.{key}": value for key, value in trace.about.items() if key not in calls}
        whole = self._started(f"animerag {trace.name}", trace.spans, own, SpanKind.INTERNAL)
        inside = set_span_in_context(whole)
        chat = [span for span in trace.spans if span.name in _CHAT and MODEL in calls]
        if chat:
            about = {"gen_ai.operation.name": "chat", **calls}
            if words := [span for span in chat if span.name == "answer"]:
                waited_s = words[0].start_s - min(span.start_s for span in chat)
                about["gen_ai.response.time_to_first_chunk"] = waited_s
            self._started(f"chat {calls[MODEL]}", chat, about, SpanKind.CLIENT, inside)
        for span in trace.spans:
            if span in chat:
                continue
            model = str(trace.about.get(EMBEDDING_MODEL, "")) if span.name == "embedding" else ""
            operation = _OPERATIONS.get(span.name)
            about = {"gen_ai.operation.name": operation} if operation else {}
            about |= {MODEL: model} if model else {}
            kind = SpanKind.CLIENT if operation else SpanKind.INTERNAL
            self._started(f"{operation or span.name} {model}".strip(), [span], about, kind, inside)

    def _started(
        self, name: str, spans: Sequence[Span], about: Mapping[str, Any], kind: SpanKind, inside: Context | None = None
    ) -> OtelSpan:
        """Return a span from the start of the first to the end of the last."""
        shift_s = time.time() - time.perf_counter()
        start_ns = round((min(one.start_s for one in spans) + shift_s) * 1e9)
        span_started = self._tracer.start_span(name, context=inside, kind=kind, attributes=about, start_time=start_ns)
        span_started.end(round((max(one.end_s for one in spans) + shift_s) * 1e9))
        return span_started
