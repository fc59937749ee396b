"""Providers of models: their names, the servers on this machine, and the usage of a call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

ProviderName = Literal["openai", "local"]


class Priority(IntEnum):
    """The order in which queued requests are sent; lower comes first."""

    LIVE = 0
    BATCH = 1
    INGEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a provider counted; `cost_usd` is None if the price is unknown, never 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int = 0
    cost_usd: float | None = None
    estimated: bool = False  # whether a part is estimated, because the provider reported no usage

    @property
    def tokens(self) -> int:
        """Count all tokens."""
        return self.input_tokens + self.output_tokens + self.embedding_tokens

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        if any(one.cost_usd is None and one.tokens for one in (self, other)):
            costs = []  # one unknown part makes the sum unknown
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            embedding_tokens=self.embedding_tokens + other.embedding_tokens,
            cost_usd=sum(costs) if costs else None,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """A model server on this machine: its product name, its address, and its chat models."""

    name: str
    url: str
    models: tuple[str, ...]
