"""The SQLite implementation: one file with FTS5, lock files, and checks of its pages.

`engine.SQLite` opens the file; `full_text` and `statistics` correspond to those of PostgreSQL.
"""
