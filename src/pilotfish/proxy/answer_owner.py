"""What an attempt hears of the answer that is read for it."""

from __future__ import annotations

from typing import Protocol

from pilotfish.core.model.outcome import Failure


class AnswerOwner(Protocol):
    """The attempt that an answer belongs to. After `on_served` or `on_failed` nothing more is
    reported."""

    def on_data(self, data: bytes, now: float) -> None:
        """Bytes for the client; only once the attempt is relayed."""
        ...

    def on_first_content(self, now: float) -> None:
        """The first content of a stream is here."""
        ...

    def on_first_token(self, now: float) -> None:
        """The stream has content for the client, or so much before it that it must be decided."""
        ...

    def on_kept(self, response_id: str) -> None:
        """The vendor keeps this answer: later requests may go on from it."""
        ...

    def on_served(self, now: float) -> None: ...
    def on_failed(self, failure: Failure, now: float) -> None: ...
    def sends_again(self) -> bool:
        """After a refused credential: whether the call goes out once more with a new one."""
        ...
