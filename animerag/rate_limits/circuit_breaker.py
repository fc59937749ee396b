"""Stops bulk work of a model while its provider is unusable, keeps refusing, or does not answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

from animerag.errors import ProviderError, ProviderUnusableError, RateLimitedError
from animerag.models.providers import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.rate_limits.admission import Admission, Call, Model

PATIENCE_S = 120.0  # the longest wait that a provider may ask for
OPEN_S = 30.0  # open time before one bulk call probes again
DOWN_PATIENCE_S = 600.0  # bulk work waits this long for a provider that has stopped answering
REFUSED_PATIENCE_S = 60.0  # a live call retries 429s for this long; bulk work waits as if the provider were down
RELAPSES = 2  # successful probes, each followed by failing calls, before bulk work gives up


class CircuitBreaker:
    """Stops bulk work of a model while its provider fails; live questions always try."""

    def __init__(self, admission: Admission, clock: Callable[[], float]) -> None:
        self._admission = admission
        self._clock = clock

    def check(self, call: Call) -> None:
        """Fail a bulk call while the provider is known to refuse it. Raises ProviderError."""
        model = call.model
        if model.broken_by is None or call.priority is Priority.LIVE:
            return
        now = self._clock()
        if now < model.retry_at:
            raise self._again(model)
        if isinstance(model.broken_by, RateLimitedError):
            model.broken_by = None  # the time that the provider asked for has passed
        else:
            model.retry_at = now + OPEN_S  # this call probes, the others keep failing

    def open(self, call: Call, reason: ProviderError, seconds: float = OPEN_S) -> None:
        """Fail the waiting bulk calls of this model now, and new ones for some time."""
        model = call.model
        model.broken_by = reason
        model.retry_at = self._clock() + seconds
        self._admission.fail(model, lambda: self._again(model))

    def answered(self, model: Model) -> None:
        """Record an answer of any kind: the provider is up."""
        model.relapses = 0
        self._release(model)

    def probed(self, model: Model) -> None:
        """Record a successful probe and release the other calls, which show whether the provider really works."""
        model.relapses += 1
        self._release(model)

    def is_away(self, call: Call) -> bool:
        """Return whether a bulk call should wait because the provider is down, rather than the call being wrong.

        Raises ProviderUnusableError if the provider has been down for too long.
        """
        model = call.model
        if model.down_since is None or call.priority is Priority.LIVE:
            return False
        if self._clock() - model.down_since >= DOWN_PATIENCE_S or model.relapses >= RELAPSES:
            self._give_up(call, "The provider has stopped answering")
        return True

    def check_refusals(self, call: Call) -> None:
        """End a call that has got nothing but 429s for too long.

        Raises RateLimitedError for a live call, ProviderUnusableError for bulk work.
        """
        now = self._clock()
        call.refused_at = now if call.refused_at is None else call.refused_at
        if call.priority is Priority.LIVE:
            if now - call.refused_at >= REFUSED_PATIENCE_S:
                raise RateLimitedError("The provider keeps refusing requests (status 429): try again in a few minutes.")
        elif now - max(call.refused_at, call.model.served_at) >= DOWN_PATIENCE_S:
            self._give_up(call, "The provider keeps refusing requests (status 429)")

    def _release(self, model: Model) -> None:
        if model.answered():
            self._admission.pump()

    def _give_up(self, call: Call, why: str) -> NoReturn:
        self.open(call, ProviderUnusableError(f"{why}: resume when it answers again."))
        raise self._again(call.model)

    def _again(self, model: Model) -> ProviderError:
        # One exception raised in many tasks would collect all their tracebacks: each task gets its own.
        if isinstance(model.broken_by, RateLimitedError):
            return long_wait(max(0.0, model.retry_at - self._clock()))
        return ProviderUnusableError(str(model.broken_by))


def nobody_is_served(error: Exception) -> bool:
    """Return whether all other bulk calls would fail the same way, so that the rest should wait for a resumption."""
    return asks_long(error) or isinstance(error, ProviderUnusableError)


def asks_long(error: Exception) -> bool:
    """Return whether an error is a refusal that asks for a longer wait than `PATIENCE_S`."""
    return isinstance(error, RateLimitedError) and (error.retry_after_s or 0.0) > PATIENCE_S


def long_wait(seconds: float) -> RateLimitedError:
    """Return the refusal that names the wait in minutes or hours."""
    minutes = math.ceil(seconds / 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"
    return RateLimitedError(f"The provider asks you to wait {span}: start again after that.", retry_after_s=seconds)
