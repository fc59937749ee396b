"""Prices of the default models, and the cost of a call. `ANIMERAG_PRICES` overrides them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AS_OF = "2026-11-23"
OUTPUT = ":output"  # marks the price of output tokens if it differs from input

# USD per million tokens on that day, https://platform.openai.com/docs/pricing
DEFAULT_PRICES: Mapping[str, float] = {
    "gpt-5-nano": 0.05,
    "gpt-5-nano:output": 0.40,
    "text-embedding-3-small": 0.02,
    "text-embedding-3-large": 0.13,
}


def price_table(overrides: Mapping[str, float]) -> dict[str, float]:
    """Return the default prices, overridden by the user's."""
    return {**DEFAULT_PRICES, **overrides}


def cost_usd(prices: Mapping[str, float], model: str, *, input_tokens: int = 0, output_tokens: int = 0) -> float | None:
    """Return the cost of a call, or None if the price is unknown; a single price applies to input and output."""
    price = prices.get(model)
    if price is None:
        return None
    return (input_tokens * price + output_tokens * prices.get(model + OUTPUT, price)) / 1_000_000
