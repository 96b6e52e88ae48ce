"""The build. HERMES_STRESS_COMPILE=1 compiles the core of the engine: the same code, faster."""

from __future__ import annotations

import os
import sys
from typing import Any

from setuptools import setup

#: What runs at every step of an execution, and between two of them.
CORE = [
    f"stress/{name}.py"
    for name in (
        "engine/accesses", "engine/context", "engine/execution",
        "engine/fork_join", "engine/running", "engine/session", "engine/subjects", "engine/task",
        "engine/timers", "engine/unwinding", "strategy",
    )
]  # fmt: skip
WANTED = os.environ.get("HERMES_STRESS_COMPILE") == "1"


def extensions() -> list[Any]:
    """The compiled modules; none while the build is only asked for metadata."""
    if not WANTED or not {"bdist_wheel", "build_ext"} & set(sys.argv):
        return []
    from mypyc.build import mypycify

    # Whether the rest is right is for `nox -s lint` to say, where all that it imports is installed.
    return list(mypycify(["--follow-imports=silent", "--ignore-missing-imports", *CORE]))


setup(setup_requires=["mypy>=1.18"] if WANTED else [], ext_modules=extensions())
