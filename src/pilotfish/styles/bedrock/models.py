"""What the models behind Bedrock differ in, as facts about their ids.

Source: Amazon Bedrock user guide, "Prompt caching", "Structured outputs", "Supported models and
features (Converse)" and the inference parameters of each family
(docs.aws.amazon.com/bedrock/latest/userguide), read 2026-11.
"""

from __future__ import annotations

import re

import msgspec

# Older models, which have neither `outputConfig` nor strict tools.
_NO_SCHEMA = re.compile(
    r"amazon\.|meta\.|ai21\.|cohere\.|claude-(v2|instant|3)|claude-(opus|sonnet)-4-(1|2025)"
    r"|mistral\.(mistral-(7b|large-24)|mixtral)"
)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """`top_k`: where in `additionalModelRequestFields` it goes, as a dotted path; empty: nowhere.
    `reasoning`: how thinking is asked for.
    """

    claude: bool = False
    caches: bool = False
    schema: bool = True
    top_k: str = ""
    reasoning: str = ""


def model_for(model_id: str) -> Model:
    """The facts about a model or inference profile; an ARN or an alias counts by the name in it."""
    name = model_id.lower()
    schema = _NO_SCHEMA.search(name) is None
    if "claude" in name:
        return Model(claude=True, caches=True, schema=schema, top_k="top_k", reasoning="claude")
    if "nova" in name:
        return Model(
            caches=True,
            schema=False,
            top_k="inferenceConfig.topK",
            reasoning="nova" if "nova-2" in name else "",
        )
    if "mistral" in name:
        return Model(schema=schema, top_k="top_k")
    if "cohere" in name:
        return Model(schema=schema, top_k="k")
    if "gpt-oss" in name:
        return Model(schema=schema, reasoning="effort")
    return Model(schema=schema)
