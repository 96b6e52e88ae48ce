"""A flight recorder: the last operations of every thread, in a mapped file that outlives them.

Whatever ends the process (SIGSEGV, SIGKILL, `os._exit`), what was recorded is in the file. A
record has 64 bytes and a checksum, so that one cut in half by a crash is noticed and skipped.
Each thread writes into a lane of its own, so that recording takes no lock.

The file: a header, the roll (which thread had which ident and name), and the lanes.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from stress.finding import RecordedOperation

MAGIC = b"STRESSFR"
VERSION = 1
RECORD_BYTES = 64
HEADER_BYTES = 4096
ROLL_ENTRIES = 1024
LANES = 256
RECORDS_PER_LANE = 256

_LANE_BYTES = RECORDS_PER_LANE * RECORD_BYTES
_ROLL_BYTES = ROLL_ENTRIES * RECORD_BYTES
_FILE_BYTES = HEADER_BYTES + _ROLL_BYTES + LANES * _LANE_BYTES
_CHECKSUM_BYTES = 4

# Magic, version (it settles the sizes above), process, trial seed (low 64 bits).
_HEADER = struct.Struct("<8sIIQ")
# Time since the start in ns, step, thread number, phase, name.
_RECORD = struct.Struct("<QqIB39s")
# Thread number, thread ident, name.
_ENTRY = struct.Struct("<IQ48s")

BEGIN, END, ERROR, NOTE = range(1, 5)
_PHASES = {BEGIN: "begin", END: "end", ERROR: "error", NOTE: "note"}
_NAME_BYTES = 39
_THREAD_NAME_BYTES = 48
_ENCODED_NAMES_MAX = 4096
_UINT64 = 0xFFFF_FFFF_FFFF_FFFF


class _Lane:
    """Room for the records of one thread at a time; only the overflow lane has a lock."""

    __slots__ = ("lock", "position", "view")

    def __init__(self, view: memoryview, lock: threading.RLock | None = None) -> None:
        self.view = view
        self.position = 0
        self.lock = lock

    def write(self, body: bytes) -> None:
        lock = self.lock
        if lock is None:
            offset = self.position
            # Moved on first: a finalizer that records in between takes the next place.
            self.position = (offset + RECORD_BYTES) % _LANE_BYTES
        else:
            with lock:
                offset = self.position
                self.position = (offset + RECORD_BYTES) % _LANE_BYTES
        self.view[offset : offset + RECORD_BYTES] = _sealed(body)


class _Seat:
    """What a thread holds while it lives: its number and its lane, handed back at its end."""

    __slots__ = ("_vacant", "lane", "thread")

    def __init__(self, thread: int, lane: _Lane, vacant: deque[_Lane]) -> None:
        self.thread = thread
        self.lane = lane
        self._vacant = vacant

    def __del__(self) -> None:
        if self.lane.lock is None:
            self._vacant.append(self.lane)


class _Seats(threading.local):
    seat: _Seat | None = None


class FlightRecorder:
    """Records the operations of this process into a file. Implements `stress.trial.Recorder`.

    A record costs about 1 µs. The 256 lanes hold the last 256 records each; a lane is given to
    another thread when its own has ended and no fresh lane is left, and the lane of the threads
    beyond that is shared. Names longer than 39 bytes lose their middle.
    """

    def __init__(self, memory: mmap.mmap, began_ns: int) -> None:
        """Use `create`."""
        self._memory = memory
        self._began_ns = began_ns
        whole = memoryview(memory)
        self._roll = whole[HEADER_BYTES : HEADER_BYTES + _ROLL_BYTES]
        lanes = whole[HEADER_BYTES + _ROLL_BYTES :]
        self._lanes = lanes
        self._fresh = iter(range(LANES - 1))
        self._vacant: deque[_Lane] = deque()
        self._overflow = _Lane(lanes[-_LANE_BYTES:], threading.RLock())
        self._numbers = itertools.count()
        # Re-entrant, because a finalizer that runs inside may record for the first time.
        self._lock = threading.RLock()
        self._seats = _Seats()
        self._encoded: dict[str, bytes] = {}

    @classmethod
    def create(cls, path: Path, seed: int) -> FlightRecorder:
        """Make the file at `path` and record into it. Raises OSError where that cannot be."""
        began_ns = time.monotonic_ns()
        with path.open("x+b") as file:
            file.truncate(_FILE_BYTES)
            memory = mmap.mmap(file.fileno(), _FILE_BYTES)
        # Else the first record reads megabytes of nothing around it, which takes milliseconds.
        memory.madvise(mmap.MADV_RANDOM)
        header = _HEADER.pack(MAGIC, VERSION, os.getpid(), seed & _UINT64)
        memory[: _HEADER.size] = header
        return cls(memory, began_ns)

    def operation(self, step: int, name: str) -> _Operation:
        """Record the begin and the end (or the error) of one operation of the plan."""
        return _Operation(self, step, name)

    def note(self, name: str) -> None:
        """Record that the calling thread was here."""
        self.record(-1, NOTE, name)

    def record(self, step: int, phase: int, name: str) -> None:
        """Write one record. `step` must fit into 64 bits."""
        seat = self._seats.seat or self._sit()
        encoded = self._encoded.get(name) or self._encode(name)
        now = time.monotonic_ns() - self._began_ns
        seat.lane.write(_RECORD.pack(now, step, seat.thread, phase, encoded))

    def enrol(self, ident: int, name: str) -> int:
        """Note that the thread with this ident has this name; its number among the threads."""
        with self._lock:
            number = next(self._numbers)
            offset = number % ROLL_ENTRIES * RECORD_BYTES
            entry = _ENTRY.pack(number, ident & _UINT64, _shortened(name, _THREAD_NAME_BYTES))
            self._roll[offset : offset + RECORD_BYTES] = _sealed(entry)
        return number

    def _sit(self) -> _Seat:
        ident = threading.get_ident()
        # Not current_thread(): it would enter a thread that is not Python's own for good.
        names = [thread.name for thread in threading.enumerate() if thread.ident == ident]
        number = self.enrol(ident, names[0] if names else "")
        with self._lock:
            seat = _Seat(number, self._take_lane(), self._vacant)
        self._seats.seat = seat
        return seat

    def _take_lane(self) -> _Lane:
        index = next(self._fresh, None)
        if index is not None:
            return _Lane(self._lanes[index * _LANE_BYTES : (index + 1) * _LANE_BYTES])
        return self._vacant.popleft() if self._vacant else self._overflow

    def _encode(self, name: str) -> bytes:
        if len(self._encoded) >= _ENCODED_NAMES_MAX:
            self._encoded.clear()
        encoded = self._encoded[name] = _shortened(name, _NAME_BYTES)
        return encoded


class _Operation:
    __slots__ = ("_name", "_recorder", "_step")

    def __init__(self, recorder: FlightRecorder, step: int, name: str) -> None:
        self._recorder = recorder
        self._step = step
        self._name = name

    def __enter__(self) -> None:
        self._recorder.record(self._step, BEGIN, self._name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._recorder.record(self._step, END if kind is None else ERROR, self._name)


def enrol_started_threads(recorder: FlightRecorder) -> Callable[[], None]:
    """Put every thread that is started from now on the roll; what is returned ends that.

    So a dump can also name the threads that record nothing.
    """
    start = threading.Thread.start

    def start_enrolled(self: threading.Thread) -> None:
        start(self)
        recorder.enrol(self.ident or 0, self.name)

    def restore() -> None:
        threading.Thread.start = start  # type: ignore[method-assign]

    recorder.enrol(threading.get_ident(), threading.current_thread().name)
    threading.Thread.start = start_enrolled  # type: ignore[method-assign]
    return restore


@dataclass(frozen=True, slots=True)
class Flight:
    """What a recorder's file says. `threads` maps thread idents to the last name each one had."""

    seed: int
    process: int
    threads: Mapping[int, str]
    operations: tuple[RecordedOperation, ...]


