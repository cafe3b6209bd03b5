"""Bedrock's guardrails: what they say in a model's place is no answer. In Converse a stop reason
tells of it, in another vendor's form a field beside the answer.
"""

from __future__ import annotations

from pilotfish.core.formats.style import CANNED, DECLINED

GUARDRAIL = "guardrail_intervened"
_DECLINED = frozenset({GUARDRAIL, "content_filtered", "refusal"})
# A guardrail's messages for blocked prompts and answers have at most so many characters. Source:
# API reference "CreateGuardrail", read 2026-11.
CANNED_CHARS = 500


def declined_bits(stop_reason: str | None, chars: int) -> int:
    """DECLINED where the model or a filter has declined; CANNED too where what came before it,
    `chars` characters, is a guardrail's own text. A longer one is an answer that the guardrail
    stopped or masked."""
    if stop_reason not in _DECLINED:
        return 0
    return DECLINED | CANNED if stop_reason == GUARDRAIL and chars <= CANNED_CHARS else DECLINED


# Source: Amazon Bedrock User Guide, "Use a guardrail with inference operations", read 2026-11.
ACTION, INTERVENED = "amazon-bedrock-guardrailAction", "INTERVENED"
