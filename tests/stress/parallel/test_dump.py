"""The formats of faulthandler, as CPython 3.11 to 3.14 write them."""

from __future__ import annotations

import faulthandler
import sys
import tempfile
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from stress.finding import Frame, ThreadStack
from stress.parallel.dump import breaks_off, fatal_error, parse_dump, without_frames_of

CRASH = """\
Fatal Python error: Segmentation fault

Thread 0x00007f0000000001 (most recent call first):
  File "/app/store.py", line 12 in append
  File "/lib/threading.py", line 982 in run

Current thread 0x00007f0000000002 (most recent call first):
  Garbage-collecting
  File "/app/agent.py", line ??? in <listcomp>
  File "/app/agent.py", line 40 in talk

Extension modules: _ssl, pydantic (total: 2)
"""

CRASH_OF_3_14 = """\
Fatal Python error: Aborted

Current thread 0x00007f0000000002 [worker (1)] (most recent call first):
  File "/app/agent.py", line 40 in talk

Thread 0x00007f0000000001 [MainThread] (most recent call first):
  File "/app/main.py", line 3 in <module>

Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python3", at _Py_DumpStack+0x31 [0x55d1c8]
  Binary file "/usr/lib/libc.so.6", at gsignal+0x11 [0x7f2b]
  <truncated rest of calls>
"""

FREE_THREADED = """\
Fatal Python error: Segmentation fault

<Cannot show all threads while the GIL is disabled>
Stack (most recent call first):
  File "/app/agent.py", line 40 in talk
"""


def test_a_crash() -> None:
    names = {0x7F0000000002: "actor 2"}
    assert parse_dump(CRASH, names) == (
        ThreadStack(
            "actor 2",
            (Frame("/app/agent.py", 0, "<listcomp>"), Frame("/app/agent.py", 40, "talk")),
            current=True,
        ),
        ThreadStack(
            "thread 1",
            (Frame("/app/store.py", 12, "append"), Frame("/lib/threading.py", 982, "run")),
        ),
    )
    assert fatal_error(CRASH) == "Segmentation fault"


def test_names_of_3_14_are_used_where_ours_are_missing() -> None:
    stacks = parse_dump(CRASH_OF_3_14, {0x7F0000000001: "main"})
    assert [(stack.thread, stack.current, len(stack.frames)) for stack in stacks] == [
        ("worker (1)", True, 1),
        ("main", False, 1),
    ]


def test_the_one_stack_of_a_free_threaded_crash() -> None:
    (stack,) = parse_dump(FREE_THREADED, {})
    assert stack == ThreadStack("thread 1", (Frame("/app/agent.py", 40, "talk"),), current=True)


def test_the_last_dump_counts() -> None:
    (first, second) = parse_dump(CRASH_OF_3_14.replace("talk", "walk") + CRASH, {})
    assert first.frames[-1].function == "talk"
    assert second.frames[0].function == "append"
    # Two dumps that were asked for have no headline between them.
    asked = CRASH.partition("\n\n")[2]
    assert len(parse_dump(asked + asked, {})) == 2


def test_a_dump_that_broke_off() -> None:
    cut = CRASH[: CRASH.index('", line 12')]
    assert parse_dump(cut, {}) == (ThreadStack("thread 1", ()),)
    assert fatal_error(cut) == "Segmentation fault"
    assert parse_dump("Fatal Python error: Bus error\n\n", {}) == ()


def test_nothing() -> None:
    assert parse_dump("", {}) == ()
    assert fatal_error("all is well") == ""


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_parsing_fail(text: str) -> None:
    parse_dump(text, {})
    parse_dump(CRASH.replace("store", text), {})


def test_what_this_interpreter_writes() -> None:
    begun, done = threading.Event(), threading.Event()

    def wait_here() -> None:
        begun.set()
        done.wait(60)

    thread = threading.Thread(target=wait_here, name="waits")
    thread.start()
    begun.wait(60)
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        text = file.read()
    done.set()
    thread.join()
    names = {thread.ident or 0: "waits", threading.get_ident(): "asks"}
    stacks = {stack.thread: stack for stack in parse_dump(text, names)}
    asks = stacks["asks"].frames[0]
    assert (asks.file, asks.function) == (__file__, sys._getframe().f_code.co_name)
    assert stacks["asks"].current
    if "waits" in stacks:  # A free-threaded interpreter may show the caller only.
        assert "wait_here" in [frame.function for frame in stacks["waits"].frames]


def test_outer_frames_are_cut_at_ours() -> None:
    stack = ThreadStack("main", tuple(Frame(f, 1, f) for f in ("user", "lib", "ours", "runpy")))
    (cut,) = without_frames_of([stack], frozenset({"ours"}))
    assert [frame.file for frame in cut.frames] == ["user", "lib"]


def test_a_dump_that_breaks_off_is_known() -> None:
    """The threads that run on below may end it at any byte."""
    assert not breaks_off(CRASH)
    assert not breaks_off(CRASH_OF_3_14)
    assert not breaks_off("")
    assert not breaks_off(CRASH.removeprefix("Fatal Python error: Segmentation fault\n"))
    whole = CRASH.index("  Garbage-collecting")
    for end in range(CRASH.index("\n"), whole):
        assert breaks_off(CRASH[:end]), CRASH[:end]
    assert not breaks_off(CRASH[:whole] + "  <no Python frame>\n")
