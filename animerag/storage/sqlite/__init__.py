"""All that is particular to SQLite: one file with FTS5, locks beside it, checks of its pages.

Way through: `engine.SQLite` opens the file; `full_text` and `statistics` are the twins of PostgreSQL's.
"""
