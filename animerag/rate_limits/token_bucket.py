"""Limits on requests and tokens per minute as token buckets, configured or announced by the provider.

Headers have the meaning that OpenAI documents: `limit` per minute, `remaining` now, and `reset` until the bucket is
full. The limits of a server with another meaning are learnt from its refusals.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from animerag.rate_limits.window import WINDOW_S, Window

if TYPE_CHECKING:
    from animerag.rate_limits.headers import AnnouncedLimits, Announcement
    from animerag.rate_limits.window import Grant

# This clock starts when a request leaves, the server's when it arrives; the first one also opens a connection.
MARGIN_S = 0.05
BURST_S = 5.0  # servers may enforce a limit per minute over a shorter time
HISTORY = 512
SURPLUS = 3.0  # the largest error by rounding; a larger surplus means a separate bucket
IGNORED_RATE = 100.0  # requests per second; limits learnt from refusals are never this high


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text, rarely too low: English is overestimated by about half.

    The real vocabulary is not available offline. A Japanese character of three bytes takes up to 1.5 tokens.
    """
    plain = len(text.encode("ascii", "ignore"))
    wide = len(text.encode("utf-8", "replace")) - plain
    return math.ceil(plain / 3 + wide / 2)


class Bucket:
    """A token bucket: holds at most `capacity` units and gains `rate` per second; without a rate there is no limit."""

    def __init__(self, *, per_minute: float | None = None, burst_s: float = BURST_S) -> None:
        self.rate: float | None = None
        self.capacity = math.inf
        self.reset_at = 0.0
        self._left = math.inf
        self._at = 0.0
        self._spends: deque[tuple[float, float]] = deque(maxlen=HISTORY)
        self._certain: tuple[float, float] | None = None  # the time of the last refusal, and the units left then
        self._announced: _AnnouncedLimit | None = None
        self._refusals = _RefusalHistory()
        if per_minute is not None:
            self.rate = per_minute / 60
            self.capacity = max(1.0, self.rate * burst_s)
            self._left = self.capacity + self._margin

    @property
    def known(self) -> bool:
        """Return whether there is a limit."""
        return self.rate is not None

    @property
    def _margin(self) -> float:
        return (self.rate or 0.0) * MARGIN_S

    def left(self, now: float) -> float:
        """Return the units left now, negative after spending more than the bucket had."""
        self._refill(now)
        return self._left

    def fullness(self, now: float) -> float:
        """Return the share of the capacity that is left, 1 without a limit."""
        return self.left(now) / self.capacity if self.known else 1.0

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may be spent; an amount above the capacity waits for a full bucket."""
        if self.rate is None or amount <= 0:
            return 0.0
        lacking = min(amount, self.capacity) + self._margin - self.left(now)
        # Tolerate rounding errors, or a sleeper could wake slightly too early again and again.
        return lacking / self.rate if lacking > 1e-9 else 0.0

    def spend(self, amount: float, now: float) -> None:
        """Take units out."""
        self._refill(now)
        self._left -= amount
        self._refusals.sent += 1
        self._spends.append((now, amount))

    def give_back(self, amount: float) -> None:
        """Put back units that were not used."""
        self._left = min(self._left + amount, self.capacity + self._margin)

    def absorb(self, other: Bucket) -> None:
        """Add the spending history of another bucket to this one's."""
        self._spends = deque(sorted([*self._spends, *other._spends]), maxlen=HISTORY)

    def accept(self, now: float) -> None:
        """Record that a request succeeded."""
        if self._refusals.accept():
            self._settle(now)

    @property
    def announced(self) -> float | None:
        """Return the last announced limit, or None."""
        return self._announced.limit if self._announced else None

    def hides(self, remaining: float, sent_at: float, now: float) -> bool:
        """Return whether more was left for a request sent at that time than this bucket had."""
        return self.known and remaining > self.left(now) + self.spent_since(sent_at) + SURPLUS

    def spent_since(self, sent_at: float) -> float:
        """Return the units spent since a time."""
        return sum(amount for moment, amount in self._spends if moment >= sent_at)

    def hold_to(self, amount: float, now: float) -> None:
        """Lower the units left to at most `amount`."""
        self._left = min(self.left(now), amount)

    def learn(self, announcement: Announcement, now: float, *, only: bool) -> None:
        """Learn an announcement; `only` means that no other request can have changed it since."""
        if self._announced is None or announcement.limit != self._announced.limit:
            self._announced = _AnnouncedLimit(announcement.limit)
        self._announced.take(announcement)
        self._settle(now)
        self.reset_at = now + (announcement.reset_s or 0.0)
        if announcement.remaining is not None:
            # `remaining` is rounded down, so up to one more unit may be left.
            self._left = min(self.left(now), announcement.remaining + 1)
            if only:
                self._left = max(self._left, announcement.remaining)

    def refuse(self, amount: float, wait_s: float, now: float) -> None:
        """Record a 429 with a wait: the amount was not used, and exactly this amount will be available afterwards."""
        self.give_back(amount)
        if self._spends:
            self._spends.pop()
        self._refusals.refuse(now + wait_s)
        self._settle(now)
        if self.rate is not None:
            self._left = min(self.left(now), amount - self.rate * wait_s)
            self._certain = now, self._left

    def _settle(self, now: float) -> None:
        """Use the slower of the announced and the learnt rate; recompute what is left if it changed."""
        announced = self._announced.rate if self._announced else math.inf
        capacity = self._announced.capacity if self._announced else 1.0
        self._refill(now)
        if self._refusals.rate < announced:
            self.rate, self.capacity = self._refusals.rate, capacity
            self._left = min(self._left, capacity)
        elif math.isinf(announced):
            self.rate, self.capacity, self._left = None, math.inf, math.inf
        elif (announced, capacity) != (self.rate, self.capacity):
            self.rate, self.capacity = announced, capacity
            self._replay(now)

    def _refill(self, now: float) -> None:
        if self.rate is not None:
            self._left = min(self._left + self.rate * max(0.0, now - self._at), self.capacity + self._margin)
        self._at = max(self._at, now)

    def _replay(self, now: float) -> None:
        """Recompute what is left as if rate and capacity had been known since the last refusal or the first request.

        The bucket is assumed to be full at the first request, which is wrong if another model shares it. After a
        refusal, exactly the refused amount will be available.
        """
        self._at, self._left = self._spends[0][0] if self._spends else now, self.capacity
        if self._certain is not None:
            self._at, self._left = self._certain
        for moment, amount in self._spends:
            if moment >= self._at:
                self._refill(moment)
                self._left -= amount
        self._refill(now)


