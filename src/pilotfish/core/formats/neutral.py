"""The neutral form: what every style reads into and writes from.

A request is a `Chat`, an answer a `Reply`, a stream a run of deltas (`core.formats.deltas`). Binary
data stays base64 text, tool arguments stay JSON text, JSON schemas stay plain dicts, so that
nothing is decoded that nobody looks at.

What only one family of vendors understands travels beside it: `extras` holds fields by the name of
the style that read them, `Opaque` holds whole blocks. A writer takes what its own family knows and
names the rest as dropped.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import chain, groupby
from typing import Any, Literal

import msgspec

from pilotfish.core.formats.bounds import has_too_many_values
from pilotfish.core.formats.usage import Usage

Extras = dict[str, dict[str, Any]]
"""Fields without a neutral place, by the style that read them, then by their dotted path in the
client's request."""

Json = dict[str, Any]


class Cache(msgspec.Struct, frozen=True):
    """A prompt-cache mark: everything up to and including what carries it should be cached.

    Anthropic `cache_control`, OpenAI `prompt_cache_breakpoint`, Bedrock `cachePoint`. `ttl` is the
    vendor's own word (`5m`, `1h`, `30m`).
    """

    ttl: str = ""


class Signature(msgspec.Struct, frozen=True):
    """A vendor's proof over what its model thought, to be handed back unchanged on the next turn,
    to the same family only.

    `origin` is `anthropic` (also for Claude on Bedrock: its signatures are valid on every
    platform), `google` or `openai_responses`. `id` is the item it belongs to, where that must come
    back, too (Responses).
    """

    origin: str
    value: str
    id: str = ""


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a piece of text comes from. OpenAI `annotations`, Anthropic `citations`, Google
    `groundingChunks`, Bedrock `citations`.

    `start` and `end` are character offsets in the text that is annotated. `origin` and `raw` keep
    the vendor's own object.
    """

    url: str = ""
    title: str = ""
    cited_text: str = ""
    start: int | None = None
    end: int | None = None
    origin: str = ""
    raw: Json = {}


class Text(msgspec.Struct, frozen=True):
    text: str
    cache: Cache | None = None
    citations: tuple[Citation, ...] = ()
    signature: Signature | None = None  # Gemini puts a thought signature on text parts, too


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What images, documents and audio share: exactly one of `data` (base64), `url` and `file_id`
    is set.

    `media_type` is a MIME type, empty where only an URL is known. `origin` names the family that
    can resolve `file_id`.
    """

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    origin: str = ""
    cache: Cache | None = None


class Image(Media, frozen=True, kw_only=True):
    """`detail`: OpenAI's `low`, `high`, `auto`."""

    detail: str = ""
    signature: Signature | None = None  # Gemini signs the pictures that it makes


class Document(Media, frozen=True, kw_only=True):
    """A file to be read. `text` instead of `data` for plain text (Anthropic source `text`, Bedrock
    `text`); `parts` for Anthropic's source `content`. `name` is the file name or title, `context`
    words about it, `cite` whether the model should cite from it."""

    text: str = ""
    parts: tuple[Text | Image, ...] = ()
    name: str = ""
    context: str = ""
    cite: bool = False


class Audio(Media, frozen=True, kw_only=True):
    """Audio in either direction. `id` and `transcript` belong to audio that a model spoke (OpenAI
    `message.audio`).
    """

    id: str = ""
    transcript: str = ""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI `tool_calls`, Responses `function_call`, Anthropic `tool_use`, Google `functionCall`,
    Bedrock `toolUse`.

    `arguments` is JSON text as the model wrote it (empty: no arguments); for kind `custom` (OpenAI)
    it is free text.
    """

    id: str
    name: str
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    signature: Signature | None = None  # Gemini 3: must come back with the call
    cache: Cache | None = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI message of role `tool`, Responses `function_call_output`, Anthropic `tool_result`,
    Google `functionResponse`.

    `name` is the tool's, which Google wants and Anthropic does not give; `Chat` readers fill it
    from the call.
    """

    call_id: str
    parts: tuple[Part, ...] = ()
    is_error: bool = False
    name: str = ""
    kind: Literal["function", "custom"] = "function"
    cache: Cache | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """Reasoning. Anthropic `thinking` (`redacted_thinking`: `redacted`, the data in `signature`),
    Google parts with `thought`, Responses items `reasoning` (`encrypted_content` in `signature`,
    `id` the item's), OpenAI-compatible `reasoning_content`.

    `summary` tells OpenAI's summaries from the reasoning itself. An empty text with a signature is
    a real block and is replayed.
    """

    text: str = ""
    signature: Signature | None = None
    redacted: bool = False
    summary: bool = False
    id: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """OpenAI's `refusal`; elsewhere plain text with finish reason `refusal`."""

    text: str


class Opaque(msgspec.Struct, frozen=True):
    """A block that only `origin`'s family understands: server tools and their results, web
    searches, containers. `text`: what it says to a model of another family, if anything."""

    origin: str
    raw: Json
    text: str = ""


Part = Text | Image | Document | Audio | ToolCall | ToolResult | Thinking | Refusal | Opaque


