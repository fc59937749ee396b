"""Imports files: bytes to shows, new or changed ones embedded many at a time, stored by one writer.

Knows nothing of pages, and of file formats only what `readers` hands over.
Way through: `importer.Ingestion` reads and resolves ids (`entity_resolution`), `batching` cuts, `pipeline` embeds
and stores.
"""
