"""Under which label a dropped field is counted. A client makes up fields, and a label must not
follow it.
"""

from __future__ import annotations

from pilotfish.telemetry.series import OTHER

# The fields of the five styles' requests that some style cannot carry.
DROPPABLE = frozenset({
    "additionalModelRequestFields", "additionalModelResponseFieldPaths", "anthropic-beta",
    "audio", "background", "betas", "cache_control", "cachedContent", "cachePoint",
    "candidateCount", "citations", "container", "content", "contents", "context_management",
    "conversation", "documents", "enableEnhancedCivicAnswers", "frequency_penalty",
    "frequencyPenalty", "generationConfig", "guardrailConfig", "images", "include",
    "inference_geo", "inferenceConfig", "input", "labels", "logit_bias", "logprobs", "max_tokens",
    "max_tool_calls", "mcp_servers", "mediaResolution", "messages", "messages.audio",
    "messages.citations", "messages.image.detail", "messages.name", "messages.prefill",
    "messages.thinking", "metadata", "min_p", "modalities", "moderation", "n", "output_config",
    "outputDimensionality", "parallel_tool_calls", "performanceConfig", "prediction",
    "presence_penalty", "presencePenalty", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_retention", "promptVariables", "reasoning", "reasoning_effort",
    "repetition_penalty", "requestMetadata", "response_format", "response_format.json_schema",
    "responseLogprobs", "responseModalities", "routingConfig", "safety_identifier",
    "safetySettings", "seed", "service_tier", "serviceTier", "speechConfig", "speed", "stop",
    "stop_sequences", "store", "stream_options", "strict", "system", "systemInstruction",
    "temperature", "text", "thinking", "thinkingConfig", "tool_choice", "toolConfig", "tools",
    "tools.strict", "top_k", "top_logprobs", "top_p", "topK", "topP", "truncation", "user",
    "verbosity", "web_search_options",
})  # fmt: skip


def field_label(name: str) -> str:
    """The field's name where it is one of a style's, else that of the field it lies in, else
    `other`.
    """
    if name in DROPPABLE:
        return name
    head = name.partition(".")[0].partition("[")[0]
    return head if head in DROPPABLE else OTHER
