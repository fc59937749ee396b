"""Work spread over hosts: durable tasks in PostgreSQL, the workers that take them, and what each one does.

Knows no kind of work.
Way through: `work_queue.WorkQueue` hands tasks out, `worker.Worker` takes them, and `workers` lists all such processes.
"""
