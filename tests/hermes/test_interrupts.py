"""Interrupts: of requests, of tools, of children, and of nobody else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.agent import AIAgent
from hermes.interrupt import bind_interrupt, current_interrupt, is_interrupted, set_interrupt
from stress.workloads.script import Fault
from tests.hermes.conftest import MakeAgent
from tests.hermes.scripts import call, does, goal, run, says, tool_results

LONG = call("terminal", command="sleep 60 & echo started; wait")
#: Far below the length of what is interrupted, far above what a loaded machine needs.
PROMPT_S = 20.0


def eventually(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PROMPT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def run_and_interrupt(
    agent: AIAgent, message: str, ready: Callable[[], Any], said: str | None = None
) -> dict[str, Any]:
    """Run a turn on a thread of its own and interrupt it when `ready()`."""
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(agent.run_conversation(message)))
    thread.start()
    eventually(ready)
    agent.interrupt(said)
    thread.join(PROMPT_S)
    assert not thread.is_alive(), "the interrupt was not heard"
    return results[0]


def test_the_flag_belongs_to_the_threads_that_are_bound_to_it() -> None:
    mine, other = threading.Event(), threading.Event()
    before = current_interrupt()
    assert not is_interrupted()
    with bind_interrupt(mine):
        set_interrupt(True)
        assert is_interrupted()
        with bind_interrupt(other):
            assert not is_interrupted()
        assert is_interrupted()
        seen: list[bool] = []
        thread = threading.Thread(target=lambda: seen.append(is_interrupted()))
        thread.start()
        thread.join()
        assert seen == [False]
        set_interrupt(False)
        assert not is_interrupted()
    assert (mine.is_set(), other.is_set(), current_interrupt()) == (False, False, before)


def test_a_thread_without_an_agent_has_a_flag_of_its_own() -> None:
    seen: list[bool] = []

    def work() -> None:
        for active in (True, False):
            set_interrupt(active)
            seen.append(is_interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True, False]
    assert not is_interrupted()


def test_a_request_is_given_up(make_agent: MakeAgent) -> None:
    agent = make_agent()
    began = time.monotonic()
    result = run_and_interrupt(
        agent,
        goal("go", says("never", Fault("delay", 60))),
        lambda: any(t.name == "model-request" for t in threading.enumerate()),
        "stop it",
    )
    assert result["interrupted"]
    assert result["interrupt_message"] == "stop it"
    assert (result["final_response"], result["completed"]) == (None, False)
    assert time.monotonic() - began < PROMPT_S
    assert not agent.is_interrupted
    eventually(lambda: not any(t.name == "model-request" for t in threading.enumerate()))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_stalled_body_is_given_up(make_agent: MakeAgent, streamed: bool) -> None:
    agent = make_agent(stream_delta_callback=(lambda text: None) if streamed else None)
    result = run_and_interrupt(
        agent,
        goal("go", says("a long answer in many words", Fault("stall", 60))),
        lambda: any(t.name == "model-request" for t in threading.enumerate()),
    )
    assert result["interrupted"]


def test_a_tool_is_ended_with_its_process_group(make_agent: MakeAgent) -> None:
    agent = make_agent()
    began = time.monotonic()
    started = threading.Event()
    agent.tool_progress_callback = lambda *args: started.set()
    result = run_and_interrupt(agent, goal("go", does(LONG), says("never")), started.is_set)
    assert result["interrupted"]
    (text,) = tool_results(result)
    answer = json.loads(text)
    assert (answer["exit_code"], answer["error"]) == (130, "interrupted")
    assert time.monotonic() - began < PROMPT_S


def test_every_child_is_interrupted(make_agent: MakeAgent) -> None:
    agent = make_agent()
    tasks = [{"goal": goal(f"child {n}", does(LONG), says("never"))} for n in range(3)]
    children: list[Any] = []

    def all_there() -> bool:
        children[:] = agent._active_children
        return len(children) == 3

    result = run_and_interrupt(
        agent,
        goal("go", does(call("delegate_task", tasks=tasks)), says("never")),
        all_there,
        "enough",
    )
    assert result["interrupted"]
    (text,) = tool_results(result)
    assert [r["status"] for r in json.loads(text)["results"]] == ["interrupted"] * 3
    assert agent._active_children == []
    assert not any(child.is_interrupted for child in children)


def test_an_interrupt_before_a_turn_ends_that_turn_and_no_other(make_agent: MakeAgent) -> None:
    agent = make_agent()
    agent.interrupt("wait")
    first = run(agent, says("never"))
    assert (first["interrupted"], first["api_calls"]) == (True, 0)
    assert first["interrupt_message"] == "wait"
    assert run(agent, says("Now."))["final_response"] == "Now."


def test_a_withdrawn_interrupt_ends_nothing(make_agent: MakeAgent) -> None:
    agent = make_agent()
    agent.interrupt()
    agent.clear_interrupt()
    assert run(agent, says("Now."))["completed"]


def test_a_child_that_is_built_after_the_interrupt_is_interrupted(make_agent: MakeAgent) -> None:
    """The interrupt copies the list before the child is in it, the child looks after it is."""
    from hermes.delegate_tool import delegate_task

    agent = make_agent()
    agent.interrupt("too late")
    tasks = [{"goal": goal(f"child {n}", does(LONG), says("never"))} for n in range(2)]
    began = time.monotonic()
    answer = json.loads(delegate_task(tasks=tasks, parent_agent=agent))
    assert [r["status"] for r in answer["results"]] == ["interrupted"] * 2
    assert [r["api_calls"] for r in answer["results"]] == [0, 0]
    assert time.monotonic() - began < PROMPT_S


def test_an_unrelated_agent_goes_on(make_agent: MakeAgent) -> None:
    mine, other = make_agent(), make_agent()
    held = call("terminal", command="until [ -e go ]; do sleep 0.01; done; echo free", timeout=60)
    started = threading.Event()
    other.tool_progress_callback = lambda *args: started.set()
    results: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: results.append(run(other, does(held), says("Undisturbed.")))
    )
    thread.start()
    eventually(started.is_set)
    run_and_interrupt(
        mine,
        goal("go", says("never", Fault("delay", 60))),
        lambda: sum(t.name == "model-request" for t in threading.enumerate()) >= 1,
    )
    # Neither the interrupt nor what cleared it is seen by the other agent's tool.
    Path("go").touch()
    thread.join(PROMPT_S)
    assert not thread.is_alive()
    assert json.loads(tool_results(results[0])[0])["output"] == "free\n"
    assert results[0]["final_response"] == "Undisturbed."


def test_a_child_that_ends_leaves_the_interrupt_of_its_siblings(make_agent: MakeAgent) -> None:
    agent = make_agent()
    quick = {"goal": goal("quick", says("done at once"))}
    hold = call("terminal", command="touch held; sleep 60")
    slow = {"goal": goal("slow", does(hold), says("never"))}
    result = run_and_interrupt(
        agent,
        goal("go", does(call("delegate_task", tasks=[quick, slow])), says("never")),
        lambda: len(agent._active_children) == 1 and Path("held").exists(),
    )
    (text,) = tool_results(result)
    statuses = [r["status"] for r in json.loads(text)["results"]]
    assert statuses == ["completed", "interrupted"]


def test_no_client_and_no_thread_is_left_behind(make_agent: MakeAgent) -> None:
    before = set(threading.enumerate())
    agent = make_agent()
    for _ in range(3):
        run_and_interrupt(
            agent,
            goal("go", says("never", Fault("delay", 60))),
            lambda: any(t.name == "model-request" for t in threading.enumerate()),
        )
    eventually(lambda: set(threading.enumerate()) <= before)
