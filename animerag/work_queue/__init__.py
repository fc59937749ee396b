"""Distributes work over hosts: durable tasks in PostgreSQL, and the workers that run them.

It knows no kind of work. `work_queue.WorkQueue` hands tasks out, `worker.Worker` takes them, and `workers` lists all
such processes.
"""
