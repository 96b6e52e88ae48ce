"""The watcher by itself: when it stops listening, and what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

from stress.pytest_plugin.watcher import Session, junit_text, listen

TEST = "tests/test_store.py::TestStore::test_append"


def said(*messages: dict[str, object]) -> int:
    """A pipe from which these are read, and then the end."""
    reader, writer = os.pipe()
    os.write(writer, b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    os.close(writer)
    return reader


def report(when: str, outcome: str, text: str) -> dict[str, object]:
    return {
        "said": "report",
        "test": TEST,
        "when": when,
        "outcome": outcome,
        "duration_s": 0.5,
        "text": text,
    }


def test_a_goodbye_ends_it_while_the_process_lives() -> None:
    reader = said({"said": "begins", "test": TEST}, {"said": "goodbye"})
    session = listen(os.getpid(), reader)
    os.close(reader)
    assert session.is_over


def test_the_end_of_the_process_ends_it_after_its_last_words() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    reader = said({"said": "begins", "test": TEST}, report("setup", "passed", ""))
    session = listen(process.pid, reader)
    assert (session.is_over, session.running) == (False, TEST)
    process.wait()
    reader = said({"said": "begins", "test": TEST})
    assert listen(process.pid, reader).running == TEST


def test_the_junit_file_tells_errors_from_failures() -> None:
    session = Session()
    session.hear(report("setup", "failed", "no database\nat all"))
    session.hear({"said": "begins", "test": "a.py::test_dies"})
    root = ElementTree.fromstring(junit_text(session, "died\x00 of \x1b[31mthis"))
    (suite,) = root
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "1",
        "skipped": "0",
    }
    first, second = suite
    assert first.attrib == {
        "classname": "tests.test_store.TestStore",
        "name": "test_append",
        "time": "0.500",
    }
    assert [(problem.tag, problem.text) for problem in first] == [("error", "no database\nat all")]
    assert [(problem.tag, problem.text) for problem in second] == [
        ("failure", "died� of �[31mthis")
    ]


def test_a_death_between_two_tests() -> None:
    session = Session()
    session.hear({"said": "begins", "test": TEST})
    session.hear(report("call", "passed", ""))
    session.hear({"said": "ends", "test": TEST})
    (suite,) = ElementTree.fromstring(junit_text(session, "died"))
    assert [(case.attrib["name"], len(case)) for case in suite] == [
        ("test_append", 0),
        ("outside of any test", 1),
    ]
