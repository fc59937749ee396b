"""Experiments out: one HTML file that needs nothing else, a CSV of the runs, and the tables that page and CLI show."""

from __future__ import annotations

import csv
import html
import io
import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from statistics import median
from string import Template
from typing import TYPE_CHECKING, Any, TypeAlias

from animerag.batch.export import formula_safe
from animerag.charts.experiment import claim_band, speedup, throughput, wall_time
from animerag.charts.runs import lanes
from animerag.charts.style import ITEMS, ink, plotly_js
from animerag.comparison.experiment import FEW, MODES, SUSPECT_CV, YARDSTICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from animerag.charts.style import Figure
    from animerag.comparison.experiment import Experiment, ExperimentPlan, Level, MeasuredRun

Cell: TypeAlias = "str | float | int | None"
Row: TypeAlias = dict[str, Cell]

# What a mode stands for is not the same in every workload: only an ingestion writes, only one question has overlap.
_WAYS = {
    "ingest": {
        "sync": "one after another (sync)",
        "threads": "in threads with one lock around the write (threads)",
        "threads-unlocked": "in threads without a lock (threads-unlocked)",
        "async": "by the app's own pipeline (async)",
    },
    "batch": {
        "sync": "one after another (sync)",
        "threads": "in threads (threads)",
        "async": "by the app's own pipeline (async)",
    },
    "query": {
        "sync": "step after step (sync)",
        "threads": "with the title match in a thread beside the search (threads)",
        "async": "by the app's own pipeline (async)",
        "async-early": "and with the model started on the title match alone (async-early)",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """One of the few numbers that stand above everything else."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A figure of the report; `about` says what it shows to whoever cannot see it."""

    name: str
    about: str
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReportColumn:
    """A figure of a run: its name for scripts, its heading for people, and where it comes from."""

    name: str
    heading: str
    value: Callable[[MeasuredRun], Cell]
    digits: int = 3
    is_p99: bool = False


def _seconds(
    name: str, heading: str, value: Callable[[MeasuredRun], float | None], *, is_p99: bool = False
) -> _ReportColumn:
    return _ReportColumn(name=f"{name}_s", heading=f"{heading} (s)", value=value, is_p99=is_p99)


def _milliseconds(name: str, heading: str, value: Callable[[MeasuredRun], float]) -> _ReportColumn:
    return _ReportColumn(name=f"{name}_ms", heading=f"{heading} (ms)", value=lambda run: 1000 * value(run), digits=1)


def _count(name: str, heading: str, value: Callable[[MeasuredRun], int]) -> _ReportColumn:
    return _ReportColumn(name=name, heading=heading, value=value, digits=0)


# A run without requests of a kind has no latency, which is not the same as one of 0 s.
_COLUMNS = (
    _ReportColumn(name="mode", heading="Mode", value=lambda run: run.mode),
    _count("concurrency", "In flight", lambda run: run.concurrency),
    _count("repeat", "Repeat", lambda run: run.repeat + 1),
    _seconds("wall", "Wall", lambda run: None if run.error else run.wall_s),
    _count("items", "Items", lambda run: run.items),
    _ReportColumn(name="throughput", heading="Items a second", value=lambda run: run.throughput, digits=2),
    _count("errors", "Errors", lambda run: run.errors),
    _count("rate_limited", "429s", lambda run: run.rate_limited),
    _count("retries", "Retries", lambda run: run.retries),
    _seconds("throttled", "Throttled", lambda run: run.throttled_s),
    _ReportColumn(name="concurrency_mean", heading="In flight, mean", value=lambda run: run.concurrency_mean, digits=2),
    _count("concurrency_peak", "In flight, peak", lambda run: run.concurrency_peak),
    _count("latency_n", "Requests", lambda run: run.latency_s.n),
    _seconds("latency_mean", "Latency mean", lambda run: run.latency_s.mean if run.latency_s.n else None),
    _seconds("latency_p50", "Latency p50", lambda run: run.latency_s.p50 if run.latency_s.n else None),
    _seconds("latency_p90", "Latency p90", lambda run: run.latency_s.p90 if run.latency_s.n else None),
    _seconds("latency_p95", "Latency p95", lambda run: run.latency_s.p95 if run.latency_s.n else None),
    _seconds("latency_p99", "Latency p99", lambda run: run.latency_s.p99 if run.latency_s.n else None, is_p99=True),
    _seconds("latency_min", "Latency min", lambda run: run.latency_s.min if run.latency_s.n else None),
    _seconds("latency_max", "Latency max", lambda run: run.latency_s.max if run.latency_s.n else None),
    _seconds("ttft_p50", "First token p50", lambda run: run.ttft_s.p50 if run.ttft_s.n else None),
    _seconds("ttft_p95", "First token p95", lambda run: run.ttft_s.p95 if run.ttft_s.n else None),
    _milliseconds("loop_lag_p95", "Loop lag p95", lambda run: run.loop_lag_p95_s),
    _milliseconds("loop_lag_max", "Loop lag max", lambda run: run.loop_lag_max_s),
    _seconds("provider", "Provider's own time", lambda run: run.provider_s),
    _ReportColumn(name="error", heading="Failed because", value=lambda run: run.error),
)


# ── What is said of an experiment, on every surface ──────────────────────────────────────────────────────────────────


def plan_sentence(plan: ExperimentPlan) -> str:
    """Say in words what ran."""
    work = {
        "ingest": f"{_number(plan.documents, 'document')} in {plan.requests:,} batches of {plan.batch_size:,}",
        "batch": _number(plan.questions, "question"),
        "query": "One question",
    }[plan.workload]
    ways = _listed([_WAYS[plan.workload][mode] for mode in dict.fromkeys(mode for mode, _ in plan.settings())])
    levels = "" if plan.workload == "query" else f", at {_listed(map(str, sorted(set(plan.levels))))} in flight"
    warmed = f"after {_number(plan.warmup, 'warm-up')}" if plan.warmup else "without warm-up"
    sentences = [
        f"{work}, {ways}{levels}.",
        f"{_number(plan.repeats, 'repeat')} of each {warmed}, in an order shuffled by seed {plan.seed}.",
        f"Provider: simulated (preset “{plan.preset}”)." if plan.against == "simulated" else "Provider: as configured.",
    ]
    if plan.workload != "ingest":
        sentences.append(f"The title service takes {plan.alias_latency_s:g} s.")
    return " ".join(sentences)


def key_figures(experiment: Experiment) -> list[KeyFigure]:
    """Return best speed-up, recommended level, p95 and stability, as far as they are known."""
    levels = experiment.levels
    found = [_best_speedup(experiment), _recommended(experiment), _p95(experiment, levels), _stability(levels)]
    return [figure for figure in found if figure is not None]


def warnings(experiment: Experiment) -> list[str]:
    """Return a sentence for whatever makes the figures less than they seem."""
    told = ["The experiment was cancelled: only what had finished is shown."] if experiment.cancelled else []
    for run in experiment.runs:
        where = f"{_setting(run.mode, run.concurrency)}, repeat {run.repeat + 1}"
        if run.error is not None:
            told.append(f"{where} failed: {run.error}")
        if run.blocked is not None:
            told.append(f"{where}: {run.blocked}")
    for level in experiment.levels:
        where = _setting(level.mode, level.concurrency)
        if level.suspect:
            told.append(f"{where} is suspect: its repeats have a CV of {level.cv:.0%}, above {SUSPECT_CV:.0%}.")
        if level.errors:
            told.append(f"{where} lost {_number(level.errors, 'item')} over all its repeats.")
    # Notes repeat what runs say of themselves; here that stands beside its run already.
    said = [text for run in experiment.runs for text in (run.error, run.blocked) if text]
    return told + [note for note in experiment.notes if not any(text in note for text in said)]


def table_rows(experiment: Experiment) -> list[Row]:
    """Return the table of modes and levels, with units in the column names."""
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
            # Rounds of requests bound many of them, not the steps of one question.
            "Attainable (×)": None if experiment.plan.workload == "query" else round(level.attainable, 2),
            "Errors": level.errors,
            "429s": level.rate_limited,
            "Remark": "suspect" if level.suspect else "",
        }
        for level in experiment.levels
    ]


