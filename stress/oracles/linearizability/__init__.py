"""Linearizability: recorded histories held against sequential models."""

from stress.errors import NotLinearizable
from stress.oracles.linearizability.checker import (
    Linearization,
    Result,
    assert_linearizable,
    check,
    check_linearizable,
)
from stress.oracles.linearizability.counterexample import Counterexample
from stress.oracles.linearizability.drawing import draw, draw_calls
from stress.oracles.linearizability.model import (
    Model,
    agrees,
    frozen,
    refuses,
    renamed,
    values,
    verb,
)
from stress.oracles.linearizability.models import (
    counter,
    element_set,
    fifo_queue,
    key_value_map,
    register,
)
from stress.oracles.linearizability.recording import History, recorded
from stress.oracles.linearizability.search import Limits
from stress.oracles.linearizability.sessions import check_session_db, check_sessions_linearizable
from stress.oracles.linearizability.weaker import (
    View,
    actor_order,
    monotonic_reads,
    read_your_writes,
)

__all__ = [
    "Counterexample",
    "History",
    "Limits",
    "Linearization",
    "Model",
    "NotLinearizable",
    "Result",
    "View",
    "actor_order",
    "agrees",
    "assert_linearizable",
    "check",
    "check_linearizable",
    "check_session_db",
    "check_sessions_linearizable",
    "counter",
    "draw",
    "draw_calls",
    "element_set",
    "fifo_queue",
    "frozen",
    "key_value_map",
    "monotonic_reads",
    "read_your_writes",
    "recorded",
    "refuses",
    "register",
    "renamed",
    "values",
    "verb",
]
