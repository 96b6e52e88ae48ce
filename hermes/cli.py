"""The `hermes` command: one question, or a plain conversation."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from hermes.agent import AIAgent
from hermes.config import ConfigError, hermes_home
from hermes.state import SessionDB


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every turn ended well, 1 after an error, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="hermes", description="An agent that delegates.")
    parser.add_argument("-q", "--query", help="ask once and end")
    parser.add_argument("--model", help="name of the model")
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint")
    options = parser.parse_args(argv)
    with ExitStack() as stack:
        try:
            store = stack.enter_context(closing(SessionDB()))
            agent = AIAgent(
                options.base_url,
                model=options.model,
                platform="cli",
                session_db=store,
                quiet_mode=bool(options.query) and not sys.stdout.isatty(),
            )
        except (ConfigError, ValueError, OSError) as error:
            return _refuse(error)
        except sqlite3.Error as error:
            return _refuse(f"{hermes_home() / 'state.db'}: {error}")
        stack.enter_context(closing(agent))
        # Outside: a fault of ours in a turn is no wrong use, and is not to be told as one.
        if options.query:
            return 0 if _answer(agent, options.query, [])[0] else 1
        return _converse(agent)


def _refuse(why: object) -> int:
    print(f"hermes: {why}", file=sys.stderr)
    return 2


def _converse(agent: AIAgent) -> int:
    history: list[dict[str, Any]] = []
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return 0
        if question in ("/quit", "/exit"):
            return 0
        if question:
            _, history = _answer(agent, question, history)


def _answer(
    agent: AIAgent, question: str, history: list[dict[str, Any]]
) -> tuple[bool, list[dict[str, Any]]]:
    agent.clear_interrupt()
    with _interruptible(agent):
        result = agent.run_conversation(question, conversation_history=history)
    if result["final_response"]:
        print(result["final_response"])
    if result["interrupted"]:
        print("(interrupted)", file=sys.stderr)
    if result.get("error"):
        print(f"hermes: {result['error']}", file=sys.stderr)
    return result["final_response"] is not None, result["messages"]


@contextmanager
def _interruptible(agent: AIAgent) -> Iterator[None]:
    """Let Ctrl-C interrupt the turn and its children instead of the program."""
    before = signal.signal(signal.SIGINT, lambda *_: agent.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
