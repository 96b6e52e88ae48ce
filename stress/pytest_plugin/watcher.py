"""The watcher of a plain pytest: tells what the process can no longer tell when it has died.

`python -m stress.pytest_plugin.watcher DIRECTORY PROCESS JUNIT` reads, one JSON object a line,
which test begins and how each ended. If the process ends without a goodbye, it prints the crash
report and, where JUNIT names a file, writes it with the tests so far and the one that died.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from stress.parallel import linux
from stress.parallel.files import TrialFiles

# XML 1.0 has no place for other control characters.
_FORBIDDEN = {code: "�" for code in range(32) if chr(code) not in "\t\n\r"}


@dataclass
class Case:
    """What became of one test so far. `problems` are (phase, outcome, text)."""

    duration_s: float = 0.0
    problems: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Session:
    """What the watched process told."""

    cases: dict[str, Case] = field(default_factory=dict)
    running: str = ""
    is_over: bool = False

    def hear(self, message: dict[str, Any]) -> None:
        """Take in one message."""
        match message["said"]:
            case "begins":
                self.running = message["test"]
            case "ends":
                self.running = ""
            case "report":
                case = self.cases.setdefault(message["test"], Case())
                case.duration_s += message["duration_s"]
                if message["outcome"] != "passed":
                    case.problems.append((message["when"], message["outcome"], message["text"]))
            case "goodbye":
                self.is_over = True


def listen(process: int, requests: int) -> Session:
    """Hear the process with this number until it has ended or said goodbye."""
    session = Session()
    rest = b""
    poller = select.poll()
    poller.register(requests, select.POLLIN)
    try:
        ended = linux.open_process(process)
        poller.register(ended, select.POLLIN)
    except ProcessLookupError:
        ended = -1
    while not session.is_over:
        # Its end may be seen before its last words are read, never the other way round.
        ready = {descriptor for descriptor, _ in poller.poll(0 if ended < 0 else None)}
        if requests in ready:
            data = os.read(requests, 65_536)
            if data:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    session.hear(json.loads(line))
                continue
            poller.unregister(requests)
        if ended < 0 or ended in ready:
            break
    return session


def junit_text(session: Session, report: str) -> str:
    """The JUnit file of a session that died; `report` is put with the test that was running."""
    suite = ElementTree.Element("testsuite", name="pytest")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    if session.running:
        session.cases.setdefault(session.running, Case())
    for test, case in session.cases.items():
        element = _test_case(suite, test, case.duration_s)
        problems = list(case.problems)
        if test == session.running:
            problems.append(("call", "crashed", report))
        for phase, outcome, text in problems:
            tag = "skipped" if outcome == "skipped" else "failure" if phase == "call" else "error"
            _problem(element, tag, text)
            counts["skipped" if tag == "skipped" else f"{tag}s"] += 1
        counts["tests"] += 1
    if not session.running:
        _problem(_test_case(suite, "pytest::outside of any test", 0.0), "error", report)
        counts["tests"] += 1
        counts["errors"] += 1
    suite.attrib.update({name: str(count) for name, count in counts.items()})
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _test_case(suite: ElementTree.Element, test: str, duration_s: float) -> ElementTree.Element:
    path, *names = test.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    *classes, name = names or [module]
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=".".join([module, *classes]).translate(_FORBIDDEN),
        name=name.translate(_FORBIDDEN),
        time=f"{duration_s:.3f}",
    )


def _problem(element: ElementTree.Element, tag: str, text: str) -> None:
    text = text.translate(_FORBIDDEN)
    ElementTree.SubElement(element, tag, message=text.partition("\n")[0]).text = text


def _failures(session: Session) -> Iterator[str]:
    """What pytest would have shown at its end."""
    for test, case in session.cases.items():
        for phase, outcome, text in case.problems:
            if outcome == "failed":
                yield f"FAILED {test} ({phase})\n{text}\n"


def main(arguments: list[str]) -> int:
    """Watch until there is nothing more to watch."""
    directory, process, junit = Path(arguments[0]), int(arguments[1]), arguments[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Meant for pytest, which will say goodbye, or will not.
        signal.signal(number, signal.SIG_IGN)
    session = listen(process, sys.stdin.fileno())
    if session.is_over:
        return 0
    # Only now: it takes longer to import than all that came before.
    from stress.pytest_plugin.crash import describe_crash

    where = f"in {session.running}" if session.running else "outside of any test"
    title = f"pytest (process {process}) died {where}"
    report = describe_crash(title, TrialFiles(directory / "main"), session.running)
    if junit:
        Path(junit).parent.mkdir(parents=True, exist_ok=True)
        Path(junit).write_text(junit_text(session, report), encoding="utf-8")
    print("\n".join(["", *_failures(session), report]), flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
