"""Auxiliary clients: who is asked, one client per key, closed and foreign-loop ones replaced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from hermes import auxiliary_client
from hermes.auxiliary_client import (
    CACHE_SIZE_MAX,
    Credentials,
    _get_cached_client,
    _resolve_task_provider_model,
    async_call_llm,
    async_close_cached_clients,
    call_llm,
    close_cached_clients,
    resolve_credentials,
    resolve_provider_client,
)
from tests.hermes.scripts import goal, says

pytestmark = pytest.mark.usefixtures("home", "fresh_cache")

RESOLVE = resolve_provider_client


def ask(*replies: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": goal("go", *replies)}]


# -- who is asked -------------------------------------------------------------------------------


def test_arguments_win_over_the_environment_and_that_over_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.yaml").write_text("model: {base_url: 'http://f/v1', api_key: kf, name: m}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://e/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "ke")
    assert resolve_credentials(None, "http://a/v1", "ka") == Credentials(
        "custom", "http://a/v1", "ka", "m"
    )
    assert resolve_credentials("Main") == Credentials("custom", "http://e/v1", "ke", "m")
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert resolve_credentials("other") == Credentials("other", "http://f/v1", "kf", "m")
    (home / "config.yaml").write_text("model: {api_key: kf}\n")
    assert resolve_credentials() == Credentials("openai", "https://api.openai.com/v1", "kf", None)


def test_nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY"):
        resolve_credentials()
    assert resolve_provider_client(None) == (None, None)
    assert _get_cached_client("auto") == (None, None)
    assert auxiliary_client._client_cache == {}
    with pytest.raises(RuntimeError, match=r"No LLM provider configured: .* auxiliary\.title in"):
        call_llm("title", messages=[])
    with pytest.raises(RuntimeError, match="No LLM provider configured"):
        asyncio.run(async_call_llm(messages=[]))


def test_tasks_have_settings_of_their_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.yaml").write_text("auxiliary: {title: {model: mf, provider: pf}, bad: 3}\n")
    resolve = _resolve_task_provider_model
    assert resolve(None, None, None, None, None) == ("auto", None, None, None)
    assert resolve("bad", None, None, None, None) == ("auto", None, None, None)
    assert resolve("title", None, None, None, None) == ("pf", "mf", None, None)
    monkeypatch.setenv("AUXILIARY_TITLE_MODEL", "me")
    monkeypatch.setenv("AUXILIARY_TITLE_BASE_URL", "http://e/v1")
    monkeypatch.setenv("AUXILIARY_TITLE_API_KEY", "ke")
    assert resolve("title", None, None, None, None) == ("custom", "me", "http://e/v1", "ke")
    assert resolve("title", "pa", "ma", None, "ka") == ("custom", "ma", "http://e/v1", "ka")


# -- calls --------------------------------------------------------------------------------------


def test_a_call() -> None:
    response = call_llm("title", messages=ask(says("A title")), temperature=0.1, max_tokens=9)
    assert response.choices[0].message.content == "A title"


def test_an_asynchronous_call() -> None:
    async def call_and_close() -> Any:
        response = await async_call_llm("title", messages=ask(says("A title")))
        await async_close_cached_clients()
        return response

    response = asyncio.run(call_and_close())
    assert response.choices[0].message.content == "A title"
    assert auxiliary_client._client_cache == {}


class Endpoint:
    """A client whose endpoint refuses `max_tokens`, or everything."""

    def __init__(self, complaint: str) -> None:
        self.complaint = complaint
        self.asked: list[dict[str, Any]] = []
        self.chat = self.completions = self

    def create(self, **request: Any) -> str:
        self.asked.append(request)
        if "max_completion_tokens" in request:
            return "answer"
        import httpx2

        response = httpx2.Response(400, request=httpx2.Request("POST", "http://x"))
        raise openai.BadRequestError(self.complaint, response=response, body=None)

    def is_closed(self) -> bool:
        return False


def test_the_newer_name_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Endpoint("unsupported_parameter: max_tokens")
    monkeypatch.setattr(auxiliary_client, "_get_cached_client", lambda *a, **k: (refusing, "m"))
    answer: Any = call_llm(messages=[], max_tokens=7)
    assert answer == "answer"
    assert [request.get("max_completion_tokens") for request in refusing.asked] == [None, 7]
    assert "max_tokens" not in refusing.asked[1]


@pytest.mark.parametrize(
    ("complaint", "options"),
    [("no credit", {"max_tokens": 7}), ("max_tokens is wrong", {})],
)
def test_other_refusals_are_the_callers(
    monkeypatch: pytest.MonkeyPatch, complaint: str, options: dict[str, Any]
) -> None:
    refusing = Endpoint(complaint)
    monkeypatch.setattr(auxiliary_client, "_get_cached_client", lambda *a, **k: (refusing, "m"))
    with pytest.raises(openai.BadRequestError, match=complaint):
        call_llm(messages=[], **options)
    assert len(refusing.asked) == 1


# -- the cache ----------------------------------------------------------------------------------


def test_the_model_is_not_in_the_key() -> None:
    first, default = _get_cached_client("auto")
    second, named = _get_cached_client("auto", "gpt")
    assert first is second
    assert (default, named) == ("gpt-4o-mini", "gpt")
    assert _get_cached_client("auto", base_url="https://other/v1")[0] is not first


def test_a_closed_client_is_replaced() -> None:
    first, _ = _get_cached_client("auto")
    first.close()
    second, _ = _get_cached_client("auto")
    assert second is not first
    assert not second.is_closed()


def resolve_together(count: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let `count` threads miss the cache together; the clients that were built."""
    barrier = threading.Barrier(count)
    built: list[Any] = []

    def slowly(*args: Any, **kwargs: Any) -> Any:
        found = RESOLVE(*args, **kwargs)
        built.append(found[0])
        barrier.wait(20)
        return found

    monkeypatch.setattr(auxiliary_client, "resolve_provider_client", slowly)
    return built