def run_rows(experiment: Experiment) -> list[Row]:
    """Return the table of single runs, with units in the column names."""
    return [{column.heading: _cell(column, run) for column in _COLUMNS} for run in _ordered(experiment)]


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def experiment_csv(experiment: Experiment) -> bytes:
    """Return a row a run with all its figures and the settings, for a spreadsheet: UTF-8 with a byte-order mark."""
    settings = {
        "experiment": experiment.id,
        "created_at": experiment.created_at,
        **{f"setting_{name}": value for name, value in (asdict(experiment.plan) | dict(experiment.settings)).items()},
    }
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow([column.name for column in _COLUMNS] + [formula_safe(name) for name in settings])
    for run in _ordered(experiment):
        cells = [_cell(column, run) for column in _COLUMNS]
        table.writerow([_safe(cell) for cell in (*cells, *settings.values())])
    return out.getvalue().encode("utf-8-sig")


def experiment_html(experiment: Experiment) -> str:
    """Return one HTML file with figures, tables and plotly.js inside; opening it asks nobody for anything."""
    page = Template(files("animerag.charts").joinpath("report.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=html.escape(_title(experiment)),
        created_at=html.escape(experiment.created_at.replace("T", " ")),
        plan=html.escape(plan_sentence(experiment.plan)),
        key_figures="".join(map(_key_figure, key_figures(experiment))),
        warnings=_sentences("Warnings", warnings(experiment)),
        figures="".join(map(_chart, _charts(experiment))),
        claims=_sentences("What the note promises", _claims(experiment)),
        levels=_table(table_rows(experiment)),
        runs=_table(_without_empty(run_rows(experiment)), few=_few(experiment)),
        few=_ABOUT_FEW if _few(experiment) else "",
        settings=_table([{"Setting": name, "Value": _plain(value)} for name, value in _settings(experiment)]),
        light=_script_json(ink(dark=False)),
        dark=_script_json(ink(dark=True)),
        plotly=plotly_js(),
    )


# ── Key figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _best_speedup(experiment: Experiment) -> KeyFigure | None:
    ours = [level for level in experiment.levels if level.speedup is not None and level.mode != YARDSTICK]
    if not ours:
        return None
    best = max(ours, key=lambda level: level.speedup or 0.0)
    limit = "" if experiment.plan.workload == "query" else f"; {best.attainable:.1f}× is attainable"
    detail = f"{_setting(best.mode, best.concurrency)}{limit}"
    return KeyFigure(label="Best speed-up", value=f"{best.speedup:.1f}×", detail=detail)


def _recommended(experiment: Experiment) -> KeyFigure | None:
    best = experiment.recommended
    if best is None or experiment.plan.workload == "query":
        return None
    return KeyFigure(label="Recommended level", value=str(best.concurrency), detail=best.reason)


def _p95(experiment: Experiment, levels: Sequence[Level]) -> KeyFigure | None:
    best = experiment.recommended
    chosen = ("async", best.concurrency) if best else (levels[0].mode, levels[0].concurrency) if levels else None
    runs = [run for run in experiment.runs if (run.mode, run.concurrency) == chosen and run.latency_s.n]
    if chosen is None or not runs:
        return None
    detail = f"of {_number(sum(run.latency_s.n for run in runs), 'request')}, {_setting(*chosen)}"
    return KeyFigure(
        label="p95 of a request", value=f"{median(run.latency_s.p95 for run in runs):.2f} s", detail=detail
    )


def _stability(levels: Sequence[Level]) -> KeyFigure | None:
    repeated = [level for level in levels if level.n > 1]
    if not repeated:
        return None
    worst = max(repeated, key=lambda level: level.cv)
    return KeyFigure(
        label="Spread of repeats",
        value="suspect" if worst.suspect else "stable",
        detail=f"CV at most {worst.cv:.0%}, {_setting(worst.mode, worst.concurrency)}",
    )


# ── Parts of the report ──────────────────────────────────────────────────────────────────────────────────────────────


def _title(experiment: Experiment) -> str:
    work = {"ingest": "Taking documents in", "batch": "Answering questions", "query": "Answering one question"}
    modes = _listed(dict.fromkeys(mode for mode, _ in experiment.plan.settings()))
    return f"{work[experiment.plan.workload]}: {modes}{' (simulated)' if experiment.simulated else ''}"


def _charts(experiment: Experiment) -> list[_Drawn]:
    drawn = [
        _Drawn(
            name="wall-time",
            about="Median wall time; whiskers from fastest to slowest repeat.",
            figure=wall_time(experiment),
        ),
        _Drawn(
            name="throughput",
            about="Median throughput; whiskers from slowest to fastest repeat.",
            figure=throughput(experiment),
        ),
        _Drawn(
            name="speed-up",
            about="Speed-up against sync, what arithmetic allows, and what the note claims.",
            figure=speedup(experiment),
        ),
    ]
    kept = [run for run in experiment.runs if run.error is None and run.spans]
    ours = [run for run in kept if run.mode == "async"] or kept
    if ours:
        fastest = min(ours, key=lambda run: run.wall_s)
        figure = lanes(fastest, simulated=experiment.simulated)
        drawn.append(_Drawn(name="lanes", about=f"What ran when in the fastest run of {fastest.mode}.", figure=figure))
    return drawn


def _chart(drawn: _Drawn) -> str:
    said, spec = html.escape(drawn.about), _script_json(drawn.figure.to_plotly_json())
    return (
        f'<figure><div id="{drawn.name}" role="img" aria-label="{said}" style="height:{drawn.figure.layout.height}px">'
        f"</div><figcaption>{said}</figcaption>"
        f'<script type="application/json" data-chart="{drawn.name}">{spec}</script></figure>\n'
    )


def _key_figure(figure: KeyFigure) -> str:
    label, value, detail = map(html.escape, (figure.label, figure.value, figure.detail))
    return f'<div class="key"><span>{label}</span><strong>{value}</strong><small>{detail}</small></div>\n'


def _sentences(heading: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{html.escape(sentence)}</li>\n" for sentence in sentences)
    return f"<section><h2>{heading}</h2>\n<ul>\n{items}</ul></section>\n"


def _claims(experiment: Experiment) -> list[str]:
    query = experiment.plan.workload == "query"
    return [
        claim.verdict if query else f"{claim_band(claim)} at {claim.concurrency} in flight. {claim.verdict}"
        for claim in experiment.claims
    ]


def _settings(experiment: Experiment) -> list[tuple[str, Any]]:
    return [("experiment", experiment.id), *(asdict(experiment.plan) | dict(experiment.settings)).items()]


def _few(experiment: Experiment) -> set[tuple[int, str]]:
    """Return the cells, by row and heading, whose percentile too few requests stand behind."""
    headings = [column.heading for column in _COLUMNS if column.is_p99]
    return {
        (row, heading)
        for row, run in enumerate(_ordered(experiment))
        if 0 < run.latency_s.n < FEW
        for heading in headings
    }


def _without_empty(rows: Sequence[Row]) -> list[Row]:
    used = {heading for row in rows for heading, value in row.items() if value is not None}
    return [{heading: value for heading, value in row.items() if heading in used} for row in rows]


def _table(rows: Sequence[Row], few: Iterable[tuple[int, str]] = ()) -> str:
    if not rows:
        return "<p>Nothing has finished.</p>"
    faint = set(few)
    heading = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(_td(name, value, faint=(number, name) in faint) for name, value in row.items()) + "</tr>\n"
        for number, row in enumerate(rows)
    )
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{heading}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def _td(name: str, value: Cell, *, faint: bool) -> str:
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    digits = 0 if isinstance(value, int) else 1 if name.endswith(("(%)", "(ms)")) else 3 if name.endswith("(s)") else 2
    kind = "number few" if faint else "number"
    return f'<td class="{kind}">{"–" if value is None else f"{value:,.{digits}f}"}</td>'


def _ordered(experiment: Experiment) -> list[MeasuredRun]:
    """Return runs as people look for them, not in the shuffled order they were made in."""
    return sorted(experiment.runs, key=lambda run: (MODES.index(run.mode), run.concurrency, run.repeat))


def _cell(column: _ReportColumn, run: MeasuredRun) -> Cell:
    value = column.value(run)
    return round(value, column.digits) if isinstance(value, float) else value


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _safe(value: object) -> object:
    return value if isinstance(value, int | float) else "" if value is None else formula_safe(_plain(value))


def _script_json(value: object) -> str:
    """Return JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _setting(mode: str, concurrency: int) -> str:
    return mode if mode == YARDSTICK else f"{mode} at {concurrency}"


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(words: Iterable[str]) -> str:
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


_ABOUT_FEW = (
    f'<p class="quiet">A p99 in grey italics has fewer than {FEW} requests behind it: '
    "it is the maximum by another name.</p>\n"
)
