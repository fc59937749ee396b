"""An experiment as tables: one row per mode and level, one row per run, and the runs as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeAlias

from animerag.batch.export import formula_safe
from animerag.comparison.plan import ITEMS, MODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.comparison.experiment import Experiment
    from animerag.comparison.measurements import Distribution, MeasuredRun

Cell: TypeAlias = "str | float | int | None"
Row: TypeAlias = dict[str, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunColumn:
    """A figure of a run: its name in CSV, its heading, and the function that returns it."""

    name: str
    heading: str
    value: Callable[[MeasuredRun], Cell]
    digits: int = 3

    def cell(self, run: MeasuredRun) -> Cell:
        """Return the figure of a run, rounded."""
        value = self.value(run)
        return round(value, self.digits) if isinstance(value, float) else value


def _seconds(name: str, heading: str, value: Callable[[MeasuredRun], float | None]) -> RunColumn:
    return RunColumn(name=f"{name}_s", heading=f"{heading} (s)", value=value)


def _milliseconds(name: str, heading: str, value: Callable[[MeasuredRun], float]) -> RunColumn:
    return RunColumn(name=f"{name}_ms", heading=f"{heading} (ms)", value=lambda run: 1000 * value(run), digits=1)


def _count(name: str, heading: str, value: Callable[[MeasuredRun], int]) -> RunColumn:
    return RunColumn(name=name, heading=heading, value=value, digits=0)


def _latency(figure: str) -> RunColumn:
    return _seconds(f"latency_{figure}", f"Latency {figure}", lambda run: _of(run.latency_s, figure))


def _of(seconds: Distribution, figure: str) -> float | None:
    return getattr(seconds, figure) if seconds.n else None


P99 = _latency("p99")
# A run without requests of a kind has no latency, which is not the same as 0 s.
COLUMNS = (
    RunColumn(name="mode", heading="Mode", value=lambda run: run.mode),
    _count("concurrency", "In flight", lambda run: run.concurrency),
    _count("repeat", "Repeat", lambda run: run.repeat + 1),
    _seconds("wall", "Wall", lambda run: None if run.error else run.wall_s),
    _count("items", "Items", lambda run: run.items),
    RunColumn(name="throughput", heading="Items per second", value=lambda run: run.throughput, digits=2),
    _count("errors", "Errors", lambda run: run.errors),
    _count("rate_limited", "429s", lambda run: run.rate_limited),
    _count("retries", "Retries", lambda run: run.retries),
    _seconds("throttled", "Throttled", lambda run: run.throttled_s),
    RunColumn(name="concurrency_mean", heading="In flight, mean", value=lambda run: run.concurrency_mean, digits=2),
    _count("concurrency_peak", "In flight, peak", lambda run: run.concurrency_peak),
    _count("latency_n", "Requests", lambda run: run.latency_s.n),
    *map(_latency, ("mean", "p50", "p90", "p95")),
    P99,
    *map(_latency, ("min", "max")),
    _seconds("ttft_p50", "First token p50", lambda run: _of(run.ttft_s, "p50")),
    _seconds("ttft_p95", "First token p95", lambda run: _of(run.ttft_s, "p95")),
    _milliseconds("loop_lag_p95", "Loop lag p95", lambda run: run.loop_lag_p95_s),
    _milliseconds("loop_lag_max", "Loop lag max", lambda run: run.loop_lag_max_s),
    _seconds("provider", "Provider time", lambda run: run.provider_s),
    RunColumn(name="error", heading="Error", value=lambda run: run.error),
)


def table_rows(experiment: Experiment) -> list[Row]:
    """Return the table of modes and levels, with units in the headings."""
    items = ITEMS[experiment.plan.workload]
    return [
        {
            "Mode": level.mode,
            "In flight": level.concurrency,
            "Repeats": level.n,
            "Wall (s)": round(level.wall_s, 3),
            "Fastest (s)": round(level.fastest_s, 3),
            "Slowest (s)": round(level.slowest_s, 3),
            "CV (%)": round(100 * level.cv, 1),
            f"Throughput ({items}/s)": round(level.throughput, 2),
            "Speed-up (×)": None if level.speedup is None else round(level.speedup, 2),
            "Efficiency (%)": None if level.efficiency is None else round(100 * level.efficiency, 1),
            # Rounds limit many requests, not the steps of a single question.
            "Attainable (×)": None if experiment.plan.workload == "query" else round(level.attainable, 2),
            "Errors": level.errors,
            "429s": level.rate_limited,
            "Note": "suspect" if level.suspect else "",
        }
        for level in experiment.levels
    ]


def run_rows(experiment: Experiment) -> list[Row]:
    """Return the table of runs, with units in the headings."""
    return [{column.heading: column.cell(run) for column in COLUMNS} for run in ordered_runs(experiment)]


def ordered_runs(experiment: Experiment) -> list[MeasuredRun]:
    """Return the runs by mode, level and repeat."""
    return sorted(experiment.runs, key=lambda run: (MODES.index(run.mode), run.concurrency, run.repeat))


def experiment_csv(experiment: Experiment) -> bytes:
    """Return one row per run with all figures and settings, for a spreadsheet: UTF-8 with a byte-order mark."""
    settings = {
        "experiment": experiment.id,
        "created_at": experiment.created_at,
        **{f"setting_{name}": value for name, value in (asdict(experiment.plan) | dict(experiment.settings)).items()},
    }
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow([column.name for column in COLUMNS] + [formula_safe(name) for name in settings])
    for run in ordered_runs(experiment):
        cells = [column.cell(run) for column in COLUMNS]
        table.writerow([_safe(cell) for cell in (*cells, *settings.values())])
    return out.getvalue().encode("utf-8-sig")


def plain(value: object) -> str:
    """Return a setting as text, a list as its items."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _safe(value: object) -> object:
    return value if isinstance(value, int | float) else "" if value is None else formula_safe(plain(value))
