"""Long work that outlives a tab: started, watched, cancelled, journalled; imports one at a time.

Knows nothing of what a job does.
Way through: `jobs.Jobs.start` runs a coroutine with a `Control`, `import_lock` holds other processes off.
"""
