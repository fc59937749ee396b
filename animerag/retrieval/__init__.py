"""Finds the shows a question is about: title match, full text and vectors at the same time, then one ranking.

Knows nothing of how an answer is written.
Way through: `retriever.Retriever.search` runs the three searches, `word_coverage` and `reranking` compare what they
found with the question once more, and `fusion` orders it by the weights of `ranking_model`.
"""
