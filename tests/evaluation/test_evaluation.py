"""Figures of questions with known answers: the rules for right results, by kind, and the report of misses."""

import pytest

from animerag.errors import InvalidInputError
from animerag.evaluation.evaluation import ATTRIBUTE, EvaluatedQuestion, Evaluation, Expectation, expectations
from animerag.jobs.jobs import Control
from animerag.models.questions import QuestionRow


def outcome(expected, found, kind="plot", *, no_match=False, index=0):
    expectation = Expectation(question=f"Question {index}?", expected=tuple(expected), kind=kind)
    return EvaluatedQuestion(
        index=index, expectation=expectation, retrieved=tuple(found), titles=("A",), no_match=no_match
    )


@pytest.mark.parametrize(
    ("expected", "found", "rank", "hit"),
    [
        (["1"], ["1", "2"], 1, True),
        (["2", "3"], ["1", "3", "2"], 2, True),
        (["9"], ["1", "2", "3", "4", "9"], 5, True),
        (["9"], ["1", "2", "3", "4", "5", "9"], 6, False),
        (["9"], ["1"], None, False),
    ],
)
def test_a_show_in_the_top_five_is_a_hit(expected, found, rank, hit):
    one = outcome(expected, found)
    assert (one.rank, one.hit) == (rank, hit)


def test_a_list_must_be_complete_and_reports_its_overlap():
    part, whole = outcome("1234", "12x", ATTRIBUTE), outcome("12", "21", ATTRIBUTE)
    assert (part.hit, whole.hit) == (False, True)
    assert part.overlap == (pytest.approx(2 / 3), 0.5, pytest.approx(4 / 7))
    assert outcome("12", "", ATTRIBUTE).overlap == (0.0, 0.0, 0.0)


def test_an_unanswerable_question_is_right_without_results():
    assert outcome([], [], no_match=True).hit
    assert not outcome([], ["1"]).hit


def test_figures_are_reported_by_kind_and_over_all_answerable_questions():
    report = Evaluation(
        outcomes=(
            outcome(["1"], ["1"], index=0),
            outcome(["1"], ["2", "3", "1"], index=1),
            outcome(["1"], ["2"], index=2, no_match=True),
            outcome([], ["1"], "unanswerable", index=3),
            outcome("12", "12", ATTRIBUTE, index=4),
        )
    ).as_json()
    third = pytest.approx(1 / 3, abs=1e-4)
    assert report["kinds"]["plot"] == {
        "n": 3, "hit@1": third, "hit@3": pytest.approx(2 / 3, abs=1e-4), "hit@5": pytest.approx(2 / 3, abs=1e-4),
        "mrr": pytest.approx(4 / 9, abs=1e-4),
    }  # fmt: skip
    assert report["kinds"]["unanswerable"] == {"n": 1, "no_match": 0}
    assert report["kinds"][ATTRIBUTE] == {"n": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (report["questions"], report["hit@1"], report["wrongly_no_match"]) == (5, 0.5, 1)
    assert [(miss["index"], miss["found"]) for miss in report["misses"]] == [(2, ["2"]), (3, ["1"])]


def test_only_questions_with_expected_ids_are_evaluated():
    row = QuestionRow(question="Which?", columns={"expected_ids": "1|2", "kind": "plot"}, expected_ids=("1", "2"))
    [one] = expectations([row, QuestionRow(question="Why?", columns={})])
    assert (one.question, one.expected) == ("Which?", ("1", "2"))
    with pytest.raises(InvalidInputError, match="needs a column named expected_ids"):
        expectations([QuestionRow(question="Why?", columns={})])


async def test_every_question_is_asked_and_a_list_from_fields_counts_as_a_whole(services, export, record):
    rows = [
        record(n, f"Voyage {n}", f"The captain finds island {n * 7}.", AllTags="mecha", BeginYear=1980 + n)
        for n in range(1, 12)
    ]
    await services.ingestion.run([export(*rows)], Control())
    control = Control()
    asked = [
        Expectation(question="What is Voyage 3 about?", expected=("3",)),
        Expectation(question="mecha from before 1990", expected=tuple(map(str, range(1, 10))), kind=ATTRIBUTE),
        Expectation(question="Who voices the captain?", expected=()),
    ]
    evaluation = await services.evaluator.run(asked, control, k=3)
    assert [one.index for one in evaluation.outcomes] == [0, 1, 2]
    assert evaluation.misses == ()
    assert len(evaluation.outcomes[1].retrieved) == 9, "more than were asked for, since a list is complete"
    assert (control.progress.done, control.progress.total) == (3, 3)
