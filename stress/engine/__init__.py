"""Controlled execution: one task at a time, every switch chosen."""
