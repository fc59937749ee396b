"""Draws the form of an experiment: work, provider, modes, levels, numbers, and an estimate of time and cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import streamlit as st

from animerag.comparison.plan import EARLY, MAX_LEVEL, WORKLOADS, ExperimentPlan, Mode, Workload, modes_of
from animerag.comparison.presets import PRESETS
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.comparison.presets import ExperimentEstimate

OWN, CONFIGURED = "own numbers", "configured"
WORKLOAD_NAMES: dict[Workload, str] = {"ingest": "Import", "batch": "Batch", "query": "One question"}
_ABOUT: dict[Workload, str] = {
    "ingest": "Documents are embedded and stored, one batch per request.",
    "batch": "Questions are answered, several at a time.",
    "query": "One question is answered: title search and embedding one after the other, or both at once.",
}
Values: TypeAlias = dict[str, Any]  # settings of an experiment by their names
_PERSISTS: Any = "session"  # the choices survive a visit to another tab or page
_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """A number to fill in. All of its values are of one kind: int or float."""

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float | None = None
    empty: str = "none"

    def draw(self) -> Any:
        return st.number_input(
            self.label,
            self.low,
            self.high,
            self.value,
            self.step,
            format="%g" if isinstance(self.step, float) else None,
            placeholder=self.empty,
            key=f"compare_{self.name}",
            persist_state=_PERSISTS,
        )


_RARE = (
    _Number(name="repeats", label="Repeats", low=1, high=50, step=1, value=3),
    _Number(name="warmup", label="Warm-up runs", low=0, high=10, step=1, value=1),
)
_BATCH_SIZE = _Number(name="batch_size", label="Documents per request", low=1, high=2048, step=10, value=100)
_ALIAS = _Number(name="alias_latency_s", label="Title search, s", low=0.0, high=60.0, step=0.1, value=0.2)
_NUMBERS: dict[Workload, tuple[_Number, ...]] = {
    "ingest": (_Number(name="documents", label="Documents", low=1, high=20_000, step=100, value=1458),),
    "batch": (_Number(name="questions", label="Questions", low=1, high=1000, step=1, value=10),),
    "query": (),
}
_RARE_NUMBERS: dict[Workload, tuple[_Number, ...]] = {
    "ingest": (_BATCH_SIZE, *_RARE),
    "batch": (*_RARE, _ALIAS),
    "query": (*_RARE, _ALIAS),
}
_OWN = (
    _Number(name="embed_latency_s", label="Embedding request, s", low=0.0, high=60.0, step=0.1),
    _Number(name="embed_per_item_s", label="Each text adds, s", low=0.0, high=10.0, step=0.001),
    _Number(name="chat_latency_s", label="Whole answer, s", low=0.0, high=300.0, step=0.1),
    _Number(name="first_token_s", label="First word, s", low=0.0, high=300.0, step=0.1, empty="a quarter"),
    _Number(name="jitter", label="Jitter, share of latency", low=0.0, high=1.0, step=0.05),
    _Number(name="requests_per_minute", label="Requests per minute", low=1, high=100_000, step=10, empty="no limit"),
    _Number(name="burst", label="Requests at once", low=1, high=100_000, step=1, empty="no limit"),
)


def choose(why_not_configured: str | None) -> ExperimentPlan:
    """Draw the form and return the plan. Raises InvalidInputError for a plan that cannot be run."""
    workload = _choose_workload()
    against = _choose_against(why_not_configured)
    levels = _choose_levels() if workload != "query" else (1,)
    numbers = _fill_in(_NUMBERS[workload])
    with st.expander("Advanced", icon=":material/tune:"):
        modes = _choose_modes(workload)
        numbers |= _fill_in(_RARE_NUMBERS[workload])
    return ExperimentPlan(
        workload=workload,
        modes=modes,
        levels=levels,
        against="configured" if against == CONFIGURED else "simulated",
        preset=against,
        **numbers,
    )


def provider(plan: ExperimentPlan) -> Mapping[str, Any]:
    """Return the simulator's settings for a plan; draw them if the user enters them."""
    if plan.against == "configured":
        return {}
    return _own_numbers() if plan.preset == OWN else PRESETS[plan.preset].provider


