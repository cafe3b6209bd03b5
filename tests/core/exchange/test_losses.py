"""What must not be lost, among what a writer dropped."""

from __future__ import annotations

from pilotfish.core.exchange.losses import content_lost
from pilotfish.core.formats.neutral import Chat, Tool


def test_content_and_state_matter_and_tuning_does_not():
    dropped = (
        "messages.audio", "messages.document.file_id", "messages.image.detail", "messages.name",
        "messages.document.citations", "messages.thinking", "messages.reasoning_content",
        "input.item_reference", "temperature", "n", "store", "tools.strict", "cachedContent",
        "guardrailConfig", "metadata",
    )  # fmt: skip
    assert content_lost(dropped, None) == (
        "messages.audio",
        "messages.document.file_id",
        "input.item_reference",
        "n",
        "cachedContent",
        "guardrailConfig",
    )


def test_a_vendors_own_tool_matters_and_a_field_of_a_tool_does_not():
    tools = (Tool(name="file_search", kind="hosted"), Tool(name="defer_loading"))
    chat = Chat(model="m", turns=(), tools=tools)
    dropped = ("tools.file_search", "tools.defer_loading", "tools.strict")
    assert content_lost(dropped, chat) == ("tools.file_search",)
