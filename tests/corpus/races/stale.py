"""Values that are read under a lock, and used when it was given up and they are old."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.corpus.case import together
from tests.corpus.races.race import ATOMICITY, Defect, Race, quiet


class Shop:
    """A new price begins a new bill."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.price, self.bill = 5, 0

    def buy(self) -> None:
        with self.lock:
            price = self.price
        with self.lock:
            self.bill += price

    def buy_carefully(self) -> None:
        with self.lock:
            self.bill += self.price

    def change(self, price: int) -> None:
        with self.lock:
            self.price = price
            self.bill = 0


def racy_old_price() -> None:
    shop = Shop()
    together(shop.buy, lambda: shop.change(9))


def race_free_new_price() -> None:
    shop = Shop()
    together(shop.buy_carefully, lambda: shop.change(9))


class Playlist:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.songs = ["a", "b", "c"]

    def remove(self, song: str) -> None:
        with self.lock:
            index = self.songs.index(song)
        with self.lock:
            del self.songs[index]

    def remove_carefully(self, song: str) -> None:
        with self.lock:
            index = self.songs.index(song)
            del self.songs[index]

    def skip(self) -> None:
        with self.lock:
            self.songs.pop(0)


def racy_old_index() -> None:
    playlist = Playlist()
    together(quiet(IndexError, work=lambda: playlist.remove("c")), playlist.skip)


def race_free_new_index() -> None:
    playlist = Playlist()
    together(lambda: playlist.remove_carefully("c"), playlist.skip)


class Outbox:
    """Takes as many lines as there is room for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lines = ["first"]

    def room(self) -> int:
        with self.lock:
            return 3 - len(self.lines)

    def fill(self, lines: list[str]) -> None:
        room = self.room()
        with self.lock:
            self.lines.extend(lines[:room])

    def fill_carefully(self, lines: list[str]) -> None:
        with self.lock:
            room = 3 - len(self.lines)
            self.lines.extend(lines[:room])


def racy_old_room() -> None:
    outbox = Outbox()
    together(lambda: outbox.fill(["a", "b"]), lambda: outbox.fill(["c", "d"]))


def race_free_new_room() -> None:
    outbox = Outbox()
    together(lambda: outbox.fill_carefully(["a", "b"]), lambda: outbox.fill_carefully(["c", "d"]))


class Session:
    def __init__(self) -> None:
        self.sent = 0


class Sessions:
    """Bills what a session has sent when it ends."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sessions = {"ann": Session()}
        self.bill = 0

    def send(self) -> None:
        with self.lock:
            session = self.sessions.get("ann")
        if session is not None:
            with self.lock:
                session.sent += 1

    def send_carefully(self) -> None:
        with self.lock:
            session = self.sessions.get("ann")
            if session is not None:
                session.sent += 1

    def end(self) -> None:
        with self.lock:
            session = self.sessions.pop("ann")
            self.bill += session.sent


def racy_ended_session() -> None:
    """What is sent after the bill is never paid."""
    sessions = Sessions()
    together(sessions.send, sessions.end)


def race_free_ended_session() -> None:
    sessions = Sessions()
    together(sessions.send_carefully, sessions.end)


class Countdown:
    """A wait gives the lock up, too."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.left = 3

    def pause(self) -> None:
        with self.changed:
            left = self.left
            self.changed.wait(timeout=0.1)
            self.left = left - 1

    def pause_carefully(self) -> None:
        with self.changed:
            self.changed.wait(timeout=0.1)
            self.left -= 1

    def tick(self) -> None:
        with self.changed:
            self.left -= 1
            self.changed.notify()


def racy_kept_over_a_wait() -> None:
    countdown = Countdown()
    together(countdown.pause, countdown.tick)


def race_free_read_after_the_wait() -> None:
    countdown = Countdown()
    together(countdown.pause_carefully, countdown.tick)


def stale(program: Callable[[], None], what: str, twin: Callable[[], None]) -> Race:
    return Race(program, ATOMICITY, what, Defect.STALE_VALUE, twin)


RACES = (
    stale(racy_old_price, "price, bill", race_free_new_price),
    stale(racy_old_index, "songs", race_free_new_index),
    stale(racy_old_room, "lines", race_free_new_room),
    stale(racy_ended_session, "sessions, sent", race_free_ended_session),
    stale(racy_kept_over_a_wait, "left", race_free_read_after_the_wait),
)
