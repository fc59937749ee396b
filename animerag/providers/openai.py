"""Embeddings and answers from any server that speaks the OpenAI protocol. Every vendor exception ends here.

The gate decides when a request leaves and whether it is tried again; here is only what one request means.
Way through: openai_connection.py sends, openai_embeddings.py and openai_chat.py say what, openai_streams.py and
openai_payloads.py read answers, openai_errors.py says what errors mean.
"""

from animerag.providers.openai_chat import OpenAIChat
from animerag.providers.openai_connection import OpenAIConnection
from animerag.providers.openai_embeddings import DIMENSIONS, OpenAIEmbedder

__all__ = ["DIMENSIONS", "OpenAIChat", "OpenAIConnection", "OpenAIEmbedder"]
