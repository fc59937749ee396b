"""What the program records about itself: spans, event-loop lag, statistics, and how it sheds load.

Knows nothing of the catalogue; no text of a document, question or key is ever recorded.
Way through: `tracing.span` records, `loop_lag` watches the loop, `otlp` sends spans to a collector.
"""
