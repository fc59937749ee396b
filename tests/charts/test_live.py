"""Running work, drawn as HTML: positions, legends and escaping."""

import re

from animerag.charts import live as charts_live
from animerag.comparison.measurements import MeasuredRun
from animerag.telemetry.tracing import Span

BAR = re.compile(r'<i class="ar-(\w+)" style="left:([\d.]+)%;width:([\d.]+)%;[^"]*" title="([^"]*)"></i>')


def bars(drawn):
    return [(name, float(left), float(width), tooltip) for name, left, width, tooltip in BAR.findall(drawn)]


def test_the_window_moves_and_cuts_earlier_spans():
    spans = [
        Span("embedding", 100.0, 104.0, 0),
        Span("embedding", 108.0, 114.0, 1),
        Span("writing", 116.0, 118.0, 1),
    ]

    drawn = charts_live.lanes(spans, 100.0, 120.0, window_s=10.0)

    assert bars(drawn) == [
        ("embedding", 0.0, 40.0, "embedding, 4.00 s"),
        ("writing", 60.0, 20.0, "writing, 2.00 s"),
    ]
    assert re.findall(r"<span>([\d.]+) s</span>", drawn) == ["10.0", "12.0", "14.0", "16.0", "18.0", "20.0"]


def test_the_axis_begins_with_the_first_request():
    drawn = charts_live.lanes([Span("embedding", 108.0, 112.0, 0)], 100.0, 112.0, window_s=20.0)

    assert bars(drawn) == [("embedding", 0.0, 100.0, "embedding, 4.00 s")]
    assert re.findall(r"<span>([\d.]+) s</span>", drawn) == ["8.0", "8.8", "9.6", "10.4", "11.2", "12.0"]


def test_overlapping_spans_are_in_separate_rows_and_the_height_is_constant():
    spans = [Span("embedding", 0.0, 4.0, lane) for lane in range(6)]

    assert charts_live.lanes(spans, 0.0, 5.0, window_s=20.0).count('class="ar-row"') == 6
    assert charts_live.lanes(spans[:1], 0.0, 5.0, window_s=20.0).count('class="ar-row"') == 4
    assert charts_live.lanes([], 5.0, 5.0, window_s=20.0).count('class="ar-row"') == 4


def test_every_stage_is_in_the_legend_once():
    spans = [Span("queue", 0.0, 1.0, 0), Span("embedding", 1.0, 2.0, 0), Span("embedding", 2.0, 3.0, 1)]

    legend = charts_live.lanes(spans, 0.0, 3.0, window_s=20.0).split('class="ar-legend">')[1].split("</div>")[0]

    assert re.findall(r"</i>([^<]+)", legend) == ["queue", "embedding"]


def test_a_race_counts_from_the_start_of_each_mode():
    spans = [Span("embedding", 1000.0, 1001.5, 0), Span("embedding", 1000.5, 1002.0, 1)]

    drawn = charts_live.race([], "sync", spans, 1000.0, 1003.0)

    assert [bar[1:3] for bar in bars(drawn)] == [(0.0, 30.0), (10.0, 30.0)]  # of five seconds
    assert re.findall(r'class="ar-end"[^>]*>([^<]+)', drawn) == ["3.0 s", "waiting", "waiting"]
    assert re.findall(r'class="ar-band"><span>(\w*)', drawn) == ["sync", "threads", "async", ""]


def test_a_race_shows_finished_and_failed_modes():
    done = [
        MeasuredRun(mode="sync", concurrency=1, repeat=0, wall_s=4.0, items=5, spans=(Span("embedding", 0.0, 4.0, 0),)),
        MeasuredRun(mode="threads", concurrency=5, repeat=0, wall_s=0.0, items=5, error="The provider is down."),
    ]

    drawn = charts_live.race(done, "async", [], 10.0, 11.0)

    assert re.findall(r'class="ar-end"[^>]*>([^<]+)', drawn) == ["4.0 s", "failed", "1.0 s"]


def test_the_axis_of_a_race_grows_in_few_steps_and_ends_beyond_now():
    ends = []
    for now in range(49):
        drawn = charts_live.race([], "sync", [], 0.0, now / 2)
        ends.append(float(re.findall(r"<span>([\d.]+) s</span>", drawn)[-1]))

    assert ends == sorted(ends)
    assert len(set(ends)) <= 6
    assert all(end > now / 2 for now, end in enumerate(ends))


def test_names_of_spans_are_escaped():
    drawn = charts_live.lanes([Span('"><b>x', 0.0, 1.0, 0)], 0.0, 1.0, window_s=20.0)

    assert "<b>" not in drawn
    assert bars(drawn)[0][0] == "other"