class _RefusalHistory:
    """Learns a rate from refusals: the number of requests that succeed between two refusals.

    Two counts must agree before a rate is used. Every success raises the rate, and more so the longer no refusal
    follows.
    """

    def __init__(self) -> None:
        self.rate = math.inf
        self.sent = 0  # since the last refusal
        self._opened_at: float | None = None
        self._count = 0.0
        self._successes = 0

    def refuse(self, opens_at: float) -> None:
        """Record a refusal and the time at which requests are allowed again."""
        accepted = self.sent - 1
        if self._opened_at is not None and accepted > 0 and opens_at > self._opened_at:
            before, self._count = self._count, accepted / (opens_at - self._opened_at)
            if math.isclose(before, self._count, rel_tol=0.1):
                self.rate = 0.95 * self._count
        self._opened_at, self.sent, self._successes = opens_at, 0, 0

    def accept(self) -> bool:
        """Record a success; return whether it changed the rate."""
        self._successes += 1
        self.rate *= 1 + 0.01 * self._successes
        if self.rate > IGNORED_RATE:
            self.rate = math.inf
        return math.isfinite(self.rate)


class _AnnouncedLimit:
    """A limit per minute with the capacity that its announcements imply."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._size = 0.0  # 0 until announced

    def take(self, announcement: Announcement) -> None:
        """Learn one announcement: the capacity is what is left plus what arrives until the reset."""
        if announcement.remaining is not None and announcement.reset_s is not None:
            arriving = self.rate * max(0.0, announcement.reset_s - announcement.precision_s)
            self._size = max(self._size, announcement.remaining + arriving)

    @property
    def rate(self) -> float:
        return self.limit / 60

    @property
    def capacity(self) -> float:
        return min(self.limit, max(1.0, self._size)) if self._size else self.limit


class Pace:
    """The limits on requests and tokens together."""

    def __init__(
        self, *, max_rpm: float | None = None, max_tpm: float | None = None, window_s: float = WINDOW_S
    ) -> None:
        """`max_rpm` and `max_tpm` hold in every period of `window_s` seconds; the buckets keep bursts short."""
        minutes = window_s / 60
        self.requests = Bucket(per_minute=None if max_rpm is None else max_rpm / minutes, burst_s=BURST_S * minutes)
        self.tokens = Bucket(per_minute=None if max_tpm is None else max_tpm / minutes, burst_s=BURST_S * minutes)
        self._requests = Window(max_rpm, seconds=window_s)
        self._tokens = Window(max_tpm, seconds=window_s)

    @property
    def known(self) -> bool:
        """Return whether there is a limit on requests or tokens."""
        return self.requests.known or self.tokens.known

    def wait_s(self, tokens: float, now: float) -> float:
        """Return the seconds until a request of so many tokens may start."""
        return max(
            self.requests.wait_s(1, now),
            self.tokens.wait_s(tokens, now),
            self._requests.wait_s(1, now),
            self._tokens.wait_s(tokens, now),
        )

    def spend(self, tokens: float, now: float) -> Grant:
        """Record the start of a request; return its grant of tokens."""
        self.requests.spend(1, now)
        self.tokens.spend(tokens, now)
        self._requests.spend(1, now)
        return self._tokens.spend(tokens, now)

    def left(self, now: float) -> tuple[float, float]:
        """Return the requests and tokens left now, infinite without a limit."""
        return (
            min(self.requests.left(now), self._requests.left(now)),
            min(self.tokens.left(now), self._tokens.left(now)),
        )

    def refuse(self, tokens: float, wait_s: float, now: float) -> None:
        """Record a request that was refused for `wait_s` seconds."""
        self.requests.refuse(1, wait_s, now)
        self.tokens.give_back(tokens)

    def absorb(self, other: Pace) -> None:
        """Add the history of another pace to this one's."""
        self.requests.absorb(other.requests)
        self.tokens.absorb(other.tokens)

    @property
    def announced(self) -> tuple[float | None, float | None]:
        """Return the last announced limits in requests and tokens."""
        return self.requests.announced, self.tokens.announced

    def learn(self, limits: AnnouncedLimits, now: float, *, only: bool) -> None:
        """Learn the announcement in an answer; `only` means that no other request can have changed it since."""
        if limits.requests is not None:
            self.requests.learn(limits.requests, now, only=only)
        if limits.tokens is not None:
            self.tokens.learn(limits.tokens, now, only=only)
