"""The standard library passes its own tests with hooks as it does without, test by test.

Both the modules and their tests carry hooks. With STRESS_WIDE=1 all of `WIDE` is run too, which
takes some twenty minutes.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("bytecode", reason="controlled execution needs hermes-stress[explore]")

ROOT = Path(__file__).parents[3]

#: Modules that carry hooks, besides the tests -> tests. One process runs a line.
ALWAYS = [
    (
        "",
        "test_augassign test_except_star test_exception_group test_extcall test_fstring "
        "test_generators test_genexps test_global test_grammar test_iter test_keywordonlyarg "
        "test_listcomps test_named_expressions test_patma test_positional_only_arg test_scope "
        "test_super test_type_params test_unpack_ex test_with",
    ),
    ("contextlib", "test_contextlib test_contextlib_async test_coroutines"),
    ("collections", "test_userdict test_userlist test_defaultdict"),
    ("concurrent", "test_concurrent_futures.test_thread_pool"),
    ("dataclasses heapq textwrap", "test_dataclasses test_heapq test_textwrap"),
]
WIDE = [
    ("collections", "test_collections test_deque test_ordered_dict"),
    ("json", "test_json"),
    ("queue", "test_queue"),
    ("argparse", "test_argparse"),
    ("ast", "test_ast test_unparse"),
    ("difflib", "test_difflib"),
    ("enum", "test_enum"),
    ("functools", "test_functools"),
    ("pprint", "test_pprint"),
    ("statistics", "test_statistics"),
    ("fractions", "test_fractions"),
    ("csv", "test_csv"),
    ("configparser", "test_configparser"),
    ("string", "test_string"),
    ("tokenize", "test_tokenize"),
    ("typing", "test_typing"),
    ("unittest", "test_unittest.testmock unittest.test.testmock"),
    ("weakref _weakrefset", "test_weakref test_weakset"),
    ("_threading_local sched bisect copy", "test_threading_local test_sched test_bisect test_copy"),
    ("shelve abc random", "test_shelve test_abc test_random"),
    ("logging", "test_logging"),
    ("zipfile", "test_zipfile"),
    (
        "",
        "test_asyncgen test_exceptions test_exception_variations test_raise test_class test_dict "
        "test_list test_set test_binop test_bool test_compare test_contains test_decorators "
        "test_dynamic test_funcattrs test_itertools test_slice test_sort test_tuple test_unpack "
        "test_dictcomps test_setcomps test_type_aliases test_generator_stop",
    ),
]
#: Part of the name of a test -> why it can have another outcome with hooks.
LEFT_OUT: dict[str, str] = {}


def outcomes(tests: list[str], targets: list[str]) -> set[str]:
    """Every test with what became of it, from a process of its own: a crash is seen as one."""
    options = [f"--instrument={target}" for target in targets]
    options += [f"--leave-out={name}" for name in LEFT_OUT]
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "tests.stress.instrument.standard_library",
    ]
    done = subprocess.run(
        [*command, *options, *tests], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *lines, calls = done.stdout.splitlines()
    assert int(calls.split("\t")[1]) > (1000 if targets else -1)
    return set(lines)


def existing(names: str) -> list[str]:
    """Those that this Python has; some came with a later one, or are in another place."""
    found = []
    for name in names.split():
        whole = name if name.startswith("unittest.") else f"test.{name}"
        with suppress(ModuleNotFoundError):
            if importlib.util.find_spec(whole):
                found.append(whole)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize(
    ("targets", "tests"), ALWAYS + (WIDE if os.environ.get("STRESS_WIDE") else [])
)
def test_the_standard_library_passes_its_own_tests(targets: str, tests: str) -> None:
    pytest.importorskip("test", reason="this Python comes without its tests")
    present = existing(tests)
    if not present:
        pytest.skip("this Python has none of these tests")
    plain = outcomes(present, [])
    assert outcomes(present, [*targets.split(), *present]) == plain
    assert len(plain) > 10
