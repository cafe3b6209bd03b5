"""Servers that speak OpenAI's form: everything comes from the rules."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import native_op, target_of
from pilotfish.errors import RuleError


@pytest.mark.parametrize(
    "spec", [{"api_base": "http://s/any/path"}, {"options": {"base_url": "http://s/any/path"}}]
)
def test_paths_are_appended_as_it_stands(spec):
    assert target_of(
        compiled({"kind": "openai_compatible", "no_key_required": True, **spec}).provider,
        "chat",
        "m",
    ) == ("/any/path/chat/completions")


def test_a_base_is_needed():
    with pytest.raises(RuleError, match="api_base"):
        compiled({"kind": "openai_compatible", "no_key_required": True})


def test_the_responses_api_is_used_only_where_the_server_has_it():
    def asked(**options: str) -> list[str]:
        provider = compiled(
            {
                "kind": "openai_compatible",
                "no_key_required": True,
                "api_base": "http://s",
                "options": options,
            }
        ).provider
        return [native_op(provider, "m", op) for op in ("chat", "responses", "messages")]

    assert asked() == ["chat", "chat", "chat"]
    assert asked(api="responses") == ["responses", "responses", "responses"]
