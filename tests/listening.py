"""The vendors' own client libraries, each asked for one answer, and what it made of it: text,
proper end, error, ids, usage, seams.

A `Listener` has one client of each ingress style for one proxy. `Heard` is the same for all of
them, so that one assertion holds for every style: a client library that raises and one that hands
out an error event have both been told.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import anthropic
import boto3
import openai
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from planted import CLIENT_KEY

STYLES = ("openai", "openai_responses", "anthropic", "google", "bedrock")
PROMPT = "hello"


@dataclass
class Heard:
    """`seams`: what would tell a client that its answer was sewn together. `error`: what was
    raised, or the event that told of it.
    """

    text: str = ""
    ended: bool = False
    error: str = ""
    status: int = 0
    finish: str = ""
    output_tokens: int | None = None
    usages: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    seams: list[str] = field(default_factory=list)

    def used(self, tokens: int | None) -> None:
        if tokens is not None:
            self.usages += 1
            self.output_tokens = tokens

    def once(self, seen: int, what: str, expected: int = 1) -> None:
        if seen != expected:
            self.seams.append(f"{what}: {seen} times, expected {expected}")


class Listener:
    def __init__(self, base: str) -> None:
        self.openai = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=CLIENT_KEY, max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(base_url=base, api_key=CLIENT_KEY, max_retries=0)
        self.google = genai.Client(
            api_key=CLIENT_KEY, http_options=genai_types.HttpOptions(base_url=base)
        )
        self.bedrock = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=base,
            aws_access_key_id=CLIENT_KEY,
            aws_secret_access_key=CLIENT_KEY,
            config=Config(
                retries={"total_max_attempts": 1}, max_pool_connections=50, read_timeout=50
            ),
        )

    async def aclose(self) -> None:
        await self.openai.close()
        await self.anthropic.close()
        await self.google.aio.aclose()
        self.google.close()
        self.bedrock.close()

    async def hear(self, style: str, model: str, *, stream: bool = True) -> Heard:
        heard = Heard()
        try:
            await _ASK[style, stream](self, model, heard)
        except (openai.APIError, anthropic.APIError) as e:
            heard.error = f"{type(e).__name__}: {e}"
            response = getattr(e, "response", None)
            heard.status = getattr(e, "status_code", 0) or 0
            if response is not None:
                heard.headers = dict(response.headers)
        except genai_errors.APIError as e:
            heard.error, heard.status = f"{type(e).__name__}: {e}", e.code
            heard.headers = dict(getattr(e.response, "headers", None) or heard.headers)
        except ClientError as e:
            told = e.response.get("ResponseMetadata", {})
            heard.error, heard.status = f"{type(e).__name__}: {e}", told.get("HTTPStatusCode", 0)
            heard.headers = told.get("HTTPHeaders", heard.headers)
        except (OSError, BotoCoreError, genai_errors.UnknownApiResponseError, ValueError) as e:
            heard.error = f"{type(e).__name__}: {e}"
        except Exception as e:
            # The transports below the libraries have errors of their own for a connection that
            # broke off.
            if type(e).__module__.split(".")[0] not in ("httpx", "httpcore", "urllib3", "aiohttp"):
                raise
            heard.error = f"{type(e).__name__}: {e}"
        return heard


async def _parsed(raw: Any) -> Any:
    """The answer behind a raw response: some of the libraries read it at once, some are asked
    to.
    """
    answer = raw.parse()
    return await answer if inspect.isawaitable(answer) else answer


# ---- openai: Chat Completions


async def _chat_stream(at: Listener, model: str, heard: Heard) -> None:
    roles = 0
    stream = await at.openai.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    heard.status, heard.headers = stream.response.status_code, dict(stream.response.headers)
    async with stream:
        async for chunk in stream:
            heard.ids.add(chunk.id)
            heard.models.add(chunk.model)
            heard.used(chunk.usage.completion_tokens if chunk.usage else None)
            for choice in chunk.choices:
                if heard.ended:
                    heard.seams.append("content after the finish reason")
                if choice.index:
                    heard.seams.append(f"index {choice.index}")
                roles += choice.delta.role is not None
                heard.text += choice.delta.content or ""
                if choice.finish_reason:
                    heard.ended, heard.finish = True, choice.finish_reason
    heard.once(roles, "a role")


async def _chat_whole(at: Listener, model: str, heard: Heard) -> None:
    raw = await at.openai.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": PROMPT}]
    )
    heard.status, heard.headers = raw.status_code, dict(raw.headers)
    answer = await _parsed(raw)
    choice = answer.choices[0]
    heard.text, heard.ended, heard.finish = choice.message.content or "", True, choice.finish_reason
    heard.ids.add(answer.id)
    heard.models.add(answer.model)
    heard.used(answer.usage.completion_tokens if answer.usage else None)


# ---- openai: Responses


async def _responses_stream(at: Listener, model: str, heard: Heard) -> None:
    numbers: list[int] = []
    count: dict[str, int] = {}
    items: set[str] = set()
    stream = await at.openai.responses.create(model=model, input=PROMPT, stream=True)
    heard.status, heard.headers = stream.response.status_code, dict(stream.response.headers)
    async with stream:
        async for event in stream:
            count[event.type] = count.get(event.type, 0) + 1
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                heard.text += event.delta
                items.add(event.item_id)
            elif event.type in ("error", "response.failed"):
                heard.error = event.type
            elif event.type in (
                "response.created",
                "response.in_progress",
                "response.completed",
                "response.incomplete",
            ):
                heard.ids.add(event.response.id)
                heard.models.add(event.response.model)
                if event.type in ("response.completed", "response.incomplete"):
                    heard.ended, heard.finish = True, str(event.response.status)
                    heard.used(event.response.usage.output_tokens if event.response.usage else None)
                    if event.response.output_text != heard.text:
                        heard.seams.append(
                            f"the whole {event.response.output_text!r} is not the sum of its pieces {heard.text!r}"
                        )
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        heard.seams.append(f"sequence numbers {numbers}")
    heard.once(count.get("response.created", 0), "response.created")
    if heard.text:
        heard.once(count.get("response.output_item.added", 0), "response.output_item.added")
        heard.once(len(items), "an item of text")


async def _responses_whole(at: Listener, model: str, heard: Heard) -> None:
    raw = await at.openai.responses.with_raw_response.create(model=model, input=PROMPT)
    heard.status, heard.headers = raw.status_code, dict(raw.headers)
    answer = await _parsed(raw)
    heard.text, heard.ended, heard.finish = answer.output_text, True, str(answer.status)
    heard.ids.add(answer.id)
    heard.models.add(answer.model)
    heard.used(answer.usage.output_tokens if answer.usage else None)


# ---- anthropic: Messages


async def _messages_stream(at: Listener, model: str, heard: Heard) -> None:
    started, open_block, blocks = 0, -1, 0
    stream = await at.anthropic.messages.create(
        model=model, max_tokens=1000, messages=[{"role": "user", "content": PROMPT}], stream=True
    )
    heard.status, heard.headers = stream.response.status_code, dict(stream.response.headers)
    async with stream:
        async for event in stream:
            if event.type == "message_start":
                started += 1
                heard.ids.add(event.message.id)
                heard.models.add(event.message.model)
            elif event.type == "content_block_start":
                if event.index != blocks or open_block != -1:
                    heard.seams.append(
                        f"block {event.index} begins, expected {blocks} with none open"
                    )
                open_block, blocks = event.index, blocks + 1
            elif event.type == "content_block_delta":
                if event.index != open_block:
                    heard.seams.append(f"a delta of block {event.index}, open is {open_block}")
                heard.text += getattr(event.delta, "text", "")
            elif event.type == "content_block_stop":
                open_block = -1
            elif event.type == "message_delta":
                heard.finish = event.delta.stop_reason or ""
                heard.used(event.usage.output_tokens if event.usage else None)
            elif event.type == "message_stop":
                heard.ended = True
    heard.once(started, "message_start")


async def _messages_whole(at: Listener, model: str, heard: Heard) -> None:
    raw = await at.anthropic.messages.with_raw_response.create(
        model=model, max_tokens=1000, messages=[{"role": "user", "content": PROMPT}]
    )
    heard.status, heard.headers = raw.status_code, dict(raw.headers)
    answer = await _parsed(raw)
    heard.text = "".join(b.text for b in answer.content if b.type == "text")
    heard.ended, heard.finish = True, answer.stop_reason or ""
    heard.ids.add(answer.id)
    heard.models.add(answer.model)
    heard.used(answer.usage.output_tokens)


# ---- google-genai: generateContent


def _blocked(answer: genai_types.GenerateContentResponse, heard: Heard) -> None:
    """A prompt that was not let in has no candidate: the block's reason is all there is, and the
    end.
    """
    if answer.prompt_feedback and answer.prompt_feedback.block_reason:
        heard.ended, heard.finish = True, answer.prompt_feedback.block_reason.value


async def _google_stream(at: Listener, model: str, heard: Heard) -> None:
    finishes = 0
    async for chunk in await at.google.aio.models.generate_content_stream(
        model=model, contents=PROMPT
    ):
        heard.status, heard.headers = (
            200,
            dict(chunk.sdk_http_response.headers or {})
            if chunk.sdk_http_response
            else heard.headers,
        )
        if chunk.response_id:
            heard.ids.add(chunk.response_id)
        if chunk.model_version:
            heard.models.add(chunk.model_version)
        _blocked(chunk, heard)
        for candidate in chunk.candidates or []:
            if heard.ended and candidate.content and candidate.content.parts:
                heard.seams.append("content after the finish reason")
            for part in (candidate.content.parts or []) if candidate.content else []:
                heard.text += part.text or ""
            if candidate.finish_reason:
                finishes += 1
                heard.ended, heard.finish = True, candidate.finish_reason.value
        if chunk.usage_metadata and heard.ended:
            heard.used(chunk.usage_metadata.candidates_token_count)
    if finishes > 1:
        heard.once(finishes, "a finish reason")


async def _google_whole(at: Listener, model: str, heard: Heard) -> None:
    answer = await at.google.aio.models.generate_content(model=model, contents=PROMPT)
    heard.status, heard.headers = (
        200,
        dict(answer.sdk_http_response.headers or {}) if answer.sdk_http_response else {},
    )
    candidate = (answer.candidates or [genai_types.Candidate()])[0]
    heard.text = (
        "".join(p.text or "" for p in (candidate.content.parts or [])) if candidate.content else ""
    )
    heard.ended, heard.finish = (
        True,
        candidate.finish_reason.value if candidate.finish_reason else "",
    )
    _blocked(answer, heard)
    heard.ids.add(answer.response_id or "")
    heard.models.add(answer.model_version or "")
    heard.used(answer.usage_metadata.candidates_token_count if answer.usage_metadata else None)


# ---- boto3: Converse. It blocks, so it works in a thread.


def _converse_stream(at: Listener, model: str, heard: Heard) -> None:
    answer = at.bedrock.converse_stream(
        modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}]
    )
    heard.status, heard.headers = 200, answer["ResponseMetadata"]["HTTPHeaders"]
    starts = stops = 0
    with closing(answer["stream"]) as stream:
        for event in stream:
            starts += "messageStart" in event
            if "contentBlockDelta" in event:
                if event["contentBlockDelta"]["contentBlockIndex"]:
                    heard.seams.append(f"block {event['contentBlockDelta']['contentBlockIndex']}")
                heard.text += event["contentBlockDelta"]["delta"].get("text", "")
            elif "messageStop" in event:
                stops += 1
                heard.ended, heard.finish = True, event["messageStop"]["stopReason"]
            elif "metadata" in event:
                heard.used(event["metadata"]["usage"]["outputTokens"])
    heard.once(starts, "messageStart")
    if stops > 1:
        heard.once(stops, "messageStop")


def _converse_whole(at: Listener, model: str, heard: Heard) -> None:
    answer = at.bedrock.converse(
        modelId=model, messages=[{"role": "user", "content": [{"text": PROMPT}]}]
    )
    heard.status, heard.headers = 200, answer["ResponseMetadata"]["HTTPHeaders"]
    heard.text = "".join(b.get("text", "") for b in answer["output"]["message"]["content"])
    heard.ended, heard.finish = True, answer["stopReason"]
    heard.used(answer["usage"]["outputTokens"])


def _threaded(ask: Callable[[Listener, str, Heard], None]) -> Callable[[Listener, str, Heard], Any]:
    return lambda at, model, heard: asyncio.to_thread(ask, at, model, heard)


_ASK: dict[tuple[str, bool], Callable[[Listener, str, Heard], Any]] = {
    ("openai", True): _chat_stream,
    ("openai", False): _chat_whole,
    ("openai_responses", True): _responses_stream,
    ("openai_responses", False): _responses_whole,
    ("anthropic", True): _messages_stream,
    ("anthropic", False): _messages_whole,
    ("google", True): _google_stream,
    ("google", False): _google_whole,
    ("bedrock", True): _threaded(_converse_stream),
    ("bedrock", False): _threaded(_converse_whole),
}
