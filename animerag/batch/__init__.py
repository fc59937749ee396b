"""Runs a sheet of questions: each once, a few in flight, journalled as it lands, exported in order.

Knows nothing of how one question is answered, nor of files on disk beyond an export.
Way through: `runner.Batch` groups rows, `prefetch` embeds ahead of them, `estimate` prices them, `export` writes.
"""
