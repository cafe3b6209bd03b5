"""What a guardrail of Bedrock's says is no answer."""

from __future__ import annotations

import pytest

from pilotfish import styles
from pilotfish.core.formats.neutral import FinishReason
from pilotfish.core.formats.style import CANNED, DECLINED
from pilotfish.styles._guardrail import CANNED_CHARS, GUARDRAIL, declined_bits


@pytest.mark.parametrize(
    ("stop_reason", "chars", "bits"),
    [
        (GUARDRAIL, 0, DECLINED | CANNED),
        (GUARDRAIL, CANNED_CHARS, DECLINED | CANNED),
        (GUARDRAIL, CANNED_CHARS + 1, DECLINED),
        ("content_filtered", 10, DECLINED),
        ("refusal", 10, DECLINED),
        ("end_turn", 10, 0),
        (None, 0, 0),
    ],
)
def test_a_text_longer_than_a_guardrails_is_an_answer_that_it_stopped(
    stop_reason: str | None, chars: int, bits: int
) -> None:
    assert declined_bits(stop_reason, chars) == bits


def test_clients_of_other_styles_are_told_of_the_filter() -> None:
    body = (
        b'{"type": "message", "content": [{"type": "text", "text": "Sorry."}],'
        b' "stop_reason": "end_turn", "amazon-bedrock-guardrailAction": "INTERVENED"}'
    )
    assert styles.get("anthropic").read_reply(body).finish is FinishReason.CONTENT_FILTER
