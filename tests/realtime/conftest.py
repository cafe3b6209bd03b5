from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from harness import proxied
from planted import PROVIDER_KEY
from socket_vendor import SocketVendor

RULES = """
providers:
  a: {{kind: openai, api_base: {base}/v1, token: {{env: SOCKET_KEY}}}}
  b: {{kind: openai, api_base: {base}/v1, token: {{env: SOCKET_KEY}}}}
  azure: {{kind: azure, api_base: {base}, token: {{env: SOCKET_KEY}}, options: {{endpoint: {base}, api_version: 2025-04-01-preview}}}}
  google: {{kind: google, api_base: {base}/v1beta, token: {{env: SOCKET_KEY}}}}
  vertex: {{kind: vertex, api_base: {base}, token: {{env: SOCKET_KEY}}, options: {{project: p, location: l}}}}
  claude: {{kind: anthropic, api_base: {base}, token: {{env: SOCKET_KEY}}}}
rules:
  - name: voice
    request_model: voice
    services:
      - {{provider: a, model: {first}}}
      - {{provider: b, model: gpt-realtime, tier: 1}}
  - {{name: alone, request_model: alone, services: [{{provider: a, model: {first}}}]}}
  - {{name: azure, request_model: on-azure, services: [{{provider: azure, model: deployed}}]}}
  - name: live
    request_model: live
    services:
      - {{provider: google, model: {first}}}
      - {{provider: vertex, model: gemini-live, tier: 1}}
  - {{name: claude, request_model: claude, services: [{{provider: claude, model: claude-opus-4-5}}]}}
defaults:
  retries: {{max_retries: {max_retries}, max_attempts: {max_attempts}, base_ms: 1}}
  timeouts: {{first_token_s: {first_token_s}}}
prices:
  gpt-realtime: {{input: 4, output: 16}}
"""


@pytest.fixture
async def vendor(monkeypatch):
    monkeypatch.setenv("SOCKET_KEY", PROVIDER_KEY)
    async with SocketVendor() as vendor:
        yield vendor


@pytest.fixture
def proxy_with(vendor, tmp_path):
    """A proxy whose rules name the model `first` for their first services."""

    @asynccontextmanager
    async def made(
        first="gpt-realtime", first_token_s=30, max_retries=0, max_attempts=6, **settings
    ):
        rules = RULES.format(
            base=vendor.base,
            first=first,
            first_token_s=first_token_s,
            max_retries=max_retries,
            max_attempts=max_attempts,
        )
        async with proxied(tmp_path, rules, **settings) as proxy:
            yield proxy

    return made


@pytest.fixture
async def proxy(proxy_with):
    async with proxy_with() as proxy:
        yield proxy
