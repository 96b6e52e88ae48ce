"""Look-ups that are acted upon when what was found is no longer so: caches, registries, names."""

from __future__ import annotations

import threading

from tests.corpus.case import together
from tests.corpus.races.race import ATOMICITY, DATA_RACE, Defect, Race, overtaken, quiet


class Session:
    """Has messages of its own: two of one user are not the same."""

    def __init__(self) -> None:
        self.messages: list[str] = []


class Sessions:
    """Makes a session when its user first comes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sessions: dict[str, Session] = {}

    def of(self, user: str) -> Session:
        if user not in self.sessions:
            self.sessions[user] = Session()
        return self.sessions[user]

    def of_by_get(self, user: str) -> Session:
        session = self.sessions.get(user)
        if session is None:
            session = Session()
            self.sessions[user] = session
        return session

    def of_in_two_sections(self, user: str) -> Session:
        with self.lock:
            session = self.sessions.get(user)
        if session is None:
            session = Session()
            with self.lock:
                self.sessions[user] = session
        return session

    def carefully_of(self, user: str) -> Session:
        with self.lock:
            return self.of(user)

    def carefully_of_by_get(self, user: str) -> Session:
        with self.lock:
            return self.of_by_get(user)

    def end(self, user: str) -> None:
        if user in self.sessions:
            del self.sessions[user]

    def carefully_end(self, user: str) -> None:
        with self.lock:
            self.end(user)


def racy_key_not_in() -> None:
    sessions = Sessions()
    together(lambda: sessions.of("ann"), lambda: sessions.of("ann"))


def race_free_key_not_in() -> None:
    sessions = Sessions()
    together(lambda: sessions.carefully_of("ann"), lambda: sessions.carefully_of("ann"))


def racy_get_then_set() -> None:
    sessions = Sessions()
    together(lambda: sessions.of_by_get("ann"), lambda: sessions.of_by_get("ann"))


def race_free_get_then_set() -> None:
    sessions = Sessions()
    work = [lambda: sessions.carefully_of_by_get("ann")] * 2
    together(*work)


def racy_checked_and_set_in_two_sections() -> None:
    sessions = Sessions()
    together(lambda: sessions.of_in_two_sections("ann"), lambda: sessions.of_in_two_sections("ann"))


def race_free_checked_and_set_in_one_section() -> None:
    sessions = Sessions()
    together(lambda: sessions.carefully_of("ann"), lambda: sessions.carefully_of_by_get("ann"))


def racy_removed_after_a_look() -> None:
    sessions = Sessions()
    sessions.of("ann")
    end = quiet(KeyError, work=lambda: sessions.end("ann"))
    together(end, end)


def race_free_removed_after_a_look() -> None:
    sessions = Sessions()
    sessions.of("ann")
    together(lambda: sessions.carefully_end("ann"), lambda: sessions.carefully_end("ann"))


class Connection:
    """Is of use once it is open."""

    def __init__(self) -> None:
        self.is_open = False

    def open(self) -> None:
        self.is_open = True


class Service:
    """Has one connection for all, made when it is first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None
        self._client: Connection | None = None

    def connect(self) -> Connection:
        if self.connection is None:
            self.connection = Connection()
        return self.connection

    def connect_carefully(self) -> Connection:
        with self.lock:
            if self.connection is None:
                self.connection = Connection()
            return self.connection

    @property
    def client(self) -> Connection:
        if not self._client:
            client = Connection()
            client.open()
            self._client = client
        return self._client

    @property
    def client_for_all(self) -> Connection:
        with self.lock:
            return self.client

    def open(self) -> bool:
        """Checks twice, and lets others see a connection that is not open yet."""
        if self.connection is None:
            with self.lock:
                if self.connection is None:
                    self.connection = Connection()
                    self.connection.open()
        return self.connection.is_open

    def open_carefully(self) -> bool:
        with self.lock:
            if self.connection is None:
                self.connection = Connection()
                self.connection.open()
            return self.connection.is_open


def racy_lazy_connection() -> None:
    service = Service()
    together(service.connect, service.connect)


