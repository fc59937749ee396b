"""Finds the shows a question is about: title match, full text and vectors at the same time, then one ranking.

It knows nothing of how an answer is written. `retriever.Retriever.search` runs the three searches, `word_coverage` and
`reranking` compare the results with the question once more, and `fusion` orders them by the weights of `ranking_model`.
"""
