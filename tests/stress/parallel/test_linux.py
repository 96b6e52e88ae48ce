"""What a sandbox asks of Linux."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from stress.parallel import linux


def test_a_descriptor_of_a_process_is_readable_at_its_end() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    descriptor = linux.open_process(process.pid)
    assert not os.get_inheritable(descriptor)
    assert select.select([descriptor], [], [], 0)[0] == []
    process.communicate(b"\n")
    assert select.select([descriptor], [], [], 60)[0] == [descriptor]
    os.close(descriptor)


def test_a_process_that_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError):
        linux.open_process(process.pid)
    linux.kill(process.pid)
    linux.kill_group(process.pid)


def test_an_unknown_request_is_an_error() -> None:
    with pytest.raises(OSError, match=r"prctl\(-1\): Invalid argument"):
        linux._prctl(-1, 0)


ORPHAN = """
import os, sys, time
from stress.parallel import linux
linux.adopt_orphans()
own = os.fork()
if own == 0:
    time.sleep(600)
middle = os.fork()
if middle == 0:
    orphan = os.fork()
    if orphan == 0:
        os.setsid()
        time.sleep(600)
    os._exit(0)
os.waitpid(middle, 0)
assert linux.children() > {own}
print(linux.end_children(frozenset({own})), linux.children() == {own})
linux.end_children(frozenset())
"""


def test_orphans_are_adopted_and_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "1 True\n"


def test_a_process_does_not_outlive_its_parent() -> None:
    code = (
        "import os, time\n"
        "from stress.parallel import linux\n"
        "parent = os.getpid()\n"
        "ready, told = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    linux.die_with_parent(parent)\n"
        "    os.write(told, b'.')\n"
        "    time.sleep(600)\n"
        "os.read(ready, 1)\n"
        "print(child, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    descriptor = linux.open_process(child)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert select.select([descriptor], [], [], 60)[0] == [descriptor]
    os.close(descriptor)
