"""All that is particular to PostgreSQL: psycopg, a postings table with BM25, session locks.

Way through: `engine.PostgreSQL` opens a URL; `full_text` and `statistics` are the twins of SQLite's.
"""
