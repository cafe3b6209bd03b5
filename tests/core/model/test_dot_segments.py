"""Names that would lead out of the path they are put into."""

from __future__ import annotations

import pytest

from pilotfish.core.model.dot_segments import has_dot_segment


@pytest.mark.parametrize(
    "name",
    [
        ".", "..", "a/..", "../a", "a/../b", "a/./b", "a\\..\\b", "..\\a", "%2e%2e", "a%2f..%2fb", "a/%2e%2E/b", "a/.%2e/b",
        "%252e%252e", "a%252f%252e%252e%252fb", "a/..;x/b", "..;", "%5c..%5c", "%25252525252e",
    ],
)  # fmt: skip
def test_dots_that_a_server_would_resolve(name: str) -> None:
    assert has_dot_segment(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "gpt-4.1", "a..b", "...", "org/model", "anthropic.claude-3-5-sonnet-20241022-v2:0", "arn:aws:bedrock:us-east-1:1:inference-profile/x.y",
        "models/gemini-2.5-pro", "100%", "a%20b", "a/.b", "a/b..", ".hidden", "claude@20250101", "ü", "%zz",
    ],
)  # fmt: skip
def test_names_that_vendors_give(name: str) -> None:
    assert not has_dot_segment(name)
