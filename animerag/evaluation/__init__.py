"""Measures how often the right show is retrieved, over a sheet whose answers are known.

Knows nothing of models that write, or of pages.
Way through: `evaluation.Evaluator` asks retrieval each question, `run_quality` judges a stored run.
"""
