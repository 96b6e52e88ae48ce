"""Kits that check a strategy or a carrier of your own against what the engine asks of it.

    from stress.conformance import check_strategy

    def test_my_strategy() -> None:
        check_strategy(MyStrategy)

Each raises AssertionError, with a sentence that says what is wrong.
"""

from stress.conformance.carriers import check_carrier
from stress.conformance.strategies import check_strategy

__all__ = ["check_carrier", "check_strategy"]
