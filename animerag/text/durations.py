"""Formats durations in words, and the time that work is expected to take."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE_S = 60
_UNDER_A_MINUTE = 100  # durations below this are given in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeEstimate:
    """The seconds that work will take, as a range whose ends are equal if its speed has been measured."""

    least_s: float
    most_s: float

    def words(self) -> str:
        """Return the range in words: "about 12 s" if the speed was measured, otherwise "15 to 50 s"."""
        if self.most_s < 1:
            return "less than a second"
        if self.least_s == self.most_s:
            return f"about {rough(self.least_s)}"
        least, most = rough(self.least_s), rough(self.most_s)
        if least == most:
            return f"about {least}"
        number, unit = least.split(" ", 1)
        shared = most.split(" ", 1)[1] == unit
        return f"{number if shared else least} to {most}"


def duration(seconds: float) -> str:
    """Return a duration in words, as precisely as people plan."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < _UNDER_A_MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def rough(seconds: float) -> str:
    """Return one end of a range in whole seconds, at least one, because an estimate is not more precise."""
    return f"{max(1, round(seconds))} s" if seconds < _UNDER_A_MINUTE else duration(seconds)
