"""The catalogue as a model: the openai SDK, our own adapter and curl over a real socket, and invalid requests."""

import asyncio
import json
import shutil
import subprocess
import time
from dataclasses import replace

import httpx2
import openai
import pytest

from animerag.api.answer_content import AnswerContent
from animerag.api.api_errors import ApiError
from animerag.api.chat_completions import application
from animerag.api.chat_messages import MODEL, ShowsOfAnswers, read
from animerag.models.answers import Answer, AnswerStatus, Finish, Prompt
from animerag.models.providers import Priority
from animerag.models.retrieval import Retrieval, Source
from animerag.models.shows import Show
from animerag.providers.openai import OpenAIChat, OpenAIConnection
from animerag.rate_limits import Gate
from tests.api.conftest import TOKEN

QUESTION = "What is Cowboy Bebop about?"


@pytest.fixture
def sdk(api):
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key=TOKEN, max_retries=0, timeout=30) as client:
        yield client


def thread(*messages):
    """Return messages with alternating roles, starting with the user's."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(messages)]


def test_the_sdk_lists_the_model_and_gets_an_answer_with_its_sources(sdk, api):
    assert [model.id for model in sdk.models.list()] == [MODEL]
    assert sdk.models.retrieve(MODEL).owned_by == "animerag"

    answer = sdk.chat.completions.create(model=MODEL, messages=thread(QUESTION))

    message = answer.choices[0].message
    assert message.content.startswith("**Cowboy Bebop**")
    assert message.content.endswith("Sources:\n[1] Cowboy Bebop (1998) · id 1")
    (cited,) = [note.url_citation for note in message.annotations]
    assert (cited.url, cited.title) == (f"{api.url}/catalogue?show=1", "Cowboy Bebop")
    assert message.content[cited.start_index : cited.end_index] == "[1] Cowboy Bebop (1998) · id 1"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model_extra["result"]["ids"][0] == "1"


def test_a_streamed_answer_has_the_same_words_data_and_usage(sdk):
    whole = sdk.chat.completions.create(model=MODEL, messages=thread(QUESTION))
    with sdk.chat.completions.create(
        model=MODEL, messages=thread(QUESTION), stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    *_, annotated, last, counted = chunks
    assert annotated.choices[0].delta.model_extra["annotations"][0]["type"] == "url_citation"
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra["result"] == whole.model_extra["result"]
    assert (counted.choices, counted.usage.total_tokens) == ([], 0)
    assert len({chunk.id for chunk in chunks}) == 1


def test_answers_are_the_same_as_on_the_pages(sdk, api):
    services = api.runtime.services
    own = api.runtime.call(services.answering.ask("mecha anime before 1990"))

    answer = sdk.chat.completions.create(model=MODEL, messages=thread("mecha anime before 1990"))

    assert answer.choices[0].message.content.startswith(own.text)
    assert answer.model_extra["result"]["ids"] == list(own.result.ids)
    assert answer.model_extra["result"]["complete"] is True


def test_earlier_messages_form_the_conversation(sdk):
    first = sdk.chat.completions.create(model=MODEL, messages=thread("mecha anime before 1990"))
    words = first.choices[0].message.content
    ids = first.model_extra["result"]["ids"]

    second = sdk.chat.completions.create(
        model=MODEL, messages=thread("mecha anime before 1990", words, "and the second one?")
    )
    without = sdk.chat.completions.create(model=MODEL, messages=thread("and the second one?"))

    assert second.model_extra["result"]["ids"][0] == ids[1]
    assert without.model_extra["result"]["ids"][:1] != ids[1:2]


def test_a_conversation_of_another_process_is_recognised_by_its_sources():
    memory = ShowsOfAnswers()
    answer = "Two shows.\n\nSources:\n[1] X · id 12\n[2] Title · id 3 (1999) · id mal:7\nnot one · id 9"

    (turn,) = memory.turns((("which?", answer),))
    assert turn.ids == ("12", "mal:7")

    memory.remember("which?", answer, ("5",))
    assert memory.turns((("which?", f"{answer}\n"),))[0].ids == ("5",)


async def test_our_own_adapter_reads_the_answer(api):
    connection = OpenAIConnection(api_key=TOKEN, base_url=f"{api.url}/v1", gate=Gate())
    chat = OpenAIChat(connection, model=MODEL)
    try:
        assert "has animerag" in await chat.check()
        prompt = Prompt(question=QUESTION, sources=(), system="Be brief.", user=QUESTION)
        pieces = [piece async for piece in chat.stream(prompt, priority=Priority.LIVE)]
    finally:
        await chat.close()

    *texts, finish = pieces
    assert isinstance(finish, Finish)
    assert finish.status is AnswerStatus.OK
    assert "".join(texts).startswith("**Cowboy Bebop**")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_streams(api):
    body = json.dumps({"model": MODEL, "messages": thread(QUESTION), "stream": True})
    command = ["curl", "-sN", f"{api.url}/v1/chat/completions", "-H", f"Authorization: Bearer {TOKEN}"]
    command += ["-H", "Content-Type: application/json", "-d", body]

    lines = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()

    assert lines[-2:] == ["data: [DONE]", ""] or lines[-1] == "data: [DONE]"
    assert all(json.loads(line[6:])["object"] == "chat.completion.chunk" for line in lines[:-2] if line)


@pytest.mark.parametrize(
    ("error", "status", "change"),
    [
        (openai.NotFoundError, 404, {"model": "gpt-5-nano"}),
        (openai.BadRequestError, 400, {"model": ""}),
        (openai.BadRequestError, 400, {"messages": []}),
        (openai.BadRequestError, 400, {"messages": [{"role": "system", "content": "Be brief."}]}),
        (openai.BadRequestError, 400, {"messages": thread("a", "b")}),
        (openai.BadRequestError, 400, {"messages": thread("   ")}),
        (openai.BadRequestError, 400, {"messages": thread("x" * 5000)}),
        (openai.BadRequestError, 400, {"messages": thread(None)}),
        (openai.BadRequestError, 400, {"messages": thread(7)}),
        (openai.BadRequestError, 400, {"messages": [{"role": "pirate", "content": "a"}]}),
        (openai.BadRequestError, 400, {"messages": ["a"]}),
        (openai.BadRequestError, 400, {"n": 2}),
        (openai.BadRequestError, 400, {"n": True}),
        (openai.BadRequestError, 400, {"stream": 1}),
        (openai.BadRequestError, 400, {"tool_choice": "required"}),
        (openai.BadRequestError, 400, {"response_format": {"type": "json_object"}}),
        (
            openai.BadRequestError,
            400,
            {"messages": thread([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])},
        ),
    ],
)
def test_an_invalid_request_is_refused_with_a_sentence_about_the_field(sdk, error, status, change):
    with pytest.raises(error) as refused:
        sdk.chat.completions.create(**{"model": MODEL, "messages": thread(QUESTION)} | change)

    assert refused.value.status_code == status
    assert refused.value.message
    assert refused.value.body["message"].endswith(".")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"model": "animerag"}']
)
def test_broken_json_gets_an_error_sentence(client, body):
    headers = {"Content-Type": "application/json"}
    refused = client.post("/v1/chat/completions", content=body, headers=headers)

    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_another_content_type_is_refused_and_an_unknown_path_lists_the_known_ones(client):
    form = client.post("/v1/chat/completions", content="{}", headers={"Content-Type": "application/jsonx"})
    lost = client.post("/v1/responses", json={})
    wrong = client.get("/v1/chat/completions")

    assert (form.status_code, lost.status_code, wrong.status_code) == (415, 404, 405)
    assert "/v1/chat/completions" in lost.json()["error"]["message"]


def test_fields_that_have_no_meaning_here_are_ignored():
    asked = read(
        json.dumps(
            {
                "model": MODEL,
                "temperature": 0.2,
                "tool_choice": "auto",
                "tools": [{"type": "function", "function": {"name": "f"}}],
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "first"}, {"type": "image_url"}]},
                    {"role": "assistant", "content": None, "tool_calls": [{}]},
                    {"role": "tool", "content": "42"},
                    {"role": "assistant", "content": "answer"},
                    {"role": "user", "content": "again"},
                    {"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "text", "text": "now?"}]},
                    {"role": "system", "content": "Stay brief."},
                ],
            }
        ).encode()
    )

    assert asked.question == "and\nnow?"
    assert asked.history == (("first", "answer"), ("again", ""))


def test_a_client_that_disconnects_cancels_its_answer(api):
    """Closing the connection cancels the question on the services' loop."""
    began, cancelled = [], []
    answering = api.runtime.services.answering
    real = type(answering)._fresh

    async def slow(self, *given, **options):
        began.append(1)
        try:
            await asyncio.sleep(60)
            async for event in real(self, *given, **options):
                yield event
        finally:
            cancelled.append(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(answering), "_fresh", slow)
        for stream in (True, False):
            with openai.OpenAI(base_url=f"{api.url}/v1", api_key=TOKEN, max_retries=0, timeout=0.4) as sdk:
                with pytest.raises(openai.APITimeoutError):
                    sdk.chat.completions.create(model=MODEL, messages=thread("never answered"), stream=stream)
        deadline = time.monotonic() + 5
        while len(cancelled) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)

    assert len(began) == len(cancelled) == 2


