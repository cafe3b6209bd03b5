"""What of a request must not be lost when another style cannot carry it: content and state, without
which the model would answer another question. All else tunes the answer, and may be left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from pilotfish.core.formats.neutral import Chat

# Fields as writers name them among what they dropped.
_FIELDS = frozenset(
    {
        # how many answers, and of what kind
        "n", "candidateCount", "generationConfig.candidateCount",
        "audio", "modalities", "generationConfig.responseModalities",
        # what a vendor keeps
        "previous_response_id", "conversation", "prompt", "background", "container",
        "cachedContent", "input.item_reference",
        # what runs at the vendor, and what stands between the model and its user
        "mcp_servers", "web_search_options", "guardrailConfig",
    }
)  # fmt: skip
# Parts of messages, by the word that follows `messages.`.
_PARTS = frozenset(
    {
        "audio", "audio_url", "compaction", "container_upload", "document", "document_url", "file",
        "fileData", "file_url", "image", "image_url", "inlineData", "input_audio", "input_file",
        "input_image", "input_video", "search_result", "video", "video_url", "video_metadata",
    }
)  # fmt: skip
# Of these parts what only tunes how they are read.
_TUNING = frozenset({"detail", "citations", "context", "title"})


def content_lost(dropped: Iterable[str], chat: Chat | None) -> tuple[str, ...]:
    """Of the fields that a writer dropped those that are content or state. `chat`: the request in
    the neutral form, which knows the vendors' own tools.
    """
    own_tools = {tool.name for tool in chat.tools if tool.kind != "function"} if chat else set()
    return tuple(name for name in dropped if _matters(name, own_tools))


def _matters(name: str, own_tools: set[str]) -> bool:
    if name in _FIELDS:
        return True
    head, _, rest = name.partition(".")
    if head == "messages":
        part, _, of_part = rest.partition(".")
        return part in _PARTS and of_part not in _TUNING
    return head == "tools" and rest in own_tools
