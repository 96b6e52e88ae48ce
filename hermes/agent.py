"""AIAgent: a conversation with a model that may call tools, delegate, and be interrupted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai

from hermes.auxiliary_client import resolve_credentials
from hermes.budget import IterationBudget
from hermes.config import section
from hermes.conversation import (
    Message,
    Turn,
    assistant_message,
    budget_hint,
    for_model,
    parse_arguments,
    preview,
    strip_think_blocks,
    tool_message,
    with_hint,
)
from hermes.delegate_tool import PreparedDelegation, prepare_delegation
from hermes.interrupt import bind_interrupt, set_interrupt
from hermes.model_call import Answer, Connections, interruptible_call, is_worth_retrying
from hermes.safe_stdio import _install_safe_stdio, _SafeWriter
from hermes.spinner import KawaiiSpinner
from hermes.tools import cut_result, get_tool_definitions, registry
from hermes.transcript import Transcript, new_session_id

__all__ = ["AIAgent", "IterationBudget", "_SafeWriter", "_install_safe_stdio"]

log = logging.getLogger(__name__)

DEFAULT_MODEL = "gpt-4o-mini"
DEFAULT_REQUEST_TIMEOUT_S = 600.0
BROKEN_ANSWER_TRIES = 3
UNKNOWN_TOOL_STRIKES = 3
BAD_ARGUMENTS_RETRIES = 2
EMPTY_REPLY_RETRIES = 3
TOOL_WORKERS_MAX = 8
SYSTEM_PROMPT = (
    "You are Hermes, an agent that gets things done with the tools it is given. "
    "Act with tools where that helps, and answer briefly."
)


class AIAgent:
    """One agent. Turns run on the caller's thread, one at a time; `interrupt` comes from any.

    An interrupt ends the turn in progress or, where there is none, the next one; the turn that it
    ends consumes it. Call `close` when the agent is no longer needed.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        *,
        max_iterations: int = 90,
        enabled_toolsets: Sequence[str] | None = None,
        disabled_toolsets: Sequence[str] | None = None,
        quiet_mode: bool = False,
        ephemeral_system_prompt: str | None = None,
        log_prefix: str = "",
        session_id: str | None = None,
        tool_progress_callback: Callable[..., None] | None = None,
        step_callback: Callable[[int], None] | None = None,
        stream_delta_callback: Callable[[str], None] | None = None,
        max_tokens: int | None = None,
        reasoning_config: Mapping[str, Any] | None = None,
        prefill_messages: Sequence[Message] | None = None,
        platform: str | None = None,
        session_db: Any = None,
        parent_session_id: str | None = None,
        iteration_budget: IterationBudget | None = None,
        request_timeout_s: float | None = None,
    ) -> None:
        """Build the agent and its client. Raises ValueError where no endpoint is configured."""
        _install_safe_stdio()
        self._owns_budget = iteration_budget is None
        self.iteration_budget = iteration_budget or IterationBudget(max_iterations)
        self.max_iterations = max_iterations
        self._begin_state()
        credentials = resolve_credentials(provider, base_url, api_key)
        self.provider = credentials.provider
        self.base_url, self.api_key = credentials.base_url, credentials.api_key
        self.model = model or credentials.model or DEFAULT_MODEL
        timeout_s = request_timeout_s or section("model").get("request_timeout_s")
        self._client_kwargs: dict[str, Any] = {
            "base_url": self.base_url,
            "api_key": self.api_key,
            "timeout": float(timeout_s or DEFAULT_REQUEST_TIMEOUT_S),
        }
        self.client = openai.OpenAI(**self._client_kwargs)
        self.enabled_toolsets = list(enabled_toolsets) if enabled_toolsets is not None else None
        self.disabled_toolsets = list(disabled_toolsets or ())
        self.tools = get_tool_definitions(enabled_toolsets, disabled_toolsets)
        self.valid_tool_names = {tool["function"]["name"] for tool in self.tools}
        self.quiet_mode = quiet_mode
        self.ephemeral_system_prompt = ephemeral_system_prompt
        self.log_prefix = log_prefix
        self.session_id = session_id or new_session_id()
        self.tool_progress_callback = tool_progress_callback
        self.step_callback = step_callback
        self.stream_delta_callback = stream_delta_callback
        self.max_tokens, self.reasoning_config = max_tokens, reasoning_config
        self.prefill_messages = list(prefill_messages or ())
        self.platform = platform
        self.parent_session_id = parent_session_id
        self._session_db = session_db
        self._transcript = self._open_transcript()
        self._transcript.begin()
        self._system_prompt = ""

    def _begin_state(self) -> None:
        """What turns change: counters, and what other threads touch with its locks."""
        self._interrupt_requested = False
        self._interrupt_message: str | None = None
        self._tool_interrupt = threading.Event()
        self._client_lock = threading.RLock()
        self._delegate_depth = 0
        self._delegate_spinner: KawaiiSpinner | None = None
        self._active_children: list[Any] = []
        self._active_children_lock = threading.Lock()
        self.session_prompt_tokens = self.session_completion_tokens = 0
        self.session_total_tokens = self.session_api_calls = 0

    def _open_transcript(self) -> Transcript:
        return Transcript(
            self._session_db,
            self.session_id,
            source=self.platform or "cli",
            model=self.model,
            model_config={
                "max_iterations": self.max_iterations,
                "reasoning_config": self.reasoning_config,
                "max_tokens": self.max_tokens,
            },
            parent_session_id=self.parent_session_id,
        )

    # -- interrupts -----------------------------------------------------------------------------

    @property
    def is_interrupted(self) -> bool:
        """Whether an interrupt is waiting to be acted on."""
        return self._interrupt_requested

    def interrupt(self, message: str | None = None) -> None:
        """End the turn, its tools, and every child that is or will be registered in it."""
        self._interrupt_message = message
        self._interrupt_requested = True
        with bind_interrupt(self._tool_interrupt):
            set_interrupt(True)
        with self._active_children_lock:
            children = list(self._active_children)
        for child in children:
            try:
                child.interrupt(message)
            except Exception:
                log.debug("a child could not be interrupted", exc_info=True)

    def clear_interrupt(self) -> None:
        """Withdraw an interrupt that no turn has acted on. Children are not touched."""
        self._interrupt_requested = False
        self._interrupt_message = None
        with bind_interrupt(self._tool_interrupt):
            set_interrupt(False)

    # -- clients --------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the client. A later turn makes a new one."""
        with self._client_lock:
            self.client.close()

    def _ensure_primary_openai_client(self) -> None:
        with self._client_lock:
            if self.client.is_closed():
                self.client = openai.OpenAI(**self._client_kwargs)

    def _create_request_openai_client(self, connections: Connections) -> openai.OpenAI:
        """A client for one request: what it does cannot disturb another request."""
        http_client = openai.DefaultHttpxClient(
            event_hooks={"request": [connections.on_request]},
            timeout=self._client_kwargs["timeout"],
        )
        return openai.OpenAI(**self._client_kwargs, http_client=http_client)

    def _interruptible_api_call(self, request: Mapping[str, Any]) -> Answer:
        """One answer of the model; broken ones are asked for again. Raises InterruptedError."""
        for attempt in range(BROKEN_ANSWER_TRIES):
            headers = {"x-hermes-attempt": str(attempt)} if attempt else {}
            try:
                return interruptible_call(
                    self._create_request_openai_client,
                    {**request, "extra_headers": headers},
                    lambda: self._interrupt_requested,
                    self.stream_delta_callback,
                )
            except InterruptedError:
                raise
            except Exception as error:
                streamed = self.stream_delta_callback is not None
                last = attempt == BROKEN_ANSWER_TRIES - 1
                if last or not is_worth_retrying(error, streamed=streamed):
                    raise
                log.debug("%sbroken answer, asking again: %r", self.log_prefix, error)
        raise AssertionError("the last try returns or raises")

    # -- the turn -------------------------------------------------------------------------------

    def run_conversation(
        self,
        user_message: str,
        system_message: str | None = None,
        conversation_history: Sequence[Message] | None = None,
        stream_callback: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Run one turn to its end and return its result; see `Turn.result`.

        `stream_callback` is for this turn, in place of the agent's own. Never raises for what the
        endpoint, a tool or the database does: the result says `error`.
        """
        _install_safe_stdio()
        own_callback = self.stream_delta_callback
        self.stream_delta_callback = stream_callback or own_callback
        if self._owns_budget:
            self.iteration_budget = IterationBudget(self.max_iterations)
        self._ensure_primary_openai_client()
        history = list(conversation_history or ())
        turn = Turn([*history, {"role": "user", "content": user_message}])
        turn.streamed = self.stream_delta_callback is not None
        self._transcript.flushed = len(history)
        self._system_prompt = (
            system_message
            or self._system_prompt
            or self._transcript.system_prompt(SYSTEM_PROMPT, resumed=bool(history))
        )
        message = None
        with bind_interrupt(self._tool_interrupt):
            try:
                self._loop(turn)
                if turn.final_response is None and not (turn.interrupted or turn.error):
                    self._handle_max_iterations(turn)
            except InterruptedError:
                turn.interrupted = True
            except Exception as error:
                turn.error = f"{type(error).__name__}: {error}"
                log.debug("%sthe turn failed", self.log_prefix, exc_info=True)
            self._flush_messages_to_session_db(turn.messages)
            if turn.interrupted:
                message = self._interrupt_message
            self.clear_interrupt()
        self.stream_delta_callback = own_callback
        return turn.result(message)

    def _flush_messages_to_session_db(self, messages: Sequence[Message]) -> None:
        self._transcript.flush(messages)

    def _loop(self, turn: Turn) -> None:
        while turn.final_response is None and turn.error is None:
            if self._interrupt_requested:
                turn.interrupted = True
                return
            if turn.api_calls >= self.max_iterations or not self.iteration_budget.consume():
                turn.reached_limit = True
                return
            turn.api_calls += 1
            if self.step_callback is not None:
                self.step_callback(turn.api_calls)
            answer = self._ask(turn, tools=True)
            if answer.tool_calls:
                self._take_tool_calls(turn, answer)
            else:
                self._take_text(turn, answer)
            self._flush_messages_to_session_db(turn.messages)

    def _ask(self, turn: Turn, *, tools: bool) -> Answer:
        system = "\n\n".join(filter(None, (self._system_prompt, self.ephemeral_system_prompt)))
        request: dict[str, Any] = {
            "model": self.model,
            "messages": for_model([*self.prefill_messages, *turn.messages], system),
        }
        if tools and self.tools:
            request["tools"] = self.tools
        if self.max_tokens:
            request["max_tokens"] = self.max_tokens
        if self.reasoning_config:
            request["extra_body"] = {"reasoning": dict(self.reasoning_config)}
        spinner = None
        if not self.quiet_mode and self.stream_delta_callback is None:
            spinner = KawaiiSpinner("thinking")
            spinner.start()
        try:
            answer = self._interruptible_api_call(request)
        finally:
            if spinner is not None:
                spinner.stop()
        self._count(answer)
        turn.reasoning = answer.reasoning or turn.reasoning
        if self._delegate_depth > 0 and answer.text.strip():
            self._progress("_thinking", answer.text.strip().splitlines()[0][:80])
        return answer

    def _count(self, answer: Answer) -> None:
        self.session_api_calls += 1
        self.session_prompt_tokens += answer.prompt_tokens
        self.session_completion_tokens += answer.completion_tokens
        self.session_total_tokens += answer.prompt_tokens + answer.completion_tokens
        self._transcript.count_tokens(answer.prompt_tokens, answer.completion_tokens)

    def _take_text(self, turn: Turn, answer: Answer) -> None:
        text = strip_think_blocks(answer.text)
        if not text and turn.empty_replies < EMPTY_REPLY_RETRIES:
            turn.empty_replies += 1
            return
        if not text:
            turn.error = "the model gave no answer"
            return
        turn.messages.append(assistant_message(answer))
        turn.final_response = text

    def _take_tool_calls(self, turn: Turn, answer: Answer) -> None:
        unknown = [
            call
            for call in answer.tool_calls
            if call["function"]["name"] not in self.valid_tool_names
        ]
        if unknown:
            self._refuse_unknown(turn, answer, unknown)
            return
        try:
            arguments = [parse_arguments(call) for call in answer.tool_calls]
        except ValueError as error:
            self._refuse_arguments(turn, error)
            return
        turn.unknown_tools = turn.bad_arguments = 0
        turn.messages.append(assistant_message(answer))
        results = self._execute_tool_calls(answer.tool_calls, arguments)
        hint = budget_hint(turn.api_calls, self.max_iterations)
        results[-1] = with_hint(results[-1], hint)
        turn.messages += [
            tool_message(call, content)
            for call, content in zip(answer.tool_calls, results, strict=True)
        ]

    def _refuse_unknown(
        self, turn: Turn, answer: Answer, unknown: Sequence[Mapping[str, Any]]
    ) -> None:
        turn.unknown_tools += 1
        if turn.unknown_tools >= UNKNOWN_TOOL_STRIKES:
            turn.partial = True
            turn.error = f"the model asked for unknown tools {UNKNOWN_TOOL_STRIKES} times"
            return
        turn.messages.append(assistant_message(answer))
        names = ", ".join(sorted(self.valid_tool_names)) or "none"
        for call in answer.tool_calls:
            name = call["function"]["name"]
            said = f"there is no tool {name!r}" if call in unknown else "not run"
            turn.messages.append(tool_message(call, f"Error: {said}; the tools are: {names}"))

    def _refuse_arguments(self, turn: Turn, error: ValueError) -> None:
        turn.bad_arguments += 1
        if turn.bad_arguments > BAD_ARGUMENTS_RETRIES:
            turn.bad_arguments = 0
            turn.messages.append(
                {
                    "role": "user",
                    "content": f"The arguments of your tool call were no JSON ({error}). "
                    "Call the tool again with valid JSON, or answer without it.",
                }
            )

    def _handle_max_iterations(self, turn: Turn) -> None:
        """Ask once more, without tools, for what was found so far."""
        request = "You have used all your iterations. Sum up what was done and found."
        turn.messages.append({"role": "user", "content": request})
        answer = self._ask(turn, tools=False)
        text = strip_think_blocks(answer.text)
        if text:
            turn.messages.append(assistant_message(answer))
            turn.final_response = text

    # -- tools ----------------------------------------------------------------------------------

    def _execute_tool_calls(
        self, calls: Sequence[Mapping[str, Any]], arguments: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """Results in the order of the calls; several calls run at the same time."""
        names = [call["function"]["name"] for call in calls]
        # Children are built here, on the turn's own thread, wherever they will run.
        prepared = [
            self._prepare(name, values) for name, values in zip(names, arguments, strict=True)
        ]
        for name, values in zip(names, arguments, strict=True):
            self._progress(name, preview(values), values)
        if len(calls) == 1:
            return [self._run_alone(names[0], arguments[0], prepared[0])]
        workers = min(len(calls), TOOL_WORKERS_MAX)
        with ThreadPoolExecutor(workers, thread_name_prefix="tool") as pool:
            futures = [
                pool.submit(self._run_tool, name, values, delegation)
                for name, values, delegation in zip(names, arguments, prepared, strict=True)
            ]
            return [future.result() for future in futures]

    def _prepare(self, name: str, arguments: Mapping[str, Any]) -> PreparedDelegation | str | None:
        if name != "delegate_task" or self._interrupt_requested:
            return None
        try:
            return prepare_delegation(parent_agent=self, **arguments)
        except Exception as error:
            return f"Error executing tool {name!r}: {type(error).__name__}: {error}"

    def _run_alone(
        self,
        name: str,
        arguments: Mapping[str, Any],
        prepared: PreparedDelegation | str | None,
    ) -> str:
        if self.quiet_mode:
            return self._run_tool(name, arguments, prepared)
        spinner = KawaiiSpinner(f"{name} {preview(arguments)}".strip())
        if name == "delegate_task":
            self._delegate_spinner = spinner
        spinner.start()
        try:
            return self._run_tool(name, arguments, prepared)
        finally:
            self._delegate_spinner = None
            spinner.stop()

    def _run_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        prepared: PreparedDelegation | str | None = None,
    ) -> str:
        """Run one tool on the calling thread; what it raises becomes its result."""
        if self._interrupt_requested and not isinstance(prepared, PreparedDelegation):
            return f"[{name} was cancelled: the user interrupted]"
        try:
            with bind_interrupt(self._tool_interrupt):
                if isinstance(prepared, PreparedDelegation):
                    return cut_result(prepared.run())
                if prepared is not None:
                    return prepared
                return cut_result(registry.dispatch(name, arguments, parent_agent=self))
        except Exception as error:
            return f"Error executing tool {name!r}: {type(error).__name__}: {error}"

    def _progress(self, name: str, preview: str, arguments: Any = None) -> None:
        if self.tool_progress_callback is None:
            return
        try:
            self.tool_progress_callback(name, preview, arguments)
        except Exception:
            log.debug("%sprogress was not shown", self.log_prefix, exc_info=True)
