"""Parallel execution, looked on at."""
