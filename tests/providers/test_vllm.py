"""vLLM: a key only where the server was started with one."""

from __future__ import annotations

from pilotfish.providers.vllm import KIND


def test_a_key_may_be_given_but_need_not():
    assert not KIND.needs_key
    assert KIND.auth.header == "authorization"
