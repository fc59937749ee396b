"""Spans, event-loop lag, statistics and load shedding.

Knows nothing of the catalogue; no text of a document, question or key is ever recorded.
Way through: `tracing.span` records, `loop_lag` watches the loop, `otlp` sends spans to a collector.
"""
