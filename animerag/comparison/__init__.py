"""Measures the same work in sync, threads and async modes at several concurrency levels.

Never changes the user's catalogue, and knows nothing of charts.
Way through: `plan` and `presets` define an experiment; `runner` runs it: `site` prepares the work, `measuring` times
one run of the app's services or of `baselines`; `experiment` computes, `summary` and `tables` present the results.
"""
