"""Keeps the vector index equal to the library: embeds what is missing, writes it, checks and repairs it.

Knows nothing of files or questions; what is to be indexed is in the library.
Way through: `indexer.Indexer` embeds and writes, `doctor.Maintenance` finds differences and repairs them.
"""
