"""The vendors' own client libraries through the proxy, each against every kind of upstream: what
must come out is what they parse.
"""

from __future__ import annotations

import anthropic as anthropic_sdk
import boto3
import openai as openai_sdk
import pytest
from botocore.config import Config
from google import genai
from google.genai import types as genai_types

from harness import proxied
from pilotfish.simulated import Profile, SimulatedVendor
from planted import CLIENT_KEY, PROVIDER_KEY

RULES = """
providers:
  openai: {{kind: openai, api_base: {base}/v1, token: {{env: SDK_KEY}}}}
  responses: {{kind: openai, api_base: {base}/v1, token: {{env: SDK_KEY}}, options: {{api: responses}}}}
  anthropic: {{kind: anthropic, api_base: {base}, token: {{env: SDK_KEY}}}}
  google: {{kind: google, api_base: {base}/v1beta, token: {{env: SDK_KEY}}}}
  bedrock: {{kind: bedrock, api_base: {base}, options: {{region: us-east-1, access_key: {{env: SDK_KEY}}, secret_key: {{env: SDK_KEY}}}}}}
defaults: {{retries: {{max_retries: 0, max_ms: 100}}}}
"""


@pytest.fixture
async def vendor():
    """Refuses every request without the provider's key: a client's own would not pass."""
    async with SimulatedVendor(key=PROVIDER_KEY, profile=Profile(chunks=8)) as vendor:
        yield vendor


@pytest.fixture
async def proxy(vendor, tmp_path, monkeypatch):
    monkeypatch.setenv("SDK_KEY", PROVIDER_KEY)
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        yield proxy


@pytest.fixture(params=["openai", "responses", "anthropic", "google", "bedrock"])
def upstream(request):
    """The provider that serves: every client library meets every style of upstream. A model is
    `provider/model`.
    """
    return request.param


@pytest.fixture
def model(upstream):
    # a name that says what it can do; the simulated vendors take any
    return f"{upstream}/claude-opus-4-5"


@pytest.fixture
async def openai(proxy):
    async with openai_sdk.AsyncOpenAI(
        base_url=f"{proxy.base}/v1", api_key=CLIENT_KEY, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def openai_sync(proxy):
    """Its calls belong into a thread, since proxy and vendor run in this one."""
    with openai_sdk.OpenAI(
        base_url=f"{proxy.base}/v1", api_key=CLIENT_KEY, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def anthropic(proxy):
    async with anthropic_sdk.AsyncAnthropic(
        base_url=proxy.base, api_key=CLIENT_KEY, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def anthropic_sync(proxy):
    with anthropic_sdk.Anthropic(base_url=proxy.base, api_key=CLIENT_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def google(proxy):
    client = genai.Client(
        api_key=CLIENT_KEY, http_options=genai_types.HttpOptions(base_url=proxy.base)
    )
    yield client.aio
    await client.aio.aclose()
    client.close()


@pytest.fixture
def bedrock(proxy):
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=proxy.base,
        aws_access_key_id=CLIENT_KEY,
        aws_secret_access_key=CLIENT_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()
