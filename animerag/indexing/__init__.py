"""Keeps the vector index in step with the library: embeds and writes missing shows, checks and repairs the index.

It knows nothing of files or questions; the library has everything that is to be indexed.
`indexer.Indexer` embeds and writes, `doctor.Maintenance` finds differences and repairs them.
"""
