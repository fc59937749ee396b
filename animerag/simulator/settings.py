"""The latency, limits and faults of a simulated provider, and their command-line options."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

FaultKind = Literal[
    "400", "401", "403", "404", "429", "500", "502", "503", "504",
    "insufficient_quota", "drop", "slow", "truncated", "malformed",
]  # fmt: skip
_KINDS: tuple[str, ...] = get_args(FaultKind)
_EXAMPLE = "Write faults like 429@0.1,500@0.05,drop@0.02."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that affects a share of the requests, `rate` of 1.

    `value` is the factor of `slow` (default 10) or the seconds that a `429` asks for (default 1).
    Raises InvalidInputError.
    """

    kind: FaultKind
    rate: float
    value: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise InvalidInputError(f"{self.kind!r} is not a fault: use {', '.join(_KINDS)}.")
        if not 0 <= self.rate <= 1:
            raise InvalidInputError(f"The rate of {self.kind} must be between 0 and 1, not {self.rate:g}.")
        if self.value is not None and not (self.kind in {"slow", "429"} and 0 < self.value < math.inf):
            raise InvalidInputError(
                f"{self.kind}={self.value:g} is not valid: only slow and 429 take a number, and it must be above 0."
            )

    def __str__(self) -> str:
        return f"{self.kind}@{self.rate}" if self.value is None else f"{self.kind}={self.value}@{self.rate}"


def parse_faults(spec: str) -> tuple[Fault, ...]:
    """Parse `429@0.1,slow=30@0.01`: each fault with its rate, after an optional number with `=`.

    Raises InvalidInputError.
    """
    return tuple(_fault(rule.strip()) for rule in spec.split(",") if rule.strip())


def _fault(rule: str) -> Fault:
    name, at, rate = rule.partition("@")
    kind, equals, value = name.strip().partition("=")
    try:
        numbers = float(rate), float(value) if equals else None
    except ValueError:
        missing = f"{rule!r} has no rate" if not at or not rate else f"{rule!r} contains something that is not a number"
        raise InvalidInputError(f"{missing}. {_EXAMPLE}") from None
    return Fault(kind=cast("FaultKind", kind), rate=numbers[0], value=numbers[1])


def _setting(default: Any, flag: str, convert: Callable[[str], object], text: str) -> Any:
    return field(default=default, metadata={"flag": flag, "convert": convert, "help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """The latency, limits and faults of a provider. Raises InvalidInputError for invalid numbers.

    `burst` is how many requests are accepted at once; the default is the limit per minute.
    """

    # The latencies that the project's targets assume: 0.3 s per embedding, 3 s per answer.
    embed_latency_s: float = _setting(0.3, "--embed-latency", float, "seconds per embedding request")
    embed_per_item_s: float = _setting(0.0, "--embed-per-item", float, "seconds that each text adds")
    chat_latency_s: float = _setting(3.0, "--chat-latency", float, "seconds per answer")
    first_token_s: float | None = _setting(
        None, "--first-token", float, "seconds to the first token of a streamed answer (default: a quarter)"
    )
    jitter: float = _setting(0.0, "--jitter", float, "share by which each latency varies at random, 0 to 1")
    requests_per_minute: int | None = _setting(None, "--rpm", int, "accepted requests per minute")
    tokens_per_minute: int | None = _setting(None, "--tpm", int, "accepted tokens per minute")
    burst: int | None = _setting(None, "--burst", int, "requests accepted at once: 5 per 10 s is --rpm 30 --burst 5")
    faults: tuple[Fault, ...] = _setting(
        (), "--faults", parse_faults, "faults and their rates: 429@0.1,500@0.05,drop@0.02,slow@0.01,"
        "truncated@0.01,malformed@0.01; also 503 and other statuses, or insufficient_quota"
    )  # fmt: skip
    dimensions: int = _setting(1536, "--dim", int, "dimensions of the vectors")
    seed: int = _setting(0, "--seed", int, "random seed for jitter and faults")

    def __post_init__(self) -> None:
        for name in ("embed_latency_s", "embed_per_item_s", "chat_latency_s", "first_token_s"):
            seconds = getattr(self, name)
            self._require(seconds is None or 0 <= seconds < math.inf, name, "a number of seconds of at least 0")
        self._require(0 <= self.jitter <= 1, "jitter", "between 0 and 1")
        for name in ("requests_per_minute", "tokens_per_minute", "burst"):
            count = getattr(self, name)
            self._require(count is None or count >= 1, name, "1 or more")
        self._require(1 <= self.dimensions <= 4096, "dimensions", "between 1 and 4096")
        if self.burst is not None and self.requests_per_minute is None:
            raise InvalidInputError("--burst needs --rpm: use both, or neither.")
        if sum(fault.rate for fault in self.faults) > 1 + 1e-9:
            raise InvalidInputError("The rates of all faults must not exceed 1 in total: lower some of them.")

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise InvalidInputError(f"{_flags()[name]} must be {wanted}, not {getattr(self, name):g}.")

    def arguments(self) -> list[str]:
        """Return the command-line options for these settings."""
        given = {flag: getattr(self, name) for name, flag in _flags().items()}
        given["--faults"] = ",".join(str(fault) for fault in self.faults) or None
        return [f"{flag}={value}" for flag, value in given.items() if value is not None]


def _flags() -> dict[str, str]:
    return {item.name: item.metadata["flag"] for item in fields(SimulatorSettings)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `animerag simulate`; missing ones are None in the namespace."""
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)")
    for item in fields(SimulatorSettings):
        convert = item.metadata["convert"]
        default = "" if item.default in (None, ()) else f" (default: {item.default})"
        parser.add_argument(
            item.metadata["flag"],
            dest=item.name,
            # An invalid SPEC is refused by settings_from in a sentence; argparse would only say "invalid value".
            type=str if convert is parse_faults else convert,
            metavar={int: "N", float: "X"}.get(convert, "SPEC"),
            help=item.metadata["help"] + default,
        )


def settings_from(namespace: argparse.Namespace) -> SimulatorSettings:
    """Return settings from parsed options; missing values have defaults. Raises InvalidInputError."""
    named = {item.name: getattr(namespace, item.name, None) for item in fields(SimulatorSettings)}
    given = {name: value for name, value in named.items() if value is not None}
    if isinstance(given.get("faults"), str):
        given["faults"] = parse_faults(given["faults"])
    return SimulatorSettings(**given)
