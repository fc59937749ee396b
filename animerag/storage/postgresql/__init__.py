"""The PostgreSQL implementation: psycopg, a postings table with BM25, and session locks.

`engine.PostgreSQL` opens a URL; `full_text` and `statistics` correspond to those of SQLite.
"""
