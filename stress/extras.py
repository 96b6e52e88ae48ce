"""Which extras are installed."""

from __future__ import annotations

import importlib.util


def has_bytecode() -> bool:
    """Whether code can be instrumented, for which there is the extra `explore`.

    Asked for beforehand, because the engine asks only where its cache on disk has no answer.
    """
    try:
        return importlib.util.find_spec("bytecode") is not None
    except ImportError:
        return False
