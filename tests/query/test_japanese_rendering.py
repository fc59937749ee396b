"""Conditions in Japanese, as a Japanese answer shows them."""

import pytest

from animerag.query.condition_text import parse
from animerag.query.rendering import labelled


@pytest.mark.parametrize(
    ("condition", "labels"),
    [
        ("tag=sci-fi or tag=science fiction", ["サイエンスフィクション"]),
        ("type=movie and tag=horror and not tag=comedy", ["映画", "ホラー", "コメディ以外"]),
        ("year>=2000 and year<=2009", ["2000〜2009年"]),
        ("year<=1999 and rating>8", ["1999年以前", "評価8を超える"]),
        ("episodes<24 or votes>=1000", ["24話未満または1000票以上"]),
        ("description unknown and not rating unknown", ["あらすじなし", "評価あり"]),
        ("(type=movie and year=1999) or (season=fall and year=2019)", ["映画・1999年または2019年秋"]),
        ("episodes>of 19", ["「Title 19」より話数が多い"]),
        ("suitable=children and my_status=completed", ["子供向け", "視聴済み"]),
    ],
)
def test_labels_are_japanese(condition, labels):
    chips = labelled(parse(condition), lambda show_id: f"Title {show_id}", japanese=True)

    assert [label for _, label in chips] == labels
