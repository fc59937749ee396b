"""Writes the HTML report of an experiment: one self-contained file with figures and tables, rendered by Jinja2."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from animerag.charts.static import WIDTH, drawings
from animerag.charts.style import MODE_COLOURS, NEUTRAL, STAGE_COLOURS
from animerag.comparison.measurements import FEW
from animerag.comparison.summary import doubt, key_figures, plan_sentence, verdict, warnings
from animerag.comparison.tables import P99, ordered_runs, plain, run_rows, table_rows
from animerag.text.enumeration import listed
from animerag.text.html_templates import html_template

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from animerag.comparison.experiment import Experiment
    from animerag.comparison.tables import Cell, Row


@dataclass(frozen=True, slots=True)
class _ReportCell:
    """A formatted cell with its CSS classes."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class _ReportTable:
    """A formatted table."""

    headings: Sequence[str]
    rows: Sequence[Sequence[_ReportCell]]


def experiment_html(experiment: Experiment) -> str:
    """Return the report as one HTML file, which fetches nothing and runs no script."""
    template = html_template("animerag.charts", "report.html")
    few = _few(experiment)
    return template.render(
        title=_title(experiment),
        verdict=verdict(experiment),
        doubt=doubt(experiment),
        created_at=experiment.created_at.replace("T", " "),
        plan=plan_sentence(experiment.plan),
        simulated=experiment.simulated,
        key_figures=key_figures(experiment),
        warnings=warnings(experiment),
        width=WIDTH,
        drawings=drawings(experiment),
        modes=MODE_COLOURS,
        stages={**STAGE_COLOURS, "other": NEUTRAL},
        levels=_table(table_rows(experiment)),
        few=FEW if few else 0,
        runs=_table(_without_empty(run_rows(experiment)), few=few),
        settings=_table([{"Setting": name, "Value": plain(value)} for name, value in _settings(experiment)]),
    )


def _title(experiment: Experiment) -> str:
    work = {"ingest": "Importing documents", "batch": "Answering questions", "query": "Answering one question"}
    modes = listed(dict.fromkeys(mode for mode, _ in experiment.plan.settings()))
    return f"{work[experiment.plan.workload]}: {modes}{' (simulated)' if experiment.simulated else ''}"


def _settings(experiment: Experiment) -> list[tuple[str, object]]:
    return [("experiment", experiment.id), *(asdict(experiment.plan) | dict(experiment.settings)).items()]


def _few(experiment: Experiment) -> set[int]:
    """Return the rows of runs with too few requests for a p99."""
    return {row for row, run in enumerate(ordered_runs(experiment)) if 0 < run.latency_s.n < FEW}


def _without_empty(rows: Sequence[Row]) -> list[Row]:
    used = {heading for row in rows for heading, value in row.items() if value is not None}
    return [{heading: value for heading, value in row.items() if heading in used} for row in rows]


def _table(rows: Sequence[Row], few: Collection[int] = ()) -> _ReportTable:
    return _ReportTable(
        headings=list(rows[0]) if rows else [],
        rows=[
            [_cell(name, value, few=name == P99.heading and number in few) for name, value in row.items()]
            for number, row in enumerate(rows)
        ],
    )


def _cell(name: str, value: Cell, *, few: bool) -> _ReportCell:
    if isinstance(value, str):
        return _ReportCell(value)
    digits = 0 if isinstance(value, int) else 1 if name.endswith(("(%)", "(ms)")) else 3 if name.endswith("(s)") else 2
    return _ReportCell("–" if value is None else f"{value:,.{digits}f}", "number few" if few else "number")
