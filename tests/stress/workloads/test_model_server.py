"""What the real SDK makes of each reply and each fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import openai
import pytest

from stress.workloads import model_server
from stress.workloads.endpoint import Endpoint
from stress.workloads.script import FAULT_KINDS, Fault, Reply, Script, ToolCall
from stress.workloads.wire import Request

LOOK = ToolCall("terminal", {"command": "ls ⟦here⟧", "lines": 3})
READ = ToolCall("read_file", {"path": "ä.txt"})
LONG_S = 60.0


@pytest.fixture
def client(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    """A client that knows the endpoint from its environment only."""
    for name, value in endpoint.environment().items():
        monkeypatch.setenv(name, value)
    with openai.OpenAI(max_retries=0) as made:
        yield made


def says(*replies: Reply) -> list[Any]:
    return [{"role": "user", "content": Script(replies).embed("go")}]


def ask(client: openai.OpenAI, messages: list[Any]) -> Any:
    return client.chat.completions.create(model="m", messages=messages)


def ask_streamed(client: openai.OpenAI, messages: list[Any], **options: Any) -> list[Any]:
    chunks = client.chat.completions.create(model="m", messages=messages, stream=True, **options)
    with chunks:
        return list(chunks)


def joined(chunks: list[Any]) -> tuple[str, dict[int, tuple[str, str]], str]:
    """Text, tool calls by index and the reason of the end."""
    text, reason = "", ""
    calls: dict[int, tuple[str, str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
            for call in choice.delta.tool_calls or ():
                name, arguments = calls.get(call.index, ("", ""))
                name += call.function.name or ""
                calls[call.index] = (name, arguments + call.function.arguments)
    return text, calls, reason


# Replies


@pytest.mark.parametrize("text", ["", "x", "zwölf words or so, in UTF-8 ✓"])
@pytest.mark.parametrize("calls", [(), (ToolCall("clock"),), (LOOK, READ)])
def test_each_reply_comes_whole_and_in_pieces(
    client: openai.OpenAI, text: str, calls: tuple[ToolCall, ...]
) -> None:
    messages = says(Reply(text, calls))
    choice = ask(client, messages).choices[0]
    assert (choice.message.content or "") == text
    plain = [(c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()]
    assert [(name, json.loads(said)) for name, said in plain] == [
        (call.name, call.arguments) for call in calls
    ]
    assert choice.finish_reason == ("tool_calls" if calls else "stop")

    pieces, streamed_calls, reason = joined(ask_streamed(client, messages))
    assert (pieces, list(streamed_calls.values())) == (text, plain)
    assert reason == choice.finish_reason


def test_calls_have_ids_of_their_own(client: openai.OpenAI) -> None:
    messages = says(Reply("", (LOOK, LOOK)), Reply("", (LOOK,)))
    later = [*messages, {"role": "assistant", "content": "looked"}]
    first, second = ask(client, messages), ask(client, later)
    calls = [*first.choices[0].message.tool_calls, *second.choices[0].message.tool_calls]
    assert len({call.id for call in calls}) == 3
    assert ask(client, messages) == first


def test_usage_counts_words(client: openai.OpenAI) -> None:
    messages = says(Reply("three words here", (LOOK,)))
    assert ask(client, messages).usage.model_dump(
        include={"prompt_tokens", "completion_tokens"}
    ) == {
        "prompt_tokens": 2,
        "completion_tokens": 4,
    }
    chunks = ask_streamed(client, messages, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 6
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in ask_streamed(client, messages))


# Turns


def test_turns_follow_the_assistant_messages(client: openai.OpenAI) -> None:
    messages = says(Reply("one", (LOOK,)), Reply("two"))
    answers = []
    for _ in range(3):
        answers.append(ask(client, messages).choices[0].message.content)
        messages.append({"role": "assistant", "content": answers[-1]})
        messages.append({"role": "tool", "tool_call_id": "call_0", "content": "output"})
    assert answers == ["one", "two", "done"]


def test_the_latest_script_counts(client: openai.OpenAI) -> None:
    messages = [
        *says(Reply("old")),
        {"role": "assistant", "content": "old"},
        *says(Reply("new"), Reply("newer")),
        {"role": "assistant", "content": "new"},
        {"role": "user", "content": "a word without a script"},
    ]
    assert ask(client, messages).choices[0].message.content == "newer"


def test_scripts_in_other_messages_do_not_count(client: openai.OpenAI) -> None:
    stray = Script((Reply("stray"),)).embed("")
    messages = [
        {"role": "system", "content": stray},
        *says(Reply("first"), Reply("second")),
        {"role": "assistant", "content": stray},
        {"role": "tool", "tool_call_id": "call_0", "content": stray},
    ]
    assert ask(client, messages).choices[0].message.content == "second"


def test_content_may_come_in_parts(client: openai.OpenAI) -> None:
    parts = [
        {"type": "text", "text": "look at"},
        {"type": "text", "text": Script((Reply("seen"),)).embed("this")},
    ]
    assert ask(client, [{"role": "user", "content": parts}]).choices[0].message.content == "seen"


def test_nested_scripts_reach_the_child(client: openai.OpenAI) -> None:
    goal = Script((Reply("child done"),)).embed("count the files")
    call = ToolCall("delegate_task", {"tasks": [{"goal": goal}]})
    asked = ask(client, says(Reply("", (call,)), Reply("all done"))).choices[0].message.tool_calls
    (task,) = json.loads(asked[0].function.arguments)["tasks"]
    assert Script.strip(task["goal"]) == "count the files"
    answer = ask(client, [{"role": "user", "content": task["goal"]}])
    assert answer.choices[0].message.content == "child done"


def test_without_a_script_the_server_echoes(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    assert ask(client, messages).choices[0].message.content == "You said: hello"
    assert joined(ask_streamed(client, messages))[0] == "You said: hello"


# Faults

RETRIED = {
    "rate_limit": openai.RateLimitError,
    "server_error": openai.InternalServerError,
    "reset": openai.APIConnectionError,
    "late_cut": openai.APIConnectionError,
}


@pytest.mark.parametrize("kind", RETRIED)
def test_a_fault_is_an_error_to_who_does_not_retry(client: openai.OpenAI, kind: str) -> None:
    with pytest.raises(RETRIED[kind]):
        ask(client, says(Reply("at last", faults=(Fault(kind),))))


@pytest.mark.parametrize("kind", RETRIED)
def test_the_sdk_retries_until_the_faults_end(client: openai.OpenAI, kind: str) -> None:
    messages = says(Reply("at last", faults=(Fault(kind),)))
    answer = ask(client.with_options(max_retries=1), messages)
    assert answer.choices[0].message.content == "at last"


def test_faults_come_in_their_order(client: openai.OpenAI) -> None:
    faults = (Fault("rate_limit"), Fault("server_error"), Fault("rate_limit"))
    messages = says(Reply("at last", faults=faults))
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(
            model="m", messages=messages, extra_headers={"x-hermes-attempt": "1"}
        )
    answer = ask(client.with_options(max_retries=3), messages)
    assert answer.choices[0].message.content == "at last"


def test_both_counts_of_attempts_add_up(client: openai.OpenAI) -> None:
    messages = says(Reply("at last", faults=(Fault("server_error"),) * 3))
    answer = client.with_options(max_retries=1).chat.completions.create(
        model="m", messages=messages, extra_headers={"x-hermes-attempt": "2"}
    )
    assert answer.choices[0].message.content == "at last"


def test_the_wait_is_told(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError, match="scripted rate_limit") as caught:
        ask(client, says(Reply(faults=(Fault("rate_limit", 2.5),))))
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2.5", "2500")


def test_a_delay_ends_in_the_answer(client: openai.OpenAI) -> None:
    messages = says(Reply("late", faults=(Fault("delay", 0.01),)))
    assert ask(client, messages).choices[0].message.content == "late"
    assert joined(ask_streamed(client, messages))[0] == "late"


@pytest.mark.parametrize("kind", ["delay", "stall"])
def test_who_will_not_wait_times_out_and_tries_again(client: openai.OpenAI, kind: str) -> None:
    messages = says(Reply("at last", faults=(Fault(kind, LONG_S),)))
    hasty = client.with_options(timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        ask(hasty, messages)
    patient = client.with_options(timeout=httpx2.Timeout(30.0, read=1.0), max_retries=5)
    assert ask(patient, messages).choices[0].message.content == "at last"


@pytest.mark.parametrize("kind", ["malformed", "garbage_frame"])
def test_a_body_that_is_no_json(client: openai.OpenAI, kind: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        ask(client, says(Reply("never", faults=(Fault(kind),))))


# Of a stream that breaks off, older SDKs raise what their HTTP client raises.
STREAM_ERRORS: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
    "rate_limit": openai.RateLimitError,
    "server_error": openai.InternalServerError,
    "malformed": json.JSONDecodeError,
    "garbage_frame": json.JSONDecodeError,
    "reset": (openai.APIConnectionError, httpx2.ReadError),
    "late_cut": (openai.APIConnectionError, httpx2.RemoteProtocolError),
    "stall": (openai.APITimeoutError, httpx2.ReadTimeout),
}


@pytest.mark.parametrize("kind", sorted(STREAM_ERRORS))
def test_a_fault_strikes_in_the_middle_of_a_stream(client: openai.OpenAI, kind: str) -> None:
    messages = says(Reply("never whole", faults=(Fault(kind, LONG_S),)))
    read_s = 0.5 if kind == "stall" else 30.0
    hasty = client.with_options(timeout=httpx2.Timeout(30.0, read=read_s))
    with pytest.raises(STREAM_ERRORS[kind]):
        ask_streamed(hasty, messages)


def test_every_fault_is_tried_above() -> None:
    assert {*STREAM_ERRORS, "delay"} == set(FAULT_KINDS)


# Many at once


@pytest.mark.parametrize("clients", [1, 10])
@pytest.mark.usefixtures("client")
def test_fifty_requests_at_once(clients: int) -> None:
    def one(number: int) -> str:
        faults = (Fault("rate_limit"),) if number % 5 == 0 else ()
        messages = says(Reply(f"answer {number}", faults=faults))
        if number % 2:
            return joined(ask_streamed(own[number % clients], messages))[0]
        return str(ask(own[number % clients], messages).choices[0].message.content)

    with ExitStack() as stack:
        own = [stack.enter_context(openai.OpenAI(timeout=60.0)) for _ in range(clients)]
        # The SDK builds what it reads answers with at its first one; without a global lock, two
        # first ones at once break it (pydantic's lazily built validators).
        answers = [one(0), one(1)]
        with ThreadPoolExecutor(48) as pool:
            answers += pool.map(one, range(2, 50))
    assert answers == [f"answer {number}" for number in range(50)]


# Wrong requests


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [model_server.MODEL]


def test_wrong_paths_are_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is nothing at POST /v1/embeddings"):
        client.embeddings.create(model="m", input="x")
    with pytest.raises(openai.NotFoundError, match="there is nothing at GET /v1/files"):
        client.files.list()


def test_a_damaged_script_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="the script in the conversation is damaged"):
        ask(client, [{"role": "user", "content": "go ⟦script:A⟧"}])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "the body is no JSON"),
        (b"\xff", "the body is no JSON"),
        (b"[" * 100_000, "the body is no JSON"),
        (b"3", "no messages"),
        (b"{}", "no messages"),
        (b'{"messages": {}}', "no messages"),
        (b'{"messages": []}', "no messages"),
        (b'{"messages": ["hello"]}', "a message has no role"),
        (b'{"messages": [{"role": 1}]}', "a message has no role"),
    ],
)
def test_a_body_without_a_question_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        model_server.read_question(Request("POST", "/v1/chat/completions", {}, body))


@pytest.mark.parametrize("attempt", ["-1", "x", "", "٣", "9" * 5000])
def test_an_attempt_that_is_no_count_is_refused(attempt: str) -> None:
    body = json.dumps({"messages": says(Reply("x"))}).encode()
    headers = {"x-hermes-attempt": attempt}
    with pytest.raises(ValueError, match="is no count"):
        model_server.read_question(Request("POST", "/v1/chat/completions", headers, body))


@pytest.mark.parametrize("content", [None, 3, [], [3], [{"type": "image"}]])
def test_odd_content_is_no_text(content: object) -> None:
    assert model_server.text_of({"role": "user", "content": content}) == ""
