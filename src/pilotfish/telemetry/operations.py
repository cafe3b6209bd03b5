"""What OpenTelemetry calls the operations that clients ask for."""

from __future__ import annotations

# The OpenTelemetry names of what is asked for; unlisted operations go by their own.
_OPERATIONS = {
    "responses": "chat",
    "messages": "chat",
    "generate": "chat",
    "converse": "chat",
    "completions": "text_completion",
    "google_embeddings": "embeddings",
}


def operation_of(op: str) -> str:
    """What OpenTelemetry calls it."""
    word = op.partition("/")[0]
    return _OPERATIONS.get(word, word)
