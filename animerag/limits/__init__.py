"""The gate that every call to a provider goes through: slots, pacing, cool-down, retries, and what they cost a job."""

from animerag.limits.budget import budgeted, spending
from animerag.limits.gate import Gate, GateState, nobody_is_served
from animerag.limits.headers import retry_after_s
from animerag.limits.levels import LevelChoice
from animerag.limits.meter import Meter, metering
from animerag.limits.pacing import estimate_tokens

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