def test_racing_callers_share_one_client_and_the_others_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = resolve_together(8, monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: _get_cached_client("auto")[0], range(8)))
    assert len(built) == 8
    assert len({id(client) for client in given}) == 1
    assert [client for client in built if not client.is_closed()] == given[:1]


def test_no_lock_is_held_while_a_client_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*args: Any, **kwargs: Any) -> Any:
        assert not auxiliary_client._client_cache_lock.locked()
        return RESOLVE(*args, **kwargs)

    monkeypatch.setattr(auxiliary_client, "resolve_provider_client", build)
    assert _get_cached_client("auto")[0] is not None


def test_each_event_loop_has_its_own_client() -> None:
    async def resolve() -> Any:
        first, _ = _get_cached_client("auto", async_mode=True)
        second, _ = _get_cached_client("auto", async_mode=True)
        assert first is second
        return first

    first, second = asyncio.run(resolve()), asyncio.run(resolve())
    assert first is not second
    assert isinstance(first, openai.AsyncOpenAI)


def test_clients_of_ended_loops_are_forgotten() -> None:
    async def resolve() -> None:
        _get_cached_client("auto", async_mode=True)

    for _ in range(5):
        asyncio.run(resolve())
    assert len(auxiliary_client._client_cache) == len(auxiliary_client._client_loops) == 1


def test_closing_leaves_other_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = _get_cached_client("auto")

    async def resolve_and_close() -> Any:
        given, _ = _get_cached_client("auto", async_mode=True)
        await async_close_cached_clients()
        return given

    assert asyncio.run(resolve_and_close()).is_closed()
    assert not client.is_closed()
    assert _get_cached_client("auto")[0] is client


def test_a_loser_of_an_event_loop_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    async def resolve() -> Any:
        def nested(*args: Any, **kwargs: Any) -> Any:
            # While the first is built, another task of this loop gets in and wins.
            found = RESOLVE(*args, **kwargs)
            built.append(found[0])
            if len(built) == 1:
                _get_cached_client("auto", async_mode=True)
            return found

        monkeypatch.setattr(auxiliary_client, "resolve_provider_client", nested)
        given, _ = _get_cached_client("auto", async_mode=True)
        await asyncio.sleep(0.05)
        return given

    given = asyncio.run(resolve())
    assert given is built[1]
    assert [client.is_closed() for client in built] == [True, False]


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    first, _ = _get_cached_client("auto", api_key="key-0")
    for number in range(1, CACHE_SIZE_MAX + 1):
        last, _ = _get_cached_client("auto", api_key=f"key-{number}")
    assert len(auxiliary_client._client_cache) == CACHE_SIZE_MAX
    # Somebody may be using it still.
    assert not first.is_closed()
    assert _get_cached_client("auto", api_key=f"key-{CACHE_SIZE_MAX}")[0] is last
    again, _ = _get_cached_client("auto", api_key="key-0")
    assert again is not first
    first.close()


def test_closing_all() -> None:
    client, _ = _get_cached_client("auto")
    close_cached_clients()
    assert client.is_closed()
    assert auxiliary_client._client_cache == {}


@pytest.mark.parametrize("make", [_get_cached_client])
def test_none_is_not_cached(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    key = "scripted-key"
    monkeypatch.delenv("OPENAI_API_KEY")
    assert make("auto") == (None, None)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert make("auto")[0] is not None
