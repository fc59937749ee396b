"""Measures the same work done one call at a time, with threads and with async, at several levels.

Knows nothing of the owner's catalogue, which it never changes, nor of charts.
Way through: `plan` and `presets` say what is measured; `runner` runs it: `site` prepares, `measuring`
times a run of ours or of `baselines`; `experiment` does the arithmetic, `summary` and `tables` present it.
"""
