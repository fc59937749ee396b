"""When to stop asking: bulk work of a model ends at once where its provider is unusable, refuses, or stays away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NoReturn

from animerag.errors import ProviderError, ProviderUnusableError, RateLimitedError
from animerag.models.providers import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.rate_limits.admission import Admission, Call, Model

PATIENCE_S = 120.0  # a provider that asks for more than this is not waited for
OPEN_S = 30.0  # how long bulk work believes that a key is bad before one call looks again
DOWN_PATIENCE_S = 600.0  # bulk work waits so long for a provider that has stopped answering
REFUSED_PATIENCE_S = 60.0  # a live call is refused with 429 for so long; bulk work waits as for one that is down
RELAPSES = 2  # answered probes after which the calls themselves still failed


class CircuitBreaker:
    """Holds bulk work of a model while its provider fails; live questions always try."""

    def __init__(self, admission: Admission, clock: Callable[[], float]) -> None:
        self._admission = admission
        self._clock = clock

    def check(self, call: Call) -> None:
        """Send bulk calls away while the provider is known to refuse them. Raises ProviderError."""
        model = call.model
        if model.broken_by is None or call.priority is Priority.LIVE:
            return
        now = self._clock()
        if now < model.look_again_at:
            raise self._again(model)
        if isinstance(model.broken_by, RateLimitedError):
            model.broken_by = None  # the stated time is over
        else:
            model.look_again_at = now + OPEN_S  # this one call looks, the others go on believing

    def open(self, call: Call, reason: ProviderError, seconds: float = OPEN_S) -> None:
        """Let bulk work of this model fail at once, the waiting calls now and new ones for some time."""
        model = call.model
        model.broken_by = reason
        model.look_again_at = self._clock() + seconds
        self._admission.fail(model, lambda: self._again(model))

    def answered(self, model: Model) -> None:
        """Note that the provider answers a call: whatever it says, it is there."""
        model.relapses = 0
        self._let_others_go(model)

    def probed(self, model: Model) -> None:
        """Let the others go again; whether the provider is of any use, only their own calls can tell."""
        model.relapses += 1
        self._let_others_go(model)

    def is_away(self, call: Call) -> bool:
        """Tell whether a bulk call should wait for the provider's return: its failures are not the call's own.

        Raises ProviderUnusableError where the provider has been away for too long.
        """
        model = call.model
        if model.down_since is None or call.priority is Priority.LIVE:
            return False
        if self._clock() - model.down_since >= DOWN_PATIENCE_S or model.relapses >= RELAPSES:
            self._give_up(call, "The provider has stopped answering")
        return True

    def check_refusals(self, call: Call) -> None:
        """End a call that nothing but 429s have answered for too long.

        Raises RateLimitedError for a live call, ProviderUnusableError for bulk work.
        """
        now = self._clock()
        call.refused_at = now if call.refused_at is None else call.refused_at
        if call.priority is Priority.LIVE:
            if now - call.refused_at >= REFUSED_PATIENCE_S:
                raise RateLimitedError("The provider keeps asking to slow down. Try again in some minutes.")
        elif now - max(call.refused_at, call.model.served_at) >= DOWN_PATIENCE_S:
            self._give_up(call, "The provider only asks to slow down")

    def _let_others_go(self, model: Model) -> None:
        if model.answered():
            self._admission.pump()

    def _give_up(self, call: Call, why: str) -> NoReturn:
        gone = f"{why}, and what waits for it was given up. Go on when it is back."
        self.open(call, ProviderUnusableError(gone))
        raise self._again(call.model)

    def _again(self, model: Model) -> ProviderError:
        # An exception raised in many tasks would collect the tracebacks of all: each gets its own.
        if isinstance(model.broken_by, RateLimitedError):
            return long_wait(max(0.0, model.look_again_at - self._clock()))
        return ProviderUnusableError(str(model.broken_by))


def nobody_is_served(error: Exception) -> bool:
    """Tell whether every other call of bulk work would end alike, so that what is left is better kept for later."""
    return asks_long(error) or isinstance(error, ProviderUnusableError)


def asks_long(error: Exception) -> bool:
    """Tell whether an error is a refusal that asks for a longer wait than anybody should sit through."""
    return isinstance(error, RateLimitedError) and (error.retry_after_s or 0.0) > PATIENCE_S


def long_wait(seconds: float) -> RateLimitedError:
    """Return the refusal that says how long to stay away, in minutes or hours."""
    minutes = math.ceil(seconds / 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{math.ceil(minutes / 60)} hours"
    return RateLimitedError(f"The provider asks to wait {span}. Start again after that.", retry_after_s=seconds)