async def test_fifty_clients_at_once_each_get_their_own_answer(api):
    titles = ["Cowboy Bebop", "Mushishi", "Clannad", "Gintama", "Nichijou"] * 10
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key=TOKEN, max_retries=0, timeout=50) as sdk:
        answers = await asyncio.gather(
            *(sdk.chat.completions.create(model=MODEL, messages=thread(f"What is {title} about?")) for title in titles)
        )

    assert all(f"**{title}" in answer.choices[0].message.content for title, answer in zip(titles, answers, strict=True))


def _source(title, show_id="1"):
    return Source(show=Show(id=show_id, title=title), evidence=(), score=1.0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_images_and_html_in_a_text_stay_inert_however_it_is_cut(size):
    hostile = "Look ![x](http://evil.example/p.png) and ![y][z] <img src=x> a < b! [fine] <b>!"
    content = AnswerContent("http://127.0.0.1")
    given = "".join(content.add(hostile[at : at + size]) for at in range(0, len(hostile), size))
    answer = Answer(question="q", status=AnswerStatus.OK, text=hostile, sources=(_source("![t](u)\n\n# x", "a/b c"),))
    given += content.end(answer)

    assert given == r"Look !\[x](http://evil.example/p.png) and !\[y][z] \<img src=x> a < b! [fine] \<b>!"
    assert content.text == given


def test_a_title_stays_on_one_line_and_an_id_is_escaped_in_the_address():
    source = _source("![t](u)\n\n[9] Other · id 77", "a/b c")
    content = AnswerContent("http://127.0.0.1")
    content.add("Text [1]")
    content.end(Answer(question="q", status=AnswerStatus.OK, text="Text [1]", sources=(source,), citations=("a/b c",)))

    assert content.text.endswith("Sources:\n[1] !\\[t](u) [9] Other · id 77 · id a/b c")
    assert content.annotations[0]["url_citation"]["url"] == "http://127.0.0.1/catalogue?show=a%2Fb%20c"
    assert ShowsOfAnswers().turns((("q", content.text),))[0].ids == ("a/b c",)


class Scripted:
    """A backend whose service yields these events."""

    def __init__(self, *events):
        self._events = events

    async def stream(self, _events):
        for event in self._events:
            yield event


async def posted(*events, stream):
    """Ask for a completion of these events."""
    transport = httpx2.ASGITransport(app=application(Scripted(Retrieval(question="q"), *events)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        body = {"model": MODEL, "messages": thread("q"), "stream": stream}
        return await client.post("/v1/chat/completions", json=body)


BROKEN = Answer(question="q", status=AnswerStatus.ERROR, text="Half", error="The provider failed: try again.")


async def test_an_error_before_the_first_word_has_a_status():
    for stream in (True, False):
        refused = await posted(replace(BROKEN, text=None), stream=stream)
        assert refused.status_code == 502
        assert refused.json()["error"]["message"] == BROKEN.error


async def test_an_error_after_the_first_word_ends_the_stream_with_an_error():
    whole = await posted("Half", BROKEN, stream=False)
    *_, last = [line for line in (await posted("Half", BROKEN, stream=True)).text.splitlines() if line]

    assert whole.status_code == 502
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == BROKEN.error


@pytest.mark.parametrize(
    ("status", "finish"), [(AnswerStatus.TRUNCATED, "length"), (AnswerStatus.REFUSED, "content_filter")]
)
async def test_a_truncated_or_refused_answer_has_its_finish_reason(status, finish):
    answer = Answer(question="q", status=status, text="Half")
    whole = (await posted("Half", answer, stream=False)).json()["choices"][0]
    streamed = (await posted("Half", answer, stream=True)).text

    assert whole["finish_reason"] == finish
    assert bool(whole["message"]["refusal"]) is (status is AnswerStatus.REFUSED)
    assert f'"finish_reason": "{finish}"' in streamed
    assert ('"refusal"' in streamed) is (status is AnswerStatus.REFUSED)


def test_only_the_end_of_a_long_conversation_is_read(client):
    """A client may send anything as an earlier message, and reading it must not hold up the services' loop."""
    huge = [{"role": "user", "content": "q " * 200_000}, {"role": "assistant", "content": "x"}]
    many = thread(*["hi"] * 9_000)
    body = {"model": MODEL, "messages": [*many, *huge, {"role": "user", "content": "What is Mushishi about?"}]}

    began_s = time.perf_counter()
    answer = client.post("/v1/chat/completions", json=body)

    assert time.perf_counter() - began_s < 10
    assert answer.json()["result"]["ids"][0] == "457"


@pytest.mark.parametrize("last", ["assistant", "tool", "function"])
def test_the_last_message_must_be_from_the_user(last):
    messages = [{"role": "user", "content": "a"}, {"role": last, "content": "b"}]
    with pytest.raises(ApiError, match="last message"):
        read(json.dumps({"model": MODEL, "messages": messages}).encode())
