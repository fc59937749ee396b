"""The progress of an experiment, from its first second on."""

import pytest

from animerag.comparison.measurements import MeasuredRun
from animerag.comparison.progress import ExperimentProgress
from animerag.telemetry.tracing import Span


@pytest.fixture
def progress():
    return ExperimentProgress(runs=2, requests=4, main_span="model", waiting_since_s=100.0)


def test_the_start_shows_progress_and_counts_as_at_most_one_request(progress):
    shares = [progress.fraction(100.0 + seconds) for seconds in (0, 1, 10, 1000)]

    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[1] > 0
    assert shares[-1] <= 1 / 11 + 1e-9  # two runs of four requests and their preparation, and the start


def test_finished_requests_count_once_however_many_spans_they_have(progress):
    progress.begin(("sync", 1, 0), measuring=True)
    progress.started_s = 105.0
    progress.spans = [
        Span("embedding", 105, 106, 0),
        Span("model", 106, 107, 0),
        Span("model", 107, 108, 0),
        Span("model", 108, 109, 1),
    ]

    assert progress.requests_done == 2
    assert progress.fraction(109.0) == pytest.approx((1 + 1 + 2) / 11)


def test_an_answer_is_drawn_once(progress):
    progress.spans = [Span("model", 1, 2, 0), Span("model", 2, 3, 0), Span("answer", 2, 3, 0)]

    assert [span.name for span in progress.drawn_spans] == ["model", "model"]


def test_a_warm_up_does_not_count(progress):
    progress.begin(("sync", 1, 0), measuring=False)
    progress.started_s, progress.spans = 105.0, [Span("model", 105, 106, 0)]

    assert progress.fraction(106.0) < 1 / 11


def test_finished_runs_are_100_percent(progress):
    progress.begin(("sync", 1, 0), measuring=True)
    progress.finished = [MeasuredRun(mode="sync", concurrency=1, repeat=n, wall_s=1.0, items=4) for n in range(2)]
    progress.current = None

    assert progress.fraction(200.0) == 1
