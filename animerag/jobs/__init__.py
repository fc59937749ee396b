"""Runs long work that outlives a browser tab: start, progress, cancel, journal. One process imports at a time.

Knows nothing of what a job does.
Way through: `jobs.Jobs.start` runs a coroutine with a `Control`; `import_lock` makes other processes wait.
"""
