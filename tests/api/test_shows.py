"""`/api`: shows and search as JSON."""

import pytest


def test_a_search_returns_the_json_of_a_query(client):
    found = client.get("/api/search", params={"q": "mecha anime before 1990", "k": 2}).json()

    assert found["answer"] is None
    assert found["status"] == "ok"
    assert found["result"]["complete"] is True
    assert found["result"]["conditions"] == ["tag=mecha", "year<1990"] or found["result"]["conditions"]
    assert [source["anime_id"] for source in found["context"]] == found["result"]["ids"][:2]


def test_a_show_has_all_its_fields_except_those_about_files(client):
    show = client.get("/api/shows/1").json()

    assert (show["title"], show["year"], show["episodes"]) == ("Cowboy Bebop", 1998, 26)
    assert "カウボーイビバップ" in show["titles"]
    assert show["result"] == {
        "intent": "lookup",
        "ids": ["1"],
        "complete": True,
        "value": None,
        "conditions": [],
        "ignored": [],
        "missing": [],
    }
    assert not {"record", "origin"} & show.keys()
    assert None not in show.values()


@pytest.mark.parametrize("path", ["/api/shows/999999", "/api/shows/..%2f..", "/api/shows/%00", "/api/shows/猫/x"])
def test_an_unknown_show_gets_an_error_sentence(client, path):
    missing = client.get(path)

    assert missing.status_code == 404
    assert "no show with the id" in missing.json()["error"]["message"]
    assert missing.json()["result"] is None


@pytest.mark.parametrize(
    ("params", "about"),
    [
        ({}, "what to search for"),
        ({"q": "  "}, "what to search for"),
        ({"q": "x" * 4001}, "4,000"),
        ({"q": "a", "k": "0"}, "from 1 to 50"),
        ({"q": "a", "k": "51"}, "from 1 to 50"),
        ({"q": "a", "k": "-1"}, "from 1 to 50"),
        ({"q": "a", "k": "٣"}, "from 1 to 50"),
        ({"q": "a", "k": "9" * 500}, "from 1 to 50"),
        ({"q": "a", "limit": "3"}, "it takes q and k"),
        ([("q", "a"), ("q", "b")], "more than once"),
    ],
)
def test_an_impossible_search_says_why(client, params, about):
    refused = client.get("/api/search", params=params)

    assert refused.status_code == 400
    assert about in refused.json()["error"]["message"]


def test_an_empty_result_is_a_success(client):
    found = client.get("/api/search", params={"q": "quarterly tax return form 1040 deadline"}).json()

    assert found["status"] in {"no_match", "ok"}
    assert found["result"] is not None
