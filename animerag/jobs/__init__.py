"""Runs long work that outlives a browser tab: start, progress, cancel, journal. One process imports at a time.

`journalled_control` lets every process on the catalogue see and control the jobs of the others.

It knows nothing of what a job does.
`jobs.Jobs.start` runs a coroutine with a `Control`; `import_lock` makes other processes wait.
"""
