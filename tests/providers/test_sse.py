"""Server-sent events, however the bytes are split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.providers.sse import EventDecoder


def decoded(*chunks):
    decoder = EventDecoder()
    return [data for chunk in chunks for data in decoder.feed(chunk)] + decoder.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"event: delta\nid: 3\ndata:one\n\n", [b"one"]),
        (b"data: first\ndata: second\n\n", [b"first\nsecond"]),
        (b": a comment that keeps the connection\n\n\n\ndata: one\n\n", [b"one"]),
        (b"data: one\r\n\r\ndata: two\r\r", [b"one", b"two"]),
        (b"data: one\n\ndata: cut of", [b"one"]),
        (b"data: one\n\ndata: no blank line\n", [b"one"]),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"", []),
    ],
)
def test_events_are_separated_as_in_the_standard(stream, events):
    assert decoded(stream) == events


@given(
    events=st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), min_size=1)),
    ending=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_events_do_not_depend_on_chunk_boundaries(events, ending, cuts):
    stream = b"".join(b"data: " + event.encode() + ending + ending for event in events)
    at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in itertools.pairwise(at)]
    assert decoded(*chunks) == decoded(stream) == [event.encode() for event in events]
