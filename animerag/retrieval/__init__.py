"""Finds the shows a question is about: title match, full text and vectors at the same time, then one ranking.

Knows nothing of how an answer is written.
Way through: `retriever.Retriever.search` runs the three searches, `fusion` ranks them, `reranking` takes a second look.
"""