def decode(path: Path) -> tuple[RecordedOperation, ...]:
    """The recorded operations in order of time. See `read_flight`."""
    return read_flight(path).operations


def read_flight(path: Path) -> Flight:
    """Read a recorder's file, also while its process runs. Torn and damaged records are skipped.

    A file that is no recorder's file (or a missing one, or another format) is an empty flight.
    """
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    if len(data) < _HEADER.size:
        return Flight(0, 0, {}, ())
    magic, version, process, seed = _HEADER.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        return Flight(0, 0, {}, ())
    names: dict[int, str] = {}
    idents: dict[int, str] = {}
    lanes_at = HEADER_BYTES + _ROLL_BYTES
    for number, ident, raw in sorted(_read(data[HEADER_BYTES:lanes_at], _ENTRY)):
        names[number] = _text(raw) or f"thread {number}"
        idents[ident] = names[number]
    found: list[tuple[int, int, RecordedOperation]] = []
    for at in range(lanes_at, len(data), _LANE_BYTES):
        written = data[at : at + _LANE_BYTES]
        if written.count(0) == len(written):
            continue
        for order, (time_ns, step, number, phase, raw) in enumerate(_read(written, _RECORD)):
            thread = names.get(number, f"thread {number}")
            if phase in _PHASES:
                operation = RecordedOperation(time_ns, thread, step, _PHASES[phase], _text(raw))
                found.append((time_ns, order, operation))
    found.sort(key=lambda entry: entry[:2])
    return Flight(seed, process, idents, tuple(operation for _, _, operation in found))


def _read(data: bytes, layout: struct.Struct) -> Iterator[tuple[Any, ...]]:
    for offset in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        body = data[offset + _CHECKSUM_BYTES : offset + RECORD_BYTES]
        if data[offset : offset + _CHECKSUM_BYTES] == _checksum(body):
            yield layout.unpack_from(body)


def _sealed(body: bytes) -> bytes:
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")


def _shortened(name: str, room: int) -> bytes:
    encoded = name.encode("utf-8", "backslashreplace")
    if len(encoded) <= room:
        return encoded
    head = room // 3
    tail = room - head - len("…".encode())
    return encoded[:head] + "…".encode() + encoded[-tail:]


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")
