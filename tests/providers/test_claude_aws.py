"""Claude Platform on AWS: a region, a workspace, and signatures of its own name."""

from __future__ import annotations

from conformance import compiled
from pilotfish.core.exchange.request_url import auth_of, fixed_headers


def test_a_request_names_its_workspace_and_is_signed_for_this_service():
    options = {"region": "us-west-2", "workspace": "wrkspc_1"}
    provider = compiled({"kind": "claude_aws", "options": options}).provider
    assert provider.base == "https://aws-external-anthropic.us-west-2.api.aws/v1"
    assert (b"anthropic-workspace-id", b"wrkspc_1") in fixed_headers(provider)
    auth = auth_of(provider)
    assert (auth.scheme, auth.service) == ("aws_sigv4", "aws-external-anthropic")
