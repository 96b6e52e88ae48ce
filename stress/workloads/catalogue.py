"""The workloads by name, and the families that their operations come from."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

from stress.workloads import clients, console, delegation, interrupts, sessions
from stress.workloads.family import Family, Workload

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        sessions.FAMILY,
        delegation.FAMILY,
        interrupts.FAMILY,
        clients.FAMILY,
        console.FAMILY,
    )
}


def draw_mixed(
    source: random.Random, size: int
) -> Iterable[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Some of everything at once."""
    for number in range(2):
        yield f"parent-{number}", delegation.draw_parent(source, f"p{number}", size)
    yield from interrupts.draw_storm(source, "storm", size)
    for number in range(3):
        writer = sessions.draw_writer(source, f"w{number}", size, int(number == 2))
        yield f"writer-{number}", writer
    keys = [f"key-{number}" for number in range(2 * size)]
    for number in range(3):
        yield f"caller-{number}", clients.draw_caller(source, f"c{number}", keys)
    for number in range(2):
        yield f"bystander-{number}", console.draw_bystander(source, f"b{number}", size)


WORKLOADS: Mapping[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("mixed", "everything below at once", draw_mixed),
        Workload(
            "delegate_batches",
            "parents that delegate batches to concurrent children",
            delegation.draw_actors,
        ),
        Workload(
            "interrupt_storms",
            "turns that are interrupted while their children start and end",
            interrupts.draw_actors,
        ),
        Workload(
            "session_writes",
            "writers and readers of one session database, over two connections",
            sessions.draw_actors,
        ),
        Workload(
            "client_resolution",
            "threads that ask for the same auxiliary client at once",
            clients.draw_actors,
        ),
        Workload(
            "console",
            "prints, spinners and progress lines beside quiet children",
            console.draw_actors,
        ),
    )
}
