"""Each vendor's newest client library with nothing but the environment that a Pod gets by
injection: no base URL, no key and no other word in the application's code.
"""

from __future__ import annotations

import asyncio
import os

import anthropic
import boto3
import openai
import pytest
from google import genai
from google.oauth2.credentials import Credentials

from pilotfish.injector.patch.environment import additions

TEXT = "the small pilot fish swims ahead of great "
# What an application of the vendor's has in any case, Pilotfish or not.
OF_THE_APPLICATION = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "OPENAI_API_VERSION": "2025-04-01-preview",
}
READ_BY_SDKS = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "AWS_", "AZURE_")
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def injected(proxy, monkeypatch, tmp_path):
    """The environment of a container that had nothing but `OF_THE_APPLICATION`."""
    for name in list(os.environ):
        if name.startswith(READ_BY_SDKS):
            monkeypatch.delenv(name)
    env = [{"name": name, "value": value} for name, value in OF_THE_APPLICATION.items()]
    port = int(proxy.base.rpartition(":")[2])
    for variable in [*env, *additions({"name": "app", "env": env}, port)]:
        monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("HOME", str(tmp_path))  # nobody's own profiles and keys


@pytest.fixture
def upstream():
    return "anthropic"


async def test_boto3(model):
    """It sends no bearer token over http, and signs with any access keys."""

    def ask():
        client = boto3.session.Session().client("bedrock-runtime")
        try:
            return client.converse(
                modelId=model, messages=[{"role": "user", "content": [{"text": "hello"}]}]
            )
        finally:
            client.close()

    answer = await asyncio.to_thread(ask)
    assert answer["output"]["message"]["content"] == [{"text": TEXT}]


async def test_openai(model):
    async with openai.AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == TEXT
        said = await client.responses.create(model=model, input="hello")
        assert said.output_text == TEXT


async def test_azure_openai(model):
    async with openai.AsyncAzureOpenAI() as client:
        answer = await client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == TEXT


async def test_anthropic(model):
    async with anthropic.AsyncAnthropic() as client:
        answer = await client.messages.create(model=model, max_tokens=99, messages=HELLO)
        assert answer.content[0].text == TEXT


async def test_google_genai(model):
    client = genai.Client()
    try:
        answer = await client.aio.models.generate_content(model=model, contents="hello")
        assert answer.text == TEXT
    finally:
        await client.aio.aclose()
        client.close()


async def test_anthropic_bedrock(model):
    """It takes boto3's credentials, and a base URL of its own."""
    async with anthropic.AsyncAnthropicBedrock() as client:
        answer = await client.messages.create(model=model, max_tokens=99, messages=HELLO)
        assert answer.content[0].text == TEXT


async def test_anthropic_vertex(model):
    async with anthropic.AsyncAnthropicVertex(
        region="us-east5", project_id="p", access_token="the application's own"
    ) as client:
        answer = await client.messages.create(model=model, max_tokens=99, messages=HELLO)
        assert answer.content[0].text == TEXT


async def test_google_genai_on_vertex(model):
    client = genai.Client(
        enterprise=True,
        project="p",
        location="us-central1",
        credentials=Credentials(token="the application's own"),
    )
    try:
        answer = await client.aio.models.generate_content(model=model, contents="hello")
        assert answer.text == TEXT
    finally:
        await client.aio.aclose()
        client.close()
