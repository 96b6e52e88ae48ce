"""AIAgent: turns, tools, limits, faults of the endpoint, persistence."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermes import agent as agent_module
from hermes.agent import AIAgent
from hermes.budget import IterationBudget
from hermes.state import SessionDB
from stress.workloads.script import Fault, Reply
from tests.hermes.conftest import MakeAgent
from tests.hermes.scripts import call, does, goal, run, says, tool_results

ECHO = call("terminal", command="echo hello")


def test_a_turn_of_one_answer(make_agent: MakeAgent) -> None:
    agent = make_agent()
    result = run(agent, says("Good morning."))
    assert result["final_response"] == "Good morning."
    assert result["completed"]
    assert result["api_calls"] == agent.session_api_calls == 1
    assert not result["interrupted"]
    assert not result["partial"]
    assert "error" not in result
    assert [m["role"] for m in result["messages"]] == ["user", "assistant"]
    assert agent.session_total_tokens == (
        agent.session_prompt_tokens + agent.session_completion_tokens
    )
    assert agent.session_completion_tokens > 0


def test_tools_run_and_their_results_go_back(make_agent: MakeAgent, tmp_path: Path) -> None:
    result = run(
        make_agent(),
        does(call("write_file", path="note.txt", content="ä line\n")),
        does(call("read_file", path="note.txt")),
        does(ECHO),
        says("Done."),
    )
    written, read, echoed = map(json.loads, tool_results(result))
    assert written["written"] == 7
    assert read == {"content": "ä line\n", "truncated": False}
    assert echoed == {"output": "hello\n", "exit_code": 0}
    assert result["final_response"] == "Done."
    assert (tmp_path / "note.txt").read_text(encoding="utf-8") == "ä line\n"


def test_several_calls_of_one_turn_run_at_once_and_answer_in_order(make_agent: MakeAgent) -> None:
    # Each waits for the other's file: one after the other they would time out.
    meet = "touch {0}; for i in $(seq 500); do [ -e {1} ] && echo {0} && exit 0; sleep 0.01; done"
    calls = [
        call("terminal", command=meet.format("a", "b"), timeout=20),
        call("terminal", command=meet.format("b", "a"), timeout=20),
    ]
    result = run(make_agent(), does(*calls), says("Met."))
    assert [json.loads(text)["output"] for text in tool_results(result)] == ["a\n", "b\n"]
    ids = [c["id"] for m in result["messages"] for c in m.get("tool_calls") or ()]
    assert [m["tool_call_id"] for m in result["messages"] if m["role"] == "tool"] == ids


def test_a_tool_that_raises_becomes_its_result(make_agent: MakeAgent) -> None:
    result = run(make_agent(), does(call("read_file", path="missing.txt")), says("No file."))
    (text,) = tool_results(result)
    assert text.startswith("Error executing tool 'read_file': FileNotFoundError")
    assert result["final_response"] == "No file."


def test_an_unknown_tool_is_told_what_there_is(make_agent: MakeAgent) -> None:
    agent = make_agent(enabled_toolsets=["file"])
    result = run(agent, does(call("fly"), call("list_files")), says("Sorry."))
    unknown, known = tool_results(result)
    assert unknown.startswith("Error: there is no tool 'fly'; the tools are: list_files, ")
    assert known.startswith("Error: not run")
    assert result["completed"]


def test_three_unknown_tools_in_a_row_end_the_turn(make_agent: MakeAgent) -> None:
    result = run(make_agent(), *[does(call("fly"))] * 3, says("never"))
    assert result["partial"]
    assert not result["completed"]
    assert result["error"] == "the model asked for unknown tools 3 times"
    assert result["api_calls"] == 3


def test_arguments_that_are_no_json_are_asked_for_again(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"id": "1", "function": {"name": "terminal", "arguments": '{"command": "ec'}}
    answers = iter(
        [agent_module.Answer(tool_calls=(broken,)) for _ in range(3)]
        + [agent_module.Answer(text="I answer without it.")]
    )
    asked: list[Any] = []

    def answer(self: AIAgent, request: Any) -> agent_module.Answer:
        asked.append(request["messages"])
        return next(answers)

    monkeypatch.setattr(AIAgent, "_interruptible_api_call", answer)
    result = make_agent().run_conversation("go")
    assert result["final_response"] == "I answer without it."
    # Twice the same request, then with a word about what was wrong.
    assert asked[0] == asked[1] == asked[2]
    assert "no JSON" in asked[3][-1]["content"]
    assert tool_results(result) == []


def test_the_limit_asks_once_more_without_tools(make_agent: MakeAgent) -> None:
    agent = make_agent(max_iterations=2)
    result = run(agent, does(ECHO), does(ECHO), says("What I found so far."))
    assert result["final_response"] == "What I found so far."
    assert not result["completed"]
    assert result["api_calls"] == 2
    assert agent.iteration_budget.used == 2
    assert "_budget_warning" in tool_results(result)[-1]


def test_a_shared_budget_ends_a_turn_early(make_agent: MakeAgent) -> None:
    budget = IterationBudget(1)
    result = run(make_agent(iteration_budget=budget), does(ECHO), says("Short of breath."))
    assert (result["final_response"], result["completed"]) == ("Short of breath.", False)
    assert budget.remaining == 0


def test_an_own_budget_is_new_every_turn(make_agent: MakeAgent) -> None:
    agent = make_agent(max_iterations=2)
    for _ in range(3):
        assert run(agent, does(ECHO), says("Done."))["completed"]


def test_thoughts_are_not_the_answer(make_agent: MakeAgent) -> None:
    result = run(make_agent(), says("<think>hm, hm</think>Four."))
    assert result["final_response"] == "Four."


def test_an_empty_answer_is_asked_for_again_and_then_an_error(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([agent_module.Answer(text=" ")] * 3 + [agent_module.Answer(text="At last.")])
    monkeypatch.setattr(AIAgent, "_interruptible_api_call", lambda self, request: next(answers))
    assert make_agent().run_conversation("go")["final_response"] == "At last."
    endless = itertools.repeat(agent_module.Answer(text=""))
    monkeypatch.setattr(AIAgent, "_interruptible_api_call", lambda self, request: next(endless))
    result = make_agent().run_conversation("go")
    assert (result["api_calls"], result["error"]) == (4, "the model gave no answer")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("delay", 0.05),
        Fault("rate_limit", 0.01),
        Fault("server_error"),
        Fault("reset"),
        Fault("malformed"),
        Fault("garbage_frame"),
        Fault("late_cut"),
    ],
    ids=lambda fault: fault.kind,
)
def test_faults_that_pass_are_got_over(make_agent: MakeAgent, fault: Fault, streamed: bool) -> None:
    pieces: list[str] = []
    options = {"stream_callback": pieces.append} if streamed else {}
    result = run(make_agent(), says("Still here.", fault), **options)
    assert result["final_response"] == "Still here.", result.get("error")
    assert "".join(pieces).endswith("Still here." if streamed else "")


def test_a_fault_that_stays_is_the_error_of_the_turn(make_agent: MakeAgent) -> None:
    result = run(make_agent(), says("never", *[Fault("malformed")] * 30))
    assert result["final_response"] is None
    assert not result["completed"]
    assert "JSONDecodeError" in result["error"]


def test_a_stalled_stream_ends_with_the_timeout(make_agent: MakeAgent) -> None:
    agent = make_agent(request_timeout_s=0.3)
    began = time.monotonic()
    result = run(agent, says("Here now.", Fault("stall", 60)), stream_callback=lambda text: None)
    assert result["final_response"] == "Here now.", result.get("error")
    assert time.monotonic() - began < 30


def test_a_stream_comes_in_pieces(make_agent: MakeAgent) -> None:
    pieces: list[str] = []
    text = "One and two and three and four."
    result = run(make_agent(), does(ECHO), says(text), stream_callback=pieces.append)
    assert "".join(pieces) == result["final_response"] == text
    assert len(pieces) > 1
    assert result["response_previewed"]


def test_an_endpoint_that_is_not_there(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent(base_url="https://127.0.0.1:1/v1", request_timeout_s=2)
    result = run(agent, says("never"))
    assert result["error"] == "APIConnectionError: Connection error."


def test_no_endpoint_is_said_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set OPENAI_API_KEY"):
        AIAgent()


def test_the_stream_of_one_turn_is_not_that_of_the_next(make_agent: MakeAgent) -> None:
    pieces: list[str] = []
    agent = make_agent()
    run(agent, says("One."), stream_callback=pieces.append)
    assert not run(agent, says("Two."))["response_previewed"]
    assert "".join(pieces) == "One."


def test_what_is_asked_of_the_model(
    make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch, store: SessionDB
) -> None:
    asked: list[Any] = []

    def answer(self: AIAgent, request: Any) -> agent_module.Answer:
        asked.append(request)
        return agent_module.Answer(text="Yes.")

    monkeypatch.setattr(AIAgent, "_interruptible_api_call", answer)
    prefill = [{"role": "user", "content": "An example."}]
    agent = make_agent(
        max_tokens=77,
        reasoning_config={"effort": "low"},
        prefill_messages=prefill,
        enabled_toolsets=[],
    )
    agent.run_conversation("go", system_message="Be kind.")
    assert asked == [
        {
            "model": "scripted",
            "messages": [
                {"role": "system", "content": "Be kind."},
                *prefill,
                {"role": "user", "content": "go"},
            ],
            "max_tokens": 77,
            "extra_body": {"reasoning": {"effort": "low"}},
        }
    ]
    session = store.get_session(agent.session_id)
    assert session is not None
    assert json.loads(session["model_config"]) == {
        "max_iterations": 90,
        "reasoning_config": {"effort": "low"},
        "max_tokens": 77,
    }


def test_a_conversation_goes_on(make_agent: MakeAgent, store: SessionDB) -> None:
    agent = make_agent()
    first = run(agent, says("One."))
    second = run(agent, says("Two."), conversation_history=first["messages"])
    stored = store.get_messages_as_conversation(agent.session_id)
    assert [m["role"] for m in stored] == ["user", "assistant"] * 2
    assert [m["content"] for m in stored[1::2]] == ["One.", "Two."]
    assert len(second["messages"]) == 4


def test_the_store_has_what_was_said_once_and_in_order(
    make_agent: MakeAgent, store: SessionDB
) -> None:
    agent = make_agent(platform="telegram")
    result = run(agent, does(ECHO, text="Looking."), says("Done."))
    stored = store.get_messages(agent.session_id)
    assert [m["role"] for m in stored] == ["user", "assistant", "tool", "assistant"]
    assert [m["content"] for m in stored] == [m["content"] for m in result["messages"]]
    assert stored[1]["tool_calls"] == result["messages"][1]["tool_calls"]
    session = store.get_session(agent.session_id)
    assert session is not None
    assert (session["source"], session["model"]) == ("telegram", "scripted")
    assert (session["message_count"], session["tool_call_count"]) == (4, 1)
    assert session["input_tokens"] == agent.session_prompt_tokens
    assert session["output_tokens"] == agent.session_completion_tokens


def test_a_resumed_session_keeps_its_system_prompt(
    make_agent: MakeAgent, store: SessionDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    ask = AIAgent._interruptible_api_call

    def noted(self: AIAgent, request: Any) -> Any:
        seen.append(request["messages"][0]["content"])
        return ask(self, request)

    monkeypatch.setattr(AIAgent, "_interruptible_api_call", noted)
    first = make_agent(session_id="kept")
    history = run(first, says("One."))["messages"]
    store.update_system_prompt("kept", "You are a parrot.")
    again = make_agent(session_id="kept", ephemeral_system_prompt="Be brief.")
    run(again, says("Two."), conversation_history=history)
    assert seen == [agent_module.SYSTEM_PROMPT, "You are a parrot.\n\nBe brief."]
    assert store.session_count() == 1


class Refusing:
    """A store that refuses the calls of one method so many times."""

    def __init__(self, store: SessionDB, method: str, times: int) -> None:
        self.store, self.method, self.left = store, method, times

    def __getattr__(self, name: str) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            raise sqlite3.OperationalError("disk I/O error")

        if name == self.method and self.left > 0:
            return refuse
        return getattr(self.store, name)


@pytest.mark.parametrize("method", ["create_session", "append_message", "update_token_counts"])
def test_what_the_store_refused_is_stored_later(
    make_agent: MakeAgent, store: SessionDB, method: str
) -> None:
    agent = make_agent(session_db=Refusing(store, method, 1))
    result = run(agent, does(ECHO), says("Done."))
    assert result["completed"]
    stored = store.get_messages(agent.session_id)
    assert [m["content"] for m in stored] == [m["content"] for m in result["messages"]]


def test_quiet_agents_print_nothing(
    make_agent: MakeAgent, capfd: pytest.CaptureFixture[str]
) -> None:
    task = {"goal": goal("a child", does(ECHO), says("child done"))}
    result = run(make_agent(), does(call("delegate_task", tasks=[task, task])), says("Done."))
    assert result["completed"]
    assert capfd.readouterr() == ("", "")


def test_a_loud_agent_shows_what_it_does(
    make_agent: MakeAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(make_agent(quiet_mode=False), does(ECHO), says("Done.", Fault("delay", 0.2)))
    assert result["completed"]
    out = capsys.readouterr().out
    assert "thinking" in out
    assert "terminal echo hello" in out


def test_progress_and_steps_are_reported(make_agent: MakeAgent) -> None:
    steps: list[int] = []
    tools: list[Any] = []
    agent = make_agent(
        step_callback=steps.append,
        tool_progress_callback=lambda name, preview, arguments: tools.append(
            (name, preview, arguments)
        ),
    )
    run(agent, does(ECHO, call("list_files", path=".")), says("Done."))
    assert steps == [1, 2]
    assert tools == [
        ("terminal", "echo hello", {"command": "echo hello"}),
        ("list_files", ".", {"path": "."}),
    ]


def test_a_progress_callback_that_raises_harms_nothing(make_agent: MakeAgent) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the display is gone")

    assert run(make_agent(tool_progress_callback=fail), does(ECHO), says("Done."))["completed"]


def test_a_closed_agent_opens_again(make_agent: MakeAgent) -> None:
    agent = make_agent()
    agent.close()
    assert agent.client.is_closed()
    assert run(agent, says("Back."))["completed"]
    assert not agent.client.is_closed()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"enabled_toolsets": ["terminal"]}, {"terminal"}),
        ({"enabled_toolsets": ["all"], "disabled_toolsets": ["file", "terminal"]},
         {"delegate_task"}),
        ({"enabled_toolsets": []}, set()),
        ({}, {"terminal", "delegate_task", "read_file", "write_file", "list_files",
              "search_files"}),
    ],
)  # fmt: skip
def test_toolsets(make_agent: MakeAgent, options: dict[str, Any], names: set[str]) -> None:
    assert make_agent(**options).valid_tool_names == names


def test_agents_on_many_threads_do_not_mix(make_agent: MakeAgent, store: SessionDB) -> None:
    agents = [make_agent() for _ in range(6)]
    results: dict[int, dict[str, Any]] = {}

    def turn(number: int) -> None:
        replies: list[Reply] = [does(call("terminal", command=f"echo {number}"))] * 3
        results[number] = run(agents[number], *replies, says(f"I am {number}."))

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, agent in enumerate(agents):
        assert results[number]["final_response"] == f"I am {number}."
        outputs = [json.loads(text)["output"] for text in tool_results(results[number])]
        assert outputs == [f"{number}\n"] * 3
        assert store.message_count(agent.session_id) == 8
