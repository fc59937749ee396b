"""Measures how often the right show is retrieved, with a sheet whose answers are known.

It knows nothing of models that write, or of pages. `evaluation.Evaluator` asks retrieval each question, `run_quality`
judges a stored run.
"""
