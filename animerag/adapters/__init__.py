"""Ports made real: OpenAI-compatible servers, the embedded embedder, and Chroma."""
