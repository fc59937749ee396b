"""Embeddings and answers from any server that speaks the OpenAI protocol; vendor exceptions are translated here.

The gate decides when a request is sent and whether it is retried; these modules handle a single request.
openai_embeddings.py and openai_chat.py build requests, openai_connection.py sends them, openai_streams.py
and openai_payloads.py read responses, openai_errors.py translates errors.
"""

from animerag.providers.openai_chat import OpenAIChat
from animerag.providers.openai_connection import OpenAIConnection
from animerag.providers.openai_embeddings import DIMENSIONS, OpenAIEmbedder

__all__ = ["DIMENSIONS", "OpenAIChat", "OpenAIConnection", "OpenAIEmbedder"]
