"""Runs a sheet of questions: asks each distinct question once, several in flight, and journals every answer.

It knows nothing of how a question is answered, nor of files except for exports.
`runner.Batch` groups rows, `prefetch` embeds them together, `estimate` prices them, `export` writes.
"""