def race_free_lazy_connection() -> None:
    service = Service()
    together(service.connect_carefully, service.connect_carefully)


def racy_lazy_property() -> None:
    service = Service()
    together(lambda: service.client, lambda: service.client)


def race_free_lazy_property() -> None:
    service = Service()
    together(lambda: service.client_for_all, lambda: service.client_for_all)


def racy_published_too_early() -> None:
    service = Service()
    together(service.open, service.open)


def race_free_published_too_early() -> None:
    service = Service()
    together(service.open_carefully, service.open_carefully)


class Crawler:
    """Visits every address once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: set[str] = set()

    def visit(self, address: str) -> str:
        if address in self.seen:
            return ""
        self.seen.add(address)
        return address.upper()

    def visit_carefully(self, address: str) -> str:
        with self.lock:
            if address in self.seen:
                return ""
            self.seen.add(address)
        return address.upper()


def racy_seen() -> None:
    crawler = Crawler()
    together(lambda: crawler.visit("/home"), lambda: crawler.visit("/home"))


def race_free_seen() -> None:
    crawler = Crawler()
    together(lambda: crawler.visit_carefully("/home"), lambda: crawler.visit_carefully("/home"))


class Names:
    """Gives names that nobody has."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = {"report"}

    def free(self, stem: str) -> str:
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}-{number}"
        self.taken.add(name)
        return name

    def free_carefully(self, stem: str) -> str:
        with self.lock:
            return self.free(stem)


def racy_free_name() -> None:
    names = Names()
    together(lambda: names.free("report"), lambda: names.free("report"))


def race_free_free_name() -> None:
    names = Names()
    together(lambda: names.free_carefully("report"), lambda: names.free_carefully("report"))


class Users:
    """Their number is how many there were."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users: dict[int, str] = {}

    def add(self, name: str) -> int:
        number = len(self.users)
        self.users[number] = name
        return number

    def add_carefully(self, name: str) -> int:
        with self.lock:
            return self.add(name)


def racy_id_registry() -> None:
    users = Users()
    together(lambda: users.add("ann"), lambda: users.add("bob"))


def race_free_id_registry() -> None:
    users = Users()
    together(lambda: users.add_carefully("ann"), lambda: users.add_carefully("bob"))


class Lru:
    """Holds two entries: the oldest goes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries = {"a": 1, "b": 2}

    def put(self, key: str, value: int) -> None:
        if len(self.entries) >= 2:
            oldest = next(iter(self.entries))
            del self.entries[oldest]
        self.entries[key] = value

    def put_carefully(self, key: str, value: int) -> None:
        with self.lock:
            self.put(key, value)


def racy_oldest_evicted() -> None:
    cache = Lru()
    together(
        quiet(KeyError, RuntimeError, work=lambda: cache.put("c", 3)),
        quiet(KeyError, RuntimeError, work=lambda: cache.put("d", 4)),
    )


def race_free_oldest_evicted() -> None:
    cache = Lru()
    together(lambda: cache.put_carefully("c", 3), lambda: cache.put_carefully("d", 4))


RACES = (
    overtaken(racy_key_not_in, "sessions", race_free_key_not_in),
    overtaken(racy_get_then_set, "sessions", race_free_get_then_set),
    overtaken(
        racy_checked_and_set_in_two_sections, "sessions", race_free_checked_and_set_in_one_section
    ),
    overtaken(racy_removed_after_a_look, "sessions", race_free_removed_after_a_look),
    overtaken(racy_lazy_connection, "connection", race_free_lazy_connection),
    overtaken(racy_lazy_property, "_client", race_free_lazy_property),
    Race(
        racy_published_too_early,
        DATA_RACE,
        "is_open",
        Defect.CHECK_THEN_ACT,
        race_free_published_too_early,
        also=ATOMICITY,
    ),
    overtaken(racy_seen, "seen", race_free_seen),
    overtaken(racy_free_name, "taken", race_free_free_name),
    overtaken(racy_id_registry, "users", race_free_id_registry),
    overtaken(racy_oldest_evicted, "entries", race_free_oldest_evicted),
)
