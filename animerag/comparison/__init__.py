"""Measures the same work in the modes sync, threads and async at several concurrency levels.

It never changes the user's catalogue, and knows nothing of charts. `plan` and `presets` define an experiment; `runner`
runs it: `workspaces` prepares the work, `timing` times one run of the app's services or of `baselines`; `experiment`
computes, `summary` and `tables` present the results.
"""