class Turn(msgspec.Struct, frozen=True):
    """One message. Tool results stand in user turns. `system` turns are instructions given in the
    middle of a conversation; leading ones are in `Chat.system`. `name` is OpenAI's participant
    name."""

    role: Literal["user", "assistant", "system"]
    parts: tuple[Part, ...]
    name: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call; `schema` is JSON Schema of its arguments (None: none given).

    `hosted` tools run at the vendor; they are kept whole in `raw` and belong to `origin`. `custom`
    (OpenAI) takes free text, its `format` is in `raw`. `raw` of a function holds fields of `origin`
    beyond these (`defer_loading`, `input_examples`).
    """

    name: str
    description: str = ""
    schema: Json | None = None
    strict: bool | None = None
    kind: Literal["function", "custom", "hosted"] = "function"
    cache: Cache | None = None
    origin: str = ""
    raw: Json = {}


class ToolChoice(msgspec.Struct, frozen=True):
    """`required`: some tool (OpenAI `required`, Anthropic and Google `any`). `tool`: the one in
    `names`.

    `names` with `auto` or `required`: only these may be called (OpenAI `allowed_tools`, Google
    `allowedFunctionNames`).
    """

    mode: Literal["auto", "none", "required", "tool"]
    names: tuple[str, ...] = ()


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """`json`: any JSON object. `json_schema`: output must follow `schema`."""

    kind: Literal["json", "json_schema"]
    name: str = ""
    schema: Json | None = None
    strict: bool | None = None
    description: str = ""


class ThinkingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much to think. `effort` is one of `EFFORTS`, `none` included; `budget` is in tokens, -1
    meaning the model decides (Google).

    `enabled` None: not said. `adaptive`: Anthropic's type `adaptive`. `show`: whether thoughts
    should come back (Google `includeThoughts`, Anthropic `display`, Responses `summary`, whose own
    word is `summary`).
    """

    enabled: bool | None = None
    effort: str = ""
    budget: int | None = None
    adaptive: bool = False
    show: bool | None = None
    summary: str = ""


EFFORTS = {
    "minimal": 1024,
    "low": 4096,
    "medium": 10240,
    "high": 20480,
    "xhigh": 24576,
    "max": 31999,
}
"""The ladder between words and token budgets, from least to most."""


def budget_for(effort: str) -> int | None:
    """The budget in tokens that stands for an effort; None for `none` and words not on the
    ladder.
    """
    return EFFORTS.get(effort)


def effort_for(budget: int) -> str:
    """The least effort whose budget covers `budget`; `max` above the ladder, `none` for 0, `medium`
    for -1 (the model decides).
    """
    if budget == 0:
        return "none"
    if budget < 0:
        return "medium"
    return next((effort for effort, tokens in EFFORTS.items() if budget <= tokens), "max")


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `None` and empty mean: the client did not say, and nothing is written.

    `metadata` and `user` are told apart since Anthropic's `metadata.user_id` is OpenAI's `user`.
    `lost` names what the reader could not keep at all, as dotted paths of the client's request; a
    writer begins its `dropped` with it.
    """

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    thinking: ThinkingConfig | None = None
    user: str = ""
    metadata: dict[str, str] = {}
    verbosity: str = ""
    service_tier: str = ""
    cache: Cache | None = None
    stream_usage: bool | None = None
    extras: Extras = {}
    lost: tuple[str, ...] = ()


class FinishReason(StrEnum):
    """Why the model stopped; each style maps its own words onto these and back."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"  # one of the client's, named in `Reply.stop_sequence` if known
    LENGTH = "length"  # max tokens
    CONTEXT = "context"  # the context window is full (Anthropic `model_context_window_exceeded`)
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"  # a filter stopped it (Google SAFETY, Bedrock guardrail)
    REFUSAL = "refusal"  # the model declined (Anthropic)
    PAUSE = "pause"  # send the turn back to go on (Anthropic `pause_turn`)
    MALFORMED_CALL = "malformed_call"  # Google MALFORMED_FUNCTION_CALL, Bedrock malformed_tool_use
    MALFORMED = "malformed"  # Google MALFORMED_RESPONSE, Bedrock malformed_model_output
    OTHER = "other"


class TokenLogprob(msgspec.Struct, frozen=True):
    """One token; `top` are the likeliest alternatives at its place. `raw` bytes are UTF-8 code
    units, None where not given.
    """

    token: str
    logprob: float
    raw: tuple[int, ...] | None = None
    top: tuple[TokenLogprob, ...] = ()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: the first choice of it, since no two styles agree on more.

    `finish_details` is Anthropic's `stop_details` and the like. `extras` as for `Chat`.
    """

    id: str = ""
    model: str = ""
    parts: tuple[Part, ...] = ()
    finish: FinishReason = FinishReason.STOP
    stop_sequence: str = ""
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    service_tier: str = ""
    finish_details: str = ""
    extras: Extras = {}


# --- what more than one style needs ---


def merged(
    turns: tuple[Turn, ...], roles: tuple[str, ...] = ("user", "assistant", "system")
) -> tuple[Turn, ...]:
    """The same conversation with neighbours of one of these roles made one, as styles that demand
    alternation want it.
    """
    out: list[Turn] = []
    for (role, name), group in groupby(turns, key=lambda turn: (turn.role, turn.name)):
        first, *others = group
        if not others or role not in roles:
            out += (first, *others)
            continue
        # Joined once, however many they are: joining them one by one copies the first ones each
        # time.
        parts = chain(first.parts, *(turn.parts for turn in others))
        out.append(Turn(role, tuple(parts), name))
    return tuple(out)


def arguments_object(arguments: str) -> Json:
    """Tool arguments as the object that Anthropic, Google and Bedrock demand. What is no JSON
    object is kept under `_raw`.
    """
    if not arguments.strip():
        return {}
    if has_too_many_values(arguments.encode("utf-8", "surrogatepass")):
        return {"_raw": arguments}  # reading it would take long
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"_raw": arguments}
    return value if isinstance(value, dict) else {"_raw": arguments}
