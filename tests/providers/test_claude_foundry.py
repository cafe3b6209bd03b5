"""Claude in Foundry: the resource by its name or by any endpoint that the portal shows."""

from __future__ import annotations

import pytest

from conformance import compiled
from pilotfish.core.exchange.request_url import auth_of

BASE = "https://mine.services.ai.azure.com/anthropic/v1"


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "mine"},
        {"endpoint": "mine.services.ai.azure.com"},
        {"endpoint": "https://mine.services.ai.azure.com/anthropic/"},
        {"endpoint": "https://mine.services.ai.azure.com/api/projects/p"},
    ],
)
def test_the_resource_is_found(options):
    provider = compiled({"kind": "claude_foundry", "token": {"env": "K"}, "options": options})
    assert provider.provider.base == BASE


def test_a_key_or_entra():
    options = {"resource": "mine", "auth_mode": "default_azure_credential"}
    provider = compiled({"kind": "claude_foundry", "options": options}).provider
    assert auth_of(provider).scheme == "entra"
