"""Free-threaded builds: with a second thread the collector forgets functions that live on."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

SCRIPT = """
import gc, threading
from stress.instrument import Hooks, instrumented
import textwrap

stop = threading.Event()
thread = threading.Thread(target=stop.wait, daemon=True)
thread.start()
gc.collect()
assert not gc.is_tracked(textwrap.dedent), "it is looked for in the ordinary way"
called = []
hook = lambda *_: called.append(1)
with instrumented(("textwrap",), Hooks(hook, hook)) as found:
    assert not found.missing
    textwrap.dedent("  a")
stop.set()
thread.join()
print(bool(called))
"""


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="of free-threaded builds"
)
def test_functions_that_the_collector_forgot_are_found() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
