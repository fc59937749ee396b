"""Reports: a self-contained file, tables that page and CLI share, and warnings."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from animerag.charts import static
from animerag.charts.report import experiment_html
from animerag.comparison import summary, tables
from animerag.comparison.measurements import Distribution
from animerag.comparison.plan import ExperimentPlan
from animerag.comparison.serialization import to_object
from tests.charts.test_figures import made_experiment, made_run, with_walls

HOSTILE = '</script><script>alert(1)</script><img src="https://x.example/a.png">'


class Elements(HTMLParser):
    """The tags of a page with their attributes, and its text outside styles."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._raw = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._raw = tag == "style"

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        self.text += "" if self._raw else data

    def count(self, name):
        return sum(tag == name for tag, _ in self.tags)


def read_csv(experiment):
    return list(csv.DictReader(io.StringIO(tables.experiment_csv(experiment).decode("utf-8-sig"), newline="")))


# ── HTML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_report_is_small_runs_no_script_and_fetches_nothing():
    runs = tuple(made_run("async", 10, requests=400, repeat=n) for n in range(20))
    page = experiment_html(replace(made_experiment(), runs=runs))

    elements = Elements(page)
    assert len(page.encode()) <= 700_000
    assert elements.count("script") == 0
    assert not [attributes for _, attributes in elements.tags if {"src", "href"} & attributes.keys()]
    assert not re.search(r"url\(|@import|https?:", page)
    assert "default-src 'none'" in page


def test_hostile_text_stays_text():
    experiment = replace(
        made_experiment(preset=HOSTILE),
        notes=(HOSTILE,),
        settings={"base_url": HOSTILE},
        runs=(made_run("async", 5), replace(made_run("sync", 1), error=HOSTILE)),
    )

    elements = Elements(experiment_html(experiment))

    assert elements.count("img") == elements.count("script") == 0
    assert elements.text.count(HOSTILE) == 5  # plan, warning, cell of the failed run, two settings


def test_the_report_shows_japanese_text():
    experiment = replace(made_experiment(), notes=("鋼の錬金術師",))

    assert "鋼の錬金術師" in Elements(experiment_html(experiment)).text


def test_the_report_has_a_verdict_figures_and_tables():
    experiment = made_experiment()

    elements = Elements(experiment_html(experiment))

    assert summary.verdict(experiment) in elements.text
    titles = ["Speed-up against sync", "Wall time", "Throughput", "One run of async"]
    assert all(title in elements.text for title in titles)
    assert elements.count("figure") == 4
    assert elements.count("table") == 3
    assert "simulated" in elements.text


def test_the_report_has_the_lanes_of_the_fastest_async_run():
    experiment = with_walls(made_experiment(), "async", 5, 2.0, 2.2, 2.4)

    assert "One run of async, 5 in flight" in experiment_html(experiment)


@pytest.mark.parametrize(
    "settings", [{"workload": "batch"}, {"workload": "query"}, {"modes": ("async",)}, {"repeats": 1}]
)
def test_every_kind_of_experiment_has_a_report(settings):
    elements = Elements(experiment_html(made_experiment(**settings)))

    assert "Modes and levels" in elements.text


def test_an_experiment_that_was_stopped_immediately_has_a_report():
    elements = Elements(experiment_html(replace(made_experiment(), runs=(), cancelled=True)))

    assert "The experiment was cancelled" in elements.text
    assert elements.text.count("No run finished.") == 3, "the verdict and two tables"
    assert elements.count("figure") == 0


@pytest.mark.parametrize(("n", "is_few"), [(99, True), (100, False)])
def test_a_p99_of_few_requests_is_grey(n, is_few):
    run = replace(made_run("async", 5), latency_s=Distribution.of([1.0] * n))

    page = experiment_html(replace(made_experiment(), runs=(run,)))

    assert page.count('class="number few"') == int(is_few)
    assert ("the p99 is the slowest request" in page) == is_few


def test_the_report_reads_in_light_and_dark():
    assert "prefers-color-scheme: dark" in experiment_html(made_experiment())


# ── Its figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def svgs(experiment):
    drawn = re.findall(r'<svg viewBox="[^"]*" role="img".*?</svg>', experiment_html(experiment), re.DOTALL)
    assert drawn
    return [ET.fromstring(svg) for svg in drawn]


@pytest.mark.parametrize("workload", ["ingest", "batch", "query"])
def test_every_shape_is_inside_its_figure_and_has_a_title(workload):
    for svg in svgs(made_experiment(workload=workload)):
        _, _, width, height = map(float, svg.get("viewBox").split())
        for box in svg.iter("rect"):
            x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
            assert min(x, y, w, h) >= 0
            assert x + w <= width + 0.01
            assert y + h <= height + 0.01
            assert box.find("title").text


def test_bars_are_as_high_as_their_values_and_stand_beside_each_other():
    experiment = with_walls(made_experiment(levels=(5,)), "async", 5, 5.0, 5.0, 5.0)
    experiment = with_walls(experiment, "threads", 5, 10.0, 10.0, 10.0)

    [figure] = [drawing for drawing in static.drawings(experiment) if drawing.title == "Wall time"]

    bars = {box.kind: box for box in figure.boxes}
    assert bars["mode-threads"].height == pytest.approx(2 * bars["mode-async"].height, abs=0.05)
    assert bars["mode-threads"].x + bars["mode-threads"].width < bars["mode-async"].x
    assert [label.text for label in figure.labels].count("5.00") == 1


