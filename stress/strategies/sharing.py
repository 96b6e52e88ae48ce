"""What tasks share: the places in the source that touch an object which several tasks touch, and
one changes."""

from __future__ import annotations

from collections.abc import Iterable

from stress.conflicts import Effect
from stress.site import Site


class _Place:
    """What one execution saw of an object, or of one name of it."""

    __slots__ = ("changed", "sites", "tasks")

    def __init__(self) -> None:
        self.changed = False
        self.sites: set[Site] = set()
        self.tasks: set[int] = set()


class Sharing:
    """Looks on while one execution is made."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], _Place] = {}

    def look_at(self, task: int, site: Site, effects: Iterable[Effect]) -> None:
        """A task is about to do this."""
        for effect in effects:
            if effect.subject:
                place = self._places.get((effect.subject, effect.name))
                if place is None:
                    place = self._places[effect.subject, effect.name] = _Place()
                place.sites.add(site)
                place.tasks.add(task)
                place.changed |= not effect.only_looks

    def shared(self) -> list[set[Site]]:
        """For each shared object, or name of one, where it is touched."""
        return [
            place.sites for place in self._places.values() if place.changed and len(place.tasks) > 1
        ]
