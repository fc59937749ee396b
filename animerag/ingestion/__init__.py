"""Imports files: reads shows, embeds the new and changed ones in concurrent batches, and stores them with one writer.

It knows nothing of pages, nor of file formats beyond what `readers` returns.
`importer.Ingestion` runs an import; `two_pass` reads, `entity_resolution` resolves ids, `batching` cuts
batches, `pipeline` embeds and stores them.
"""
