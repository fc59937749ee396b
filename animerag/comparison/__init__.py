"""Measures the same work done one call at a time, with threads and with async, at several levels.

Knows nothing of the owner's catalogue, which it never touches, nor of charts.
Way through: `presets` and `experiment` say what is measured, `runner` runs it in a sandbox, `baselines` are the rivals.
"""