def run_button(plan: ExperimentPlan, estimate: ExperimentEstimate, *, busy: bool) -> bool:
    """Draw a plan's time and cost, and Run; a run with a real provider has to be confirmed first."""
    runs, requests = counted(len(plan.order()), "run"), counted(estimate.requests, "request")
    st.markdown(f"**{runs}, about {duration(estimate.seconds)}, {_cost(estimate)}**")
    st.caption(f"{requests} with about {estimate.tokens:,} tokens")
    if plan.left_out:
        st.info(label(plan.left_out), icon=":material/info:")
    agreed = True
    if plan.against == "configured":
        st.warning(f"{requests} go to the configured provider: {_cost(estimate)}.", icon=":material/payments:")
        agreed = st.checkbox("Send them", key=f"compare_agreed_{estimate.requests}")
    icon = ":material/play_arrow:"
    return st.button("Run", key="compare_run", icon=icon, type="primary", disabled=busy or not agreed)


def _choose_workload() -> Workload:
    workload = st.segmented_control(
        "What to measure",
        WORKLOADS,
        default="ingest",
        required=True,
        format_func=WORKLOAD_NAMES.__getitem__,
        key="compare_workload",
        persist_state=_PERSISTS,
    )
    st.caption(_ABOUT[workload])
    return workload


def _choose_against(why_not_configured: str | None) -> str:
    labels = {name: f"{preset.label}, simulated" for name, preset in PRESETS.items()}
    labels[OWN] = "Custom numbers, simulated"
    if why_not_configured is None:
        labels[CONFIGURED] = "The configured provider"
    chosen: str = st.selectbox(
        "Provider",
        list(labels),
        format_func=lambda name: labels.get(name, name),
        key="compare_against",
        persist_state=_PERSISTS,
    )
    if chosen in PRESETS:
        st.caption(escape(PRESETS[chosen].help))
    if why_not_configured is not None:
        st.caption("To measure your own provider, connect it in Settings.", help=escape(why_not_configured))
    return chosen


def _choose_modes(workload: Workload) -> tuple[Mode, ...]:
    offered = modes_of(workload)
    chosen = st.pills(
        "Modes",
        offered,
        selection_mode="multi",
        default=offered,
        format_func=label,
        key=f"compare_modes_{workload}",
        persist_state=_PERSISTS,
    )
    if EARLY in offered:
        st.caption("async-early starts the model as soon as a title matches, if the question names one show.")
    return tuple(mode for mode in offered if mode in chosen)


def _choose_levels() -> tuple[int, ...]:
    chosen = st.multiselect(
        "Levels: requests in flight at once",
        range(1, MAX_LEVEL + 1),
        default=[1, 3, 5, 10],
        key="compare_levels",
        persist_state=_PERSISTS,
    )
    return tuple(sorted(chosen))


def _fill_in(numbers: tuple[_Number, ...]) -> Values:
    columns = st.columns(_COLUMNS)
    values: Values = {}
    for place, number in enumerate(numbers):
        with columns[place % _COLUMNS]:
            values[number.name] = number.draw()
    return values


def _own_numbers() -> Values:
    """Draw the simulator's numbers, initially those of the typical preset; return those that are filled in."""
    typical = PRESETS["typical"].provider
    values = _fill_in(tuple(replace(number, value=typical.get(number.name)) for number in _OWN))
    values["faults"] = st.text_input(
        "Faults, each with its share of the requests",
        placeholder="429@0.1, slow=3@0.01",
        key="compare_faults",
        persist_state=_PERSISTS,
    )
    return {name: value for name, value in values.items() if value not in (None, "")}


def _cost(estimate: ExperimentEstimate) -> str:
    if estimate.cost_usd is None:
        return "cost unknown"
    return f"about \\${estimate.cost_usd:,.4f}" if estimate.cost_usd else "no cost"
