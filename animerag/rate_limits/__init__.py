"""The gate for all calls to a provider: slots, pacing, cool-down, retries and cost caps.

It knows no vendor.
`gate.Gate` runs a call; `admission` decides when it may start, `token_bucket`, `window` and
`shared_limits` hold the limits, `circuit_breaker` stops calls that cannot succeed, `budget` and `usage` count.
Several hosts ask a `distributed_window` for each request through `permits`.
"""

from animerag.rate_limits.budget import budgeted, spending
from animerag.rate_limits.circuit_breaker import nobody_is_served
from animerag.rate_limits.concurrency import LevelChoice
from animerag.rate_limits.gate import Gate
from animerag.rate_limits.headers import retry_after_s
from animerag.rate_limits.state import GateState
from animerag.rate_limits.token_bucket import estimate_tokens
from animerag.rate_limits.usage import Meter, metering

__all__ = [
    "Gate",
    "GateState",
    "LevelChoice",
    "Meter",
    "budgeted",
    "estimate_tokens",
    "metering",
    "nobody_is_served",
    "retry_after_s",
    "spending",
]
