"""Anthropic: what its models have come to refuse."""

from __future__ import annotations

from conformance import compiled
from pilotfish.core.exchange.request_url import native_op


def test_a_service_has_the_quirks_of_its_model():
    old = compiled({"kind": "anthropic", "token": {"env": "K"}}, "claude-3-haiku-20240307").quirks
    new = compiled({"kind": "anthropic", "token": {"env": "K"}}, "claude-opus-4-7").quirks
    assert (old.default_max_tokens, old.prefill, old.sampling_fields) == (4096, True, True)
    assert (new.default_max_tokens, new.prefill, new.sampling_fields) == (16384, False, False)
    assert (old.output_format, old.adaptive_thinking, old.system_turns) == (False, False, False)
    assert (new.output_format, new.adaptive_thinking, new.system_turns) == (True, True, False)
    newer = compiled({"kind": "anthropic", "token": {"env": "K"}}, "claude-opus-4-8").quirks
    assert newer.system_turns


def test_a_model_that_says_no_version_still_gets_max_tokens():
    assert (
        compiled(
            {"kind": "anthropic", "token": {"env": "K"}}, "claude-preview"
        ).quirks.default_max_tokens
        == 16384
    )


def test_tokens_are_counted_in_its_own_form():
    assert (
        native_op(
            compiled({"kind": "anthropic", "token": {"env": "K"}}).provider, "m", "count_tokens"
        )
        == "count_tokens"
    )
