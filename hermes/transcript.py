"""The transcript of one session in the store. What the store refuses is tried again, never lost."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hermes.conversation import Message

log = logging.getLogger(__name__)


def new_session_id() -> str:
    """The local time to the second and six random hex digits."""
    return time.strftime("%Y%m%d_%H%M%S_") + secrets.token_hex(3)


class Transcript:
    """Writes one session to a SessionDB, or nowhere where `store` is None.

    No method raises for what the database does: an agent goes on without its memory. What was
    not stored is stored by the next call. `flushed` is the number of messages that are stored.
    """

    def __init__(
        self,
        store: Any,
        session_id: str,
        *,
        source: str,
        model: str,
        model_config: Mapping[str, Any],
        parent_session_id: str | None,
    ) -> None:
        self.flushed = 0
        self._store = store
        self._session_id = session_id
        self._model = model
        self._row = {
            "source": source,
            "model": model,
            "model_config": dict(model_config),
            "parent_session_id": parent_session_id,
        }
        self._is_stored = False

    def begin(self) -> bool:
        """Make the session's row unless it is there; False where that fails or nothing is kept."""
        if self._store is None or self._is_stored:
            return self._is_stored
        try:
            if self._store.get_session(self._session_id) is None:
                self._store.create_session(self._session_id, **self._row)
            self._is_stored = True
        except Exception:
            log.debug("session %s was not stored yet", self._session_id, exc_info=True)
        return self._is_stored

    def system_prompt(self, default: str, *, resumed: bool) -> str:
        """The prompt that a resumed session was begun with; otherwise `default`, which is kept."""
        if self.begin():
            try:
                session = self._store.get_session(self._session_id)
                if resumed and session and session["system_prompt"]:
                    return str(session["system_prompt"])
                self._store.update_system_prompt(self._session_id, default)
            except Exception:
                log.debug("prompt of %s was not stored", self._session_id, exc_info=True)
        return default

    def flush(self, messages: Sequence[Message]) -> None:
        """Store the messages that are not stored yet; `flushed` moves with each of them."""
        if not self.begin():
            return
        try:
            while self.flushed < len(messages):
                message = messages[self.flushed]
                self._store.append_message(
                    self._session_id,
                    message["role"],
                    message.get("content"),
                    tool_name=message.get("tool_name"),
                    tool_calls=message.get("tool_calls"),
                    tool_call_id=message.get("tool_call_id"),
                    finish_reason=message.get("finish_reason"),
                )
                self.flushed += 1
        except Exception:
            log.debug("messages of %s were not stored yet", self._session_id, exc_info=True)

    def count_tokens(self, prompt: int, completion: int) -> None:
        """Add the tokens of one answer to the session's sums."""
        if not self.begin():
            return
        try:
            self._store.update_token_counts(self._session_id, prompt, completion, self._model)
        except Exception:
            log.debug("tokens of %s were not counted", self._session_id, exc_info=True)
