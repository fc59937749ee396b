"""Learns the announced limits of models, and which models share one.

Models that announce the same numbers are taken to share one limit, because a key's limit may count the calls of all its
models. If a provider gives each model its own limit with the same numbers, one of them soon has more left than a shared
limit allows, and the two are separated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.rate_limits.admission import Model
from animerag.rate_limits.token_bucket import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from animerag.rate_limits.headers import AnnouncedLimits

_NOTHING = (None, None)
_PROOFS = 2  # announcements in a row that contradict a shared limit


class Models:
    """The models of one provider by name, each with the pace of its calls."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._contradictions: dict[str, int] = {}
        self._separated: set[str] = set()
        self.new_are_cautious = True

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str) -> Model:
        """Return a model, creating it if it is new."""
        if name not in self._models:
            self._models[name] = Model(name=name, cautious=self.new_are_cautious)
            self._join(self._models[name], self._announced())
        return self._models[name]

    def learn(self, model: Model, limits: AnnouncedLimits, sent_at: float, now: float) -> None:
        """Learn the announcement in the answer to a request that was sent at `sent_at`."""
        partners = self._partners(model)
        if partners and (limits.numbers != model.pace.announced or self._contradicts(model, limits, sent_at, now)):
            self._separate(model, limits, sent_at, now)
            return
        if not partners:
            self._join(model, limits.numbers)
        self._gather(model)
        sharing = [model, *self._partners(model)]
        in_flight = set[int]().union(*(one.in_flight for one in sharing))
        only = in_flight == {max(one.last for one in sharing)}
        model.pace.learn(limits, now, only=only)

    def _gather(self, model: Model) -> None:
        """Let models without an announcement share this model's limit until they have their own."""
        for other in self:
            unknown = other.pace is not model.pace and other.pace.announced == _NOTHING
            if unknown and not self._separated & {model.name, other.name}:
                model.pace.absorb(other.pace)
                other.pace = model.pace

    def _announced(self) -> tuple[float | None, float | None]:
        return next((model.pace.announced for model in self if model.pace.announced != _NOTHING), _NOTHING)

    def _partners(self, model: Model) -> list[Model]:
        return [other for other in self if other is not model and other.pace is model.pace]

    def _join(self, model: Model, numbers: tuple[float | None, float | None]) -> None:
        """Let a model share the pace of another with the same numbers, unless either has been separated."""
        if model.name in self._separated or numbers == _NOTHING:
            return
        for other in self:
            if other.pace is not model.pace and other.name not in self._separated and other.pace.announced == numbers:
                other.pace.absorb(model.pace)
                model.pace = other.pace
                return

    def _separate(self, model: Model, limits: AnnouncedLimits, sent_at: float, now: float) -> None:
        """Give a model its own pace; requests since the answered one may have been its own."""
        since = model.pace.requests.spent_since(sent_at)
        model.pace = Pace()
        self._separated.add(model.name)
        model.pace.learn(limits, now, only=False)
        if limits.requests is not None and limits.requests.remaining is not None:
            model.pace.requests.hold_to(limits.requests.remaining - since, now)

    def _contradicts(self, model: Model, limits: AnnouncedLimits, sent_at: float, now: float) -> bool:
        remaining = limits.requests.remaining if limits.requests else None
        hidden = remaining is not None and model.pace.requests.hides(remaining, sent_at, now)
        self._contradictions[model.name] = self._contradictions.get(model.name, 0) + 1 if hidden else 0
        return self._contradictions[model.name] >= _PROOFS
