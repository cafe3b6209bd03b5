"""What a model's id tells of it."""

from __future__ import annotations

import pytest

from pilotfish.styles.bedrock.models import Model, model_for


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Model(claude=True, caches=True, top_k="top_k", reasoning="claude"),
        ),
        (
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            Model(claude=True, caches=True, schema=False, top_k="top_k", reasoning="claude"),
        ),
        (
            "anthropic.claude-opus-4-20250514-v1:0",
            Model(claude=True, caches=True, schema=False, top_k="top_k", reasoning="claude"),
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
            Model(caches=True, schema=False, top_k="inferenceConfig.topK"),
        ),
        (
            "global.amazon.nova-2-lite-v1:0",
            Model(caches=True, schema=False, top_k="inferenceConfig.topK", reasoning="nova"),
        ),
        ("openai.gpt-oss-120b-1:0", Model(reasoning="effort")),
        ("mistral.mistral-large-2402-v1:0", Model(schema=False, top_k="top_k")),
        ("cohere.command-r-plus-v1:0", Model(schema=False, top_k="k")),
        ("deepseek.v3-v1:0", Model()),
    ],
)
def test_each_family_has_its_facts(model_id, expected):
    assert model_for(model_id) == expected