@pytest.mark.parametrize(("most", "steps"), [(1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (47, [0, 10, 20, 30, 40]), (0, [0, 0.2, 0.4, 0.6, 0.8, 1.0])])  # fmt: skip  # noqa: E501 - a table
def test_a_grid_has_round_numbers(most, steps):
    assert static.steps_to(most) == pytest.approx(steps)


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_csv_has_one_row_per_run_with_figures_and_settings():
    experiment = made_experiment(levels=(5,), repeats=2)

    rows = read_csv(experiment)

    assert [row["mode"] for row in rows] == ["sync", "sync", "threads", "threads", "async", "async"]
    assert [row["repeat"] for row in rows] == ["1", "2"] * 3
    assert {row["setting_documents"] for row in rows} == {"1458"}
    assert {row["setting_embed_latency_s"] for row in rows} == {"0.3"}
    assert rows[0]["setting_modes"] == "sync, threads, async"


def test_the_csv_and_the_json_of_a_run_agree():
    run = made_run("async", 5, errors=3, rate_limited=2, retries=1, loop_lag_p95_s=0.012, throttled_s=0.5)
    experiment = replace(made_experiment(), runs=(run,))

    (row,) = read_csv(experiment)
    (printed,) = to_object(experiment)["runs"]

    assert float(row["wall_s"]) == pytest.approx(printed["wall_s"], abs=0.001)
    assert float(row["latency_p95_s"]) == pytest.approx(printed["latency_s"]["p95"], abs=0.001)
    assert (row["errors"], row["rate_limited"], row["retries"], row["throttled_s"]) == ("3", "2", "1", "0.5")
    assert row["loop_lag_p95_ms"] == "12.0"


def test_the_csv_opens_in_a_spreadsheet_and_runs_nothing_there():
    run = replace(made_run("async", 5), error='=HYPERLINK("https://x.example")')
    experiment = replace(made_experiment(), runs=(run,), settings={"=1+1": "@SUM(1)", "offset": -3, "名前": "鋼"})

    rows = read_csv(experiment)

    assert tables.experiment_csv(experiment).startswith(b"\xef\xbb\xbf")
    cells = [cell for row in rows for cell in (*row.keys(), *row.values())]
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]", cell)]
    assert rows[0]["error"] == '\'=HYPERLINK("https://x.example")'
    assert (rows[0]["setting_offset"], rows[0]["setting_名前"]) == ("-3", "鋼")


def test_a_run_without_requests_of_a_kind_has_no_latency_for_them():
    (row,) = read_csv(replace(made_experiment(), runs=(replace(made_run("async", 5), ttft_s=Distribution()),)))

    assert row["ttft_p50_s"] == ""


# ── Tables and sentences ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_has_one_row_per_setting_and_units_in_its_headings():
    rows = tables.table_rows(made_experiment())

    assert [(row["Mode"], row["In flight"]) for row in rows[:3]] == [("sync", 1), ("threads", 1), ("threads", 3)]
    assert rows[-1]["Attainable (×)"] == 7.5
    assert {"Wall (s)", "CV (%)", "Throughput (documents/s)", "Speed-up (×)", "Efficiency (%)", "429s"} <= rows[
        0
    ].keys()


def test_unknown_values_are_empty_in_the_table():
    (row,) = tables.table_rows(made_experiment(modes=("async",), levels=(5,)))

    assert row["Speed-up (×)"] is None
    assert row["Efficiency (%)"] is None


def test_one_question_has_no_attainable_speed_up():
    experiment = made_experiment(workload="query")

    assert {row["Attainable (×)"] for row in tables.table_rows(experiment)} == {None}
    assert "attainable" not in summary.key_figures(experiment)[0].detail


def test_key_figures_name_their_setting():
    figures = {figure.label: figure for figure in summary.key_figures(made_experiment())}

    assert figures["Best speed-up"].detail == "async at 10; 7.5× is attainable"
    assert figures["Recommended level"].value == "10"
    assert figures["Request latency (p95)"].detail == "of 45 requests, async at 10"
    assert figures["Variation of repeats"].value == "stable"


def test_key_figures_leave_out_unmeasured_values():
    labels = [figure.label for figure in summary.key_figures(made_experiment(modes=("async",), repeats=1))]

    assert labels == ["Recommended level", "Request latency (p95)"]


def test_warnings_name_each_reason_to_doubt_once():
    blocked = made_run("async", 5, loop_lag_p95_s=0.4, concurrency_mean=5.0, provider_s=8.0)
    failed = made_run("threads", 5, repeat=1, error="The provider refused the key.")
    experiment = with_walls(made_experiment(), "threads", 3, 8.0, 8.2, 14.0)
    experiment = replace(
        experiment,
        runs=(*experiment.runs, blocked, failed, made_run("async", 3, errors=2)),
        cancelled=True,
        notes=(blocked.blocked, f"threads at 5 failed: {failed.error}", "Something else."),
    )

    sentences = summary.warnings(experiment)

    parts = (
        "cancelled",
        "was blocked",
        "refused the key",
        "threads at 3 is suspect",
        "2 items failed in",
        "Something else",
    )
    assert [sum(part in sentence for sentence in sentences) for part in parts] == [1] * len(parts)


def test_an_experiment_without_fault_has_no_warnings():
    assert summary.warnings(made_experiment()) == []


def test_the_plan_is_described_in_words():
    description = summary.plan_sentence(ExperimentPlan(levels=(1, 5)))

    assert "1,458 documents in 15 batches of 100" in description
    assert "at 1 and 5 in flight" in description
    assert "simulated" in description
    assert "simulated" not in summary.plan_sentence(ExperimentPlan(against="configured"))
