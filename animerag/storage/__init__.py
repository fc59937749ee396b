"""Stores shows, vectors, full text, jobs, runs, conversations and settings in one SQL database.

It knows nothing of providers, questions or pages. SQL and its dialects stay here.
`library.Library` opens the database and stores shows; each other module is a table or a file.
"""
