"""Spans, event-loop lag, statistics and load shedding.

It knows nothing of the catalogue; no text of a document, question or key is ever recorded.
`tracing.span` records, `loop_lag` watches the loop, `otlp` sends spans to a collector.
"""
