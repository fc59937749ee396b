"""Stores shows, vectors, full text, jobs, runs, conversations and settings in one SQL database.

Knows nothing of providers, questions or pages. SQL and its dialects stay here.
Way through: `library.Library` opens the database and stores shows; each other module is a table or a file.
"""
