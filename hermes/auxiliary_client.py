"""Clients for side tasks (titles, summaries), shared by all threads of the process."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from hermes.config import section

log = logging.getLogger(__name__)

DEFAULT_MODEL = "gpt-4o-mini"
CACHE_SIZE_MAX = 64

_client_cache: dict[tuple[Any, ...], tuple[Any, str | None]] = {}
_client_cache_lock = threading.Lock()


@dataclass(frozen=True)
class Credentials:
    """How to reach a provider."""

    provider: str
    base_url: str
    api_key: str
    model: str | None = None


def resolve_credentials(
    provider: str | None = None, base_url: str | None = None, api_key: str | None = None
) -> Credentials:
    """Explicit values, else the environment, else `model` in config.yaml.

    Raises ValueError, saying what to set, where no endpoint or no key is known.
    """
    settings = section("model")
    url = base_url or os.environ.get("OPENAI_BASE_URL") or settings.get("base_url")
    key = api_key or os.environ.get("OPENAI_API_KEY") or settings.get("api_key")
    if not key:
        raise ValueError(
            "no LLM provider is configured: set OPENAI_API_KEY (and OPENAI_BASE_URL for an "
            "endpoint of your own), or model.api_key in config.yaml"
        )
    name = (provider or "auto").lower()
    if name in ("auto", "main"):
        name = "custom" if url else "openai"
    default = settings.get("name") or settings.get("default")
    return Credentials(name, str(url or "https://api.openai.com/v1"), str(key), default)


def resolve_provider_client(
    provider: str | None,
    model: str | None = None,
    async_mode: bool = False,
    explicit_base_url: str | None = None,
    explicit_api_key: str | None = None,
) -> tuple[Any, str | None]:
    """A new client and the model to use with it; (None, None) where nothing is configured."""
    try:
        found = resolve_credentials(provider, explicit_base_url, explicit_api_key)
    except ValueError as error:
        log.warning("%s", error)
        return None, None
    build = openai.AsyncOpenAI if async_mode else openai.OpenAI
    client = build(base_url=found.base_url, api_key=found.api_key)
    return client, model or found.model or DEFAULT_MODEL


def _get_cached_client(
    provider: str,
    model: str | None = None,
    async_mode: bool = False,
    base_url: str | None = None,
    api_key: str | None = None,
) -> tuple[Any, str | None]:
    """The one client of this key, and the model. The model is not part of the key.

    Looked up under the lock, built outside it (that takes long), looked up again and stored under
    it: the first to store wins, the others close what they built. Closed clients are replaced, and
    an asynchronous one belongs to the event loop that asked for it.
    """
    loop = _running_loop() if async_mode else None
    key: tuple[Any, ...] = (provider, async_mode, base_url or "", api_key or "")
    if async_mode:
        key += (id(loop),)
    with _client_cache_lock:
        cached = _usable(key, loop)
    if cached is not None:
        return cached[0], model or cached[1]
    client, default = resolve_provider_client(
        provider,
        None,
        async_mode,
        explicit_base_url=base_url,
        explicit_api_key=api_key,
    )
    if client is None:
        return None, None
    with _client_cache_lock:
        winner = _usable(key, loop)
        if winner is None:
            _forget_ended_loops()
            # Dropped, not closed: somebody may be using it. It is closed with its last user.
            while len(_client_cache) >= CACHE_SIZE_MAX:
                _forget(next(iter(_client_cache)))
            _client_cache[key] = client, default
            _client_loops[key] = loop
            return client, model or default
    _close_loser(client)
    return winner[0], model or winner[1]


#: The loop of each asynchronous client: held, so that its id cannot come to mean another one.
_client_loops: dict[tuple[Any, ...], asyncio.AbstractEventLoop | None] = {}


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _usable(
    key: tuple[Any, ...], loop: asyncio.AbstractEventLoop | None
) -> tuple[Any, str | None] | None:
    """What is cached, unless it is closed. The caller holds the lock."""
    cached = _client_cache.get(key)
    if cached is None:
        return None
    if cached[0].is_closed() or _client_loops.get(key) is not loop:
        _forget(key)
        return None
    return cached


def _forget(key: tuple[Any, ...]) -> None:
    del _client_cache[key]
    _client_loops.pop(key, None)


def _forget_ended_loops() -> None:
    for key in [key for key, loop in _client_loops.items() if loop and loop.is_closed()]:
        _forget(key)


def _close_loser(client: Any) -> None:
    if isinstance(client, openai.OpenAI):
        client.close()
    else:
        loop = _running_loop()
        if loop is not None:
            _closing.add(task := loop.create_task(client.close()))
            task.add_done_callback(_closing.discard)


#: Tasks that close asynchronous losers; a loop keeps no reference of its own to a task.
_closing: set[asyncio.Task[None]] = set()


async def async_close_cached_clients() -> None:
    """Close the clients of the running event loop; the last thing to do before it ends."""
    loop = asyncio.get_running_loop()
    with _client_cache_lock:
        mine = {key: _client_cache[key][0] for key, of in _client_loops.items() if of is loop}
        for key in mine:
            _forget(key)
    for client in mine.values():
        await client.close()


def close_cached_clients() -> None:
    """Close every cached client and forget it; those of event loops are only forgotten."""
    with _client_cache_lock:
        clients = [client for client, _ in _client_cache.values()]
        _client_cache.clear()
        _client_loops.clear()
    for client in clients:
        if isinstance(client, openai.OpenAI):
            client.close()


def _resolve_task_provider_model(
    task: str | None,
    provider: str | None,
    model: str | None,
    base_url: str | None,
    api_key: str | None,
) -> tuple[str, str | None, str | None, str | None]:
    """(provider, model, base_url, api_key): arguments, else `AUXILIARY_{TASK}_*`, else config."""
    settings: Mapping[str, Any] = {}
    if task:
        of_task = section("auxiliary").get(task)
        settings = of_task if isinstance(of_task, Mapping) else {}

    def find(name: str, given: str | None) -> str | None:
        from_environment = os.environ.get(f"AUXILIARY_{task}_{name}".upper()) if task else None
        return given or from_environment or settings.get(name) or None

    url = find("base_url", base_url)
    chosen = "custom" if url else find("provider", provider) or "auto"
    return chosen, find("model", model), url, find("api_key", api_key)


def _request(
    model: str | None,
    messages: Sequence[Mapping[str, Any]],
    temperature: float | None,
    max_tokens: int | None,
    tools: Sequence[Mapping[str, Any]] | None,
    timeout: float,
    extra_body: Mapping[str, Any] | None,
) -> dict[str, Any]:
    optional = {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "tools": tools,
        "extra_body": extra_body,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"model": model, "messages": messages, "timeout": timeout, **given}


def _renamed_limit(request: Mapping[str, Any], error: openai.APIStatusError) -> dict[str, Any]:
    """The request with the newer name of its limit, where that is what the endpoint refused."""
    text = str(error)
    if "max_tokens" not in request or not ("max_tokens" in text or "unsupported_parameter" in text):
        raise error
    renamed = dict(request)
    renamed["max_completion_tokens"] = renamed.pop("max_tokens")
    return renamed


_NO_PROVIDER = (
    "No LLM provider configured: set OPENAI_API_KEY (and OPENAI_BASE_URL for an endpoint of "
    "your own), or auxiliary.{} in config.yaml."
)


def call_llm(
    task: str | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    messages: Sequence[Mapping[str, Any]],
    temperature: float | None = None,
    max_tokens: int | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    timeout: float = 30.0,
    extra_body: Mapping[str, Any] | None = None,
) -> Any:
    """One answer from the client of a side task. Raises RuntimeError where none is configured."""
    resolved = _resolve_task_provider_model(task, provider, model, base_url, api_key)
    client, name = _get_cached_client(
        resolved[0], resolved[1], base_url=resolved[2], api_key=resolved[3]
    )
    if client is None:
        raise RuntimeError(_NO_PROVIDER.format(task or "TASK"))
    request = _request(name, messages, temperature, max_tokens, tools, timeout, extra_body)
    try:
        return client.chat.completions.create(**request)
    except openai.APIStatusError as error:
        return client.chat.completions.create(**_renamed_limit(request, error))


async def async_call_llm(
    task: str | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    messages: Sequence[Mapping[str, Any]],
    temperature: float | None = None,
    max_tokens: int | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    timeout: float = 30.0,
    extra_body: Mapping[str, Any] | None = None,
) -> Any:
    """`call_llm` for a coroutine, on the client of its own event loop."""
    resolved = _resolve_task_provider_model(task, provider, model, base_url, api_key)
    client, name = _get_cached_client(
        resolved[0], resolved[1], True, base_url=resolved[2], api_key=resolved[3]
    )
    if client is None:
        raise RuntimeError(_NO_PROVIDER.format(task or "TASK"))
    request = _request(name, messages, temperature, max_tokens, tools, timeout, extra_body)
    try:
        return await client.chat.completions.create(**request)
    except openai.APIStatusError as error:
        return await client.chat.completions.create(**_renamed_limit(request, error))
