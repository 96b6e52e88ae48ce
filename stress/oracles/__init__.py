"""Oracles: pure functions from what was observed in a trial to violations. They run nothing."""
