"""The carriers that this Python has."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from stress.engine.carriers import Carrier, GreenletCarrier, ThreadCarrier

CARRIERS: dict[str, Callable[[], Carrier]] = {"thread": ThreadCarrier}
if importlib.util.find_spec("greenlet"):
    CARRIERS["greenlet"] = GreenletCarrier
