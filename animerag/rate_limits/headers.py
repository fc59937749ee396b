"""Parses rate-limit and retry headers, without any decisions."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Quantity = Literal["requests", "tokens"]

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+)(?:\.(\d+))?(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One announced limit: `remaining` of `limit`, full again in `reset_s`, which is exact to `precision_s`."""

    limit: float
    remaining: float | None = None
    reset_s: float | None = None
    precision_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AnnouncedLimits:
    """The limits that one response announces."""

    requests: Announcement | None
    tokens: Announcement | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> AnnouncedLimits | None:
        """Return the limits in `headers`, or None if there are none."""
        limits = cls(announcement(headers, "requests"), announcement(headers, "tokens"))
        return None if limits == cls(None, None) else limits

    @property
    def numbers(self) -> tuple[float | None, float | None]:
        """Return the limits per minute, in requests and in tokens."""
        return (self.requests.limit if self.requests else None, self.tokens.limit if self.tokens else None)


def announcement(headers: Mapping[str, str], quantity: Quantity) -> Announcement | None:
    """Return the announcement in `x-ratelimit-*-{quantity}`, or None if it is missing or invalid."""
    given = _lowered(headers)
    limit = _number(given.get(f"x-ratelimit-limit-{quantity}"))
    if not limit:
        return None
    reset_s, precision_s = _duration(given.get(f"x-ratelimit-reset-{quantity}"))
    remaining = _number(given.get(f"x-ratelimit-remaining-{quantity}"))
    return Announcement(limit=limit, remaining=remaining, reset_s=reset_s, precision_s=precision_s)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a response asks to wait, or None.

    `retry-after-ms` wins over `Retry-After`, which may be seconds or an HTTP date; `now` is seconds since the epoch.
    """
    given = _lowered(headers)
    milliseconds = _number(given.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = given.get("retry-after")
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, now)


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(text: str | None, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - now)


def _duration(text: str | None) -> tuple[float | None, float]:
    """Parse `6m0s`, `1.25s`, `20ms` or plain seconds; also return the precision of the notation."""
    written = (text or "").strip().lower()
    plain = _number(written)
    if plain is not None:
        written += "s"
    if not _DURATION.fullmatch(written):
        return plain, 0.0
    parts = _PART.findall(written)
    seconds = sum(float(f"{whole}.{decimals or 0}") * _UNITS_S[unit] for whole, decimals, unit in parts)
    _, decimals, unit = parts[-1]
    return seconds, float(_UNITS_S[unit] / 10 ** len(decimals))
