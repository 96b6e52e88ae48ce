"""Finds, explains, replays and keeps out concurrency bugs in threaded Python."""
