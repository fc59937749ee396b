"""Presets for the simulated provider, and an estimate of what an experiment takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from animerag.comparison.plan import SYNC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.comparison.plan import ExperimentPlan
    from animerag.models.json_types import JsonMapping

# Measured on a real export: 223 tokens per description; a prompt has eight sources and the instructions.
DOCUMENT_TOKENS, PROMPT_TOKENS, ANSWER_TOKENS = 230, 3000, 300
_WRITTEN_A_SECOND = 1200  # documents per second that one writer stores on a Chroma server of the same machine
_AROUND_S = 1.0  # seconds per run for the scratch catalogue, clients and collection
_START_S = 3.0  # seconds for the simulated provider and the preparation of the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named provider; `provider` has settings of the simulator."""

    name: str
    label: str
    help: str
    provider: JsonMapping


def _preset(name: str, label: str, text: str, **provider: Any) -> Preset:
    return Preset(name=name, label=label, help=text, provider=MappingProxyType(provider))


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _preset(
                "typical", "Typical API", "1.5 s per request of 100 texts, 0.3 s per question, 3 s per answer.",
                embed_latency_s=0.3, embed_per_item_s=0.012, chat_latency_s=3.0,
            ),
            _preset(
                "fast", "Fast model", "Like typical, but 1 s per answer.",
                embed_latency_s=0.3, embed_per_item_s=0.012, chat_latency_s=1.0,
            ),
            _preset(
                "note", "Slow embeddings", "2.9 s per request of 100 texts: one at a time, 1,458 shows take 45 s.",
                embed_latency_s=0.3, embed_per_item_s=0.026, chat_latency_s=3.0,
            ),
            _preset(
                "local", "Local server", "Low latency but slow computation: 25 ms per text, 6 s per answer, no limits.",
                embed_latency_s=0.02, embed_per_item_s=0.025, chat_latency_s=6.0,
            ),
            _preset(
                "limited", "Rate-limited", "Like typical, but only 5 requests per 10 s; others get status 429.",
                embed_latency_s=0.3, embed_per_item_s=0.012, chat_latency_s=3.0, requests_per_minute=30, burst=5,
            ),
            _preset(
                "flaky", "Flaky", "Like typical, but latencies vary by a third and 1 request in 8 fails.",
                embed_latency_s=0.3, embed_per_item_s=0.012, chat_latency_s=3.0, jitter=0.33,
                faults="429@0.04,500@0.04,drop@0.03,slow=3@0.015",
            ),
        )
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentEstimate:
    """The expected requests, tokens, time and cost of an experiment; `cost_usd` is None without a known price."""

    seconds: float
    requests: int
    tokens: int
    cost_usd: float | None


def estimate(plan: ExperimentPlan, provider: JsonMapping, prices: Mapping[str, float | None]) -> ExperimentEstimate:
    """Estimate a plan. `prices` are USD per million tokens of `embedding`, `input` and `output`."""
    settings = plan.settings()
    modes = {mode for mode, _ in settings}
    warming_s = sum(_run_s(plan.small(), max(plan.usable_levels), mode == SYNC, provider) for mode in modes)
    measured_s = sum(_run_s(plan, level, mode == SYNC, provider) for mode, level in settings)
    seconds = _START_S + plan.repeats * measured_s + plan.warmup * warming_s
    runs = plan.repeats * len(settings)
    embedded = runs * (plan.documents * DOCUMENT_TOKENS if plan.workload == "ingest" else plan.items * 20)
    asked = 0 if plan.workload == "ingest" else runs * plan.items
    used = {"embedding": embedded, "input": asked * PROMPT_TOKENS, "output": asked * ANSWER_TOKENS}
    costs = [prices.get(name) for name, tokens in used.items() if tokens]
    known = [cost for cost in costs if cost is not None]
    cost_usd = sum((prices[name] or 0.0) * tokens / 1e6 for name, tokens in used.items() if tokens and prices.get(name))
    return ExperimentEstimate(
        seconds=seconds,
        requests=runs * plan.requests * (1 if plan.workload == "ingest" else 2),
        tokens=sum(used.values()),
        cost_usd=cost_usd if len(known) == len(costs) else None,
    )


def _run_s(plan: ExperimentPlan, level: int, is_sync: bool, provider: JsonMapping) -> float:
    level = 1 if is_sync else level
    fixed_s, each_s = float(provider.get("embed_latency_s", 0.3)), float(provider.get("embed_per_item_s", 0.0))
    chat_s = float(provider.get("chat_latency_s", 3.0))
    rounds = math.ceil(plan.requests / level)
    if plan.workload == "ingest":
        written = plan.documents if is_sync else min(plan.documents, level * plan.batch_size)
        seconds = rounds * (fixed_s + each_s * plan.batch_size) + written / _WRITTEN_A_SECOND
    else:
        seconds = rounds * (plan.alias_latency_s + fixed_s + each_s + chat_s)
    rpm = provider.get("requests_per_minute")
    if rpm:
        calls = plan.requests * (1 if plan.workload == "ingest" else 2)
        seconds = max(seconds, (calls - int(provider.get("burst") or rpm)) * 60 / int(rpm))
    return seconds + _AROUND_S
