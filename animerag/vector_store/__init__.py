"""The vector index: Chroma as a server beside the app, or one reached by URL.

It knows nothing of shows beyond ids, metadata and vectors; it can be rebuilt from storage at any time.
`chroma.ChromaIndex` upserts and searches, `chroma_server` starts, shares and ends the local server.
"""
