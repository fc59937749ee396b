"""Requests and tokens a minute as leaking buckets, configured or as the provider announces them.

Headers are read as OpenAI documents them: `limit` is what a minute allows, `remaining` what may be sent at once, and
`reset` the time until all of it may be. A server that means something else is learnt from its refusals.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from animerag.rate_limits.window import WINDOW_S, Window

if TYPE_CHECKING:
    from animerag.rate_limits.headers import AnnouncedLimits, Announcement
    from animerag.rate_limits.window import Grant

# Our clock starts when a request leaves, the server's when it arrives, and the first one also opens a connection.
MARGIN_S = 0.05
BURST_S = 5.0  # a configured limit may be enforced over a shorter time than the minute it is stated for
HISTORY = 512
SURPLUS = 3.0  # what an account may miss by rounding; more was never taken from the bucket that it is kept of
IGNORED_RATE = 100.0  # requests a second: nothing that refusals teach is faster than this


def estimate_tokens(text: str) -> int:
    """Return a cautious count of tokens, rarely under the true one: English is over-counted by about a half.

    A vocabulary cannot be fetched offline. Japanese takes up to 1.5 tokens a character of three bytes.
    """
    plain = len(text.encode("ascii", "ignore"))
    wide = len(text.encode("utf-8", "replace")) - plain
    return math.ceil(plain / 3 + wide / 2)


class Bucket:
    """One limit: holds `capacity` units at most and gains `rate` a second. Unknown, it lets everything through."""

    def __init__(self, *, per_minute: float | None = None, burst_s: float = BURST_S) -> None:
        self.rate: float | None = None
        self.capacity = math.inf
        self.reset_at = 0.0
        self._left = math.inf
        self._at = 0.0
        self._spends: deque[tuple[float, float]] = deque(maxlen=HISTORY)
        self._certain: tuple[float, float] | None = None  # when a refusal told what is there, and how much
        self._announced: _AnnouncedLimit | None = None
        self._openings = _Openings()
        if per_minute is not None:
            self.rate = per_minute / 60
            self.capacity = max(1.0, self.rate * burst_s)
            self._left = self.capacity + self._margin

    @property
    def known(self) -> bool:
        """Say whether there is a rate to keep to."""
        return self.rate is not None

    @property
    def _margin(self) -> float:
        return (self.rate or 0.0) * MARGIN_S

    def left(self, now: float) -> float:
        """Return how many units are there now; may be negative after a spend larger than the bucket."""
        self._refill(now)
        return self._left

    def fullness(self, now: float) -> float:
        """Return the share that is left, 1 where no limit is known."""
        return self.left(now) / self.capacity if self.known else 1.0

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` may be spent; more than the bucket holds waits for a full bucket."""
        if self.rate is None or amount <= 0:
            return 0.0
        lacking = min(amount, self.capacity) + self._margin - self.left(now)
        # A billionth is rounding, not lack: without it a sleeper may wake a hair too early, again and again.
        return lacking / self.rate if lacking > 1e-9 else 0.0

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` out."""
        self._refill(now)
        self._left -= amount
        self._openings.sent += 1
        self._spends.append((now, amount))

    def give_back(self, amount: float) -> None:
        """Return what was taken but not used."""
        self._left = min(self._left + amount, self.capacity + self._margin)

    def absorb(self, other: Bucket) -> None:
        """Count what was spent from another bucket as spent from this one, where that is worked out again."""
        self._spends = deque(sorted([*self._spends, *other._spends]), maxlen=HISTORY)

    def accept(self, now: float) -> None:
        """Note that a request was served."""
        if self._openings.accept():
            self._settle(now)

    @property
    def announced(self) -> float | None:
        """Return the limit that the provider announced last."""
        return self._announced.limit if self._announced else None

    def hides(self, remaining: float, sent_at: float, now: float) -> bool:
        """Tell whether more was left for a request that was sent then than this bucket accounts for."""
        return self.known and remaining > self.left(now) + self.spent_since(sent_at) + SURPLUS

    def spent_since(self, sent_at: float) -> float:
        """Return what was taken out from that moment on."""
        return sum(amount for moment, amount in self._spends if moment >= sent_at)

    def hold_to(self, amount: float, now: float) -> None:
        """Believe that no more than `amount` is left."""
        self._left = min(self.left(now), amount)

    def learn(self, announcement: Announcement, now: float, *, only: bool) -> None:
        """Take over an announcement. `only` says that no other request can have changed it since."""
        if self._announced is None or announcement.limit != self._announced.limit:
            self._announced = _AnnouncedLimit(announcement.limit)
        self._announced.take(announcement)
        self._settle(now)
        self.reset_at = now + (announcement.reset_s or 0.0)
        if announcement.remaining is not None:
            # Remaining is rounded down, so up to one more may be there.
            self._left = min(self.left(now), announcement.remaining + 1)
            if only:
                self._left = max(self._left, announcement.remaining)

    def refuse(self, amount: float, wait_s: float, now: float) -> None:
        """Note a 429 that asked for `wait_s`: the refused amount was not used, and just it will be there then."""
        self.give_back(amount)
        if self._spends:
            self._spends.pop()
        self._openings.refuse(now + wait_s)
        self._settle(now)
        if self.rate is not None:
            self._left = min(self.left(now), amount - self.rate * wait_s)
            self._certain = now, self._left

    def _settle(self, now: float) -> None:
        """Take the slower of what is announced and what refusals taught; work out again what is left if it changed."""
        announced = self._announced.rate if self._announced else math.inf
        capacity = self._announced.capacity if self._announced else 1.0
        self._refill(now)
        if self._openings.rate < announced:
            self.rate, self.capacity = self._openings.rate, capacity
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
        """Work out what is left as if rate and capacity had been known from the last refusal or the first request on.

        At the first request the bucket is taken to be full, which it is not where another model draws from it. After a
        refusal just what was refused will be there, unless a whole window opens then.
        """
        self._at, self._left = self._spends[0][0] if self._spends else now, self.capacity
        if self._certain is not None:
            self._at, self._left = self._certain
        for moment, amount in self._spends:
            if moment >= self._at:
                self._refill(moment)
                self._left -= amount
        self._refill(now)


class _Openings:
    """What refusals teach where announcements do not: how many requests fit between one opening and the next.

    A refusal may be bad luck, so only two counts that agree are believed, and every success raises the rate again, by
    more the longer no refusal follows.
    """

    def __init__(self) -> None:
        self.rate = math.inf
        self.sent = 0  # since the last opening
        self._opened_at: float | None = None
        self._count = 0.0
        self._successes = 0

    def refuse(self, opens_at: float) -> None:
        """Note a refusal that said when it would be open again."""
        accepted = self.sent - 1
        if self._opened_at is not None and accepted > 0 and opens_at > self._opened_at:
            before, self._count = self._count, accepted / (opens_at - self._opened_at)
            if math.isclose(before, self._count, rel_tol=0.1):
                self.rate = 0.95 * self._count
        self._opened_at, self.sent, self._successes = opens_at, 0, 0

    def accept(self) -> bool:
        """Note a success; return whether it changed the rate."""
        self._successes += 1
        self.rate *= 1 + 0.01 * self._successes
        if self.rate > IGNORED_RATE:
            self.rate = math.inf
        return math.isfinite(self.rate)


class _AnnouncedLimit:
    """What announcements of one `limit` say: so much a minute, and a bucket that the rest and its reset fill."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._size = 0.0  # 0 until it was announced

    def take(self, announcement: Announcement) -> None:
        """Take over one announcement: what is left, and what comes until the reset, is all that there can be."""
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
    """Requests and tokens together: a request goes when both buckets let it."""

    def __init__(
        self, *, max_rpm: float | None = None, max_tpm: float | None = None, window_s: float = WINDOW_S
    ) -> None:
        """`max_rpm` and `max_tpm` hold for any `window_s` seconds; within them the buckets keep bursts short."""
        minutes = window_s / 60
        self.requests = Bucket(per_minute=None if max_rpm is None else max_rpm / minutes, burst_s=BURST_S * minutes)
        self.tokens = Bucket(per_minute=None if max_tpm is None else max_tpm / minutes, burst_s=BURST_S * minutes)
        self._requests = Window(max_rpm, seconds=window_s)
        self._tokens = Window(max_tpm, seconds=window_s)

    @property
    def known(self) -> bool:
        """Say whether either limit is known."""
        return self.requests.known or self.tokens.known

    def wait_s(self, tokens: float, now: float) -> float:
        """Return the seconds until a request of so many tokens may go."""
        return max(
            self.requests.wait_s(1, now),
            self.tokens.wait_s(tokens, now),
            self._requests.wait_s(1, now),
            self._tokens.wait_s(tokens, now),
        )

    def spend(self, tokens: float, now: float) -> Grant:
        """Note a request that goes, and return what it was granted of the tokens."""
        self.requests.spend(1, now)
        self.tokens.spend(tokens, now)
        self._requests.spend(1, now)
        return self._tokens.spend(tokens, now)

    def left(self, now: float) -> tuple[float, float]:
        """Return how many requests and how many tokens may leave now; infinite where no limit is known."""
        return (
            min(self.requests.left(now), self._requests.left(now)),
            min(self.tokens.left(now), self._tokens.left(now)),
        )

    def refuse(self, tokens: float, wait_s: float, now: float) -> None:
        """Note a request that was refused for `wait_s` seconds."""
        self.requests.refuse(1, wait_s, now)
        self.tokens.give_back(tokens)

    def absorb(self, other: Pace) -> None:
        """Take over what was sent by another pace's account."""
        self.requests.absorb(other.requests)
        self.tokens.absorb(other.tokens)

    @property
    def announced(self) -> tuple[float | None, float | None]:
        """Return the limits in requests and tokens that the provider announced last."""
        return self.requests.announced, self.tokens.announced

    def learn(self, limits: AnnouncedLimits, now: float, *, only: bool) -> None:
        """Take over what an answer announces; `only` says that no other request can have changed it since."""
        if limits.requests is not None:
            self.requests.learn(limits.requests, now, only=only)
        if limits.tokens is not None:
            self.tokens.learn(limits.tokens, now, only=only)
