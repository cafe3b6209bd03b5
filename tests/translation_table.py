"""What becomes of each thing that a request or an answer may hold, between each pair of styles:
found by trying, and checked by tests/styles/test_translation_table.py. docs/translation.md is made
of it.

A request goes from the client's style to the upstream's and is read there again; an answer comes
back the same way. What is read as it was sent is carried. What is not there any more is dropped.
What is there in another form is approximated, and `HOW` says how.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from answers_wire import next_turn
from pairs_wire import ALL
from pilotfish import providers, styles
from pilotfish.core.formats import neutral
from pilotfish.core.formats.neutral import (
    Chat,
    Citation,
    FinishReason,
    Reply,
    ResponseFormat,
    Text,
    Thinking,
    ThinkingConfig,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from pilotfish.core.formats.style import Quirks, Target, Written
from pilotfish.core.formats.usage import Usage
from style_wire import WRITTEN

TITLES = {
    "openai": "Chat Completions",
    "openai_responses": "Responses",
    "anthropic": "Messages",
    "google": "generateContent",
    "bedrock": "Converse",
}
# The provider and the model that are asked in each style.
ASKED = {
    "openai": ("openai", "gpt-4o"),
    "openai_responses": ("openai", "gpt-4o"),
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "google": ("google", "gemini-3-flash-preview"),
    "bedrock": ("bedrock", "us.anthropic.claude-sonnet-4-5"),
}
EVERYTHING = Quirks(top_k=True, prompt_cache_breakpoints=True, output_format=True, no_effort=True)
PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool(name="get_weather", description="The weather.", schema=SCHEMA)
CLOCK = Tool(name="get_time", description="The time.", schema=SCHEMA)
CALL = ToolCall(id="call_a1", name="get_weather", arguments='{"city":"Bern"}')
ASK = Turn("user", (Text("How is the weather?"),))


class Feature(NamedTuple):
    """`make` gives the request or answer that holds it, for a style; `of` finds it there again,
    and gives something empty where it is not."""

    make: Callable[[str], Any]
    of: Callable[[Any], Any]


class Cell(NamedTuple):
    """What becomes of a feature: `carried`, `approximated`, `dropped` or `lost`, which is dropped
    without a word; `named` is what the client is told of it, `how` what stands in its
    place."""

    state: str
    named: tuple[str, ...] = ()
    how: str = ""


def request(**fields: Any) -> Callable[[str], Chat]:
    """A request of a question and these fields."""
    given = {"model": "m", "turns": (ASK,), "max_tokens": 4000} | fields
    return lambda style: Chat(**given)


def said(*parts: Any) -> Callable[[str], Chat]:
    """A request whose user says this besides."""
    return request(turns=(Turn("user", (Text("Look."), *parts)),))


def field(name: str) -> Callable[[Any], Any]:
    return lambda chat: getattr(chat, name)


def parts(kind: type, *names: str) -> Callable[[Any], Any]:
    """These fields of all parts of a kind, in turns, in results and in answers."""

    def walk(given: Any) -> Any:
        for part in given:
            if isinstance(part, kind):
                yield tuple(getattr(part, name) for name in names)
            if isinstance(part, ToolResult):
                yield from walk(part.parts)

    def found(whole: Any) -> Any:
        turns = whole.turns if isinstance(whole, Chat) else [whole]
        return [item for turn in turns for item in walk(turn.parts)]

    return found


def some(found: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Nothing where all that is found is empty."""

    def filled(whole: Any) -> Any:
        items = found(whole)
        return items if any(any(item) for item in items) else []

    return filled


def looped(*result: Any, call: ToolCall = CALL, error: bool = False) -> Callable[[str], Chat]:
    """A request that answers a call with this."""
    answered = ToolResult(
        call_id=call.id, name=call.name, parts=result, is_error=error, kind=call.kind
    )
    turns = (ASK, Turn("assistant", (call,)), Turn("user", (answered,)))
    tools = (WEATHER,) if call.kind == "function" else (Tool(name=call.name, kind="custom"),)
    return request(turns=turns, tools=tools)


def with_tools(*tools: Tool, **fields: Any) -> Callable[[str], Chat]:
    return request(tools=tools or (WEATHER, CLOCK), **fields)


def tools_of(*names: str) -> Callable[[Chat], Any]:
    return lambda chat: [tuple(getattr(tool, name) for name in names) for tool in chat.tools]


def choice(chat: Chat) -> Any:
    """Which tools may be called, and whether one must be."""
    given = chat.tool_choice or ToolChoice("auto")
    offered = given.names or tuple(tool.name for tool in chat.tools)
    return (given.mode == "none", given.mode in ("required", "tool"), sorted(offered))


def arguments(whole: Any) -> Any:
    found = parts(ToolCall, "name", "arguments", "kind")(whole)
    return [(name, neutral.arguments_object(given), kind) for name, given, kind in found]


def thinking(*names: str) -> Callable[[Chat], Any]:
    return lambda chat: [getattr(chat.thinking, n) for n in names] if chat.thinking else []


def is_off(chat: Chat) -> bool:
    given = chat.thinking or ThinkingConfig()
    return given.enabled is False or given.effort == "none" or given.budget == 0


HOSTED = {
    "openai": {"type": "web_search"},
    "openai_responses": {"type": "web_search"},
    "anthropic": {"type": "web_search_20250305", "name": "web_search"},
    "google": {"googleSearch": {}},
    "bedrock": {"systemTool": {"name": "nova_grounding"}},
}


def hosted(style: str) -> Chat:
    raw = HOSTED[style]
    tool = Tool(name="search", kind="hosted", origin=style, raw=raw)
    return Chat(model="m", turns=(ASK,), max_tokens=4000, tools=(WEATHER, tool))


def by_id(style: str) -> Chat:
    document = neutral.Document(file_id="file_1", origin=style, media_type="application/pdf")
    return Chat(model="m", turns=(Turn("user", (Text("Read."), document)),), max_tokens=4000)


def marked(style: str) -> Chat:
    text = Text("Be brief.", cache=neutral.Cache("5m"))
    return Chat(model="m", turns=(ASK,), system=(text,), max_tokens=4000)


def system_texts(chat: Chat) -> Any:
    return [text.text for text in chat.system]


def middle(chat: Chat) -> Any:
    turns = [(turn.role, turn.parts[0].text) for turn in chat.turns if turn.parts]  # type: ignore[union-attr]
    return [turn for turn in turns if "Be kind." in turn[1]]


MIDDLE = (
    ASK,
    Turn("assistant", (Text("Mild."),)),
    Turn("user", (Text("And now?"),)),
    Turn("system", (Text("Be kind."),)),
)
IMAGE = neutral.Image(media_type="image/png", data=PNG)
FAR = "https://example.com/a"
DOCUMENT = neutral.Document(media_type="application/pdf", data=PDF, name="report")

REQUESTS: dict[str, Feature] = {
    "instructions": Feature(request(system=(Text("Be brief."),)), system_texts),
    "instructions in mid-conversation": Feature(request(turns=MIDDLE), middle),
    "an answer's beginning": Feature(
        request(turns=(ASK, Turn("assistant", (Text("It is"),)))),
        lambda chat: [part.text for turn in chat.turns[1:] for part in turn.parts],
    ),
    "names of speakers": Feature(
        request(turns=(Turn("user", ASK.parts, "ann"),)), lambda chat: chat.turns[0].name
    ),
    "pictures": Feature(said(IMAGE), parts(neutral.Image, "media_type", "data")),
    "pictures by address": Feature(
        said(neutral.Image(url=f"{FAR}.png")), parts(neutral.Image, "url")
    ),
    "a picture's detail": Feature(
        said(msgspec.structs.replace(IMAGE, detail="low")), some(parts(neutral.Image, "detail"))
    ),
    "PDF documents": Feature(said(DOCUMENT), parts(neutral.Document, "media_type", "data")),
    "documents by address": Feature(
        said(neutral.Document(url=f"{FAR}.pdf")), parts(neutral.Document, "url")
    ),
    "files by id": Feature(by_id, parts(neutral.Document, "file_id")),
    "documents of text": Feature(
        said(neutral.Document(media_type="text/plain", text="Rain.", name="notes")),
        parts(neutral.Document, "text"),
    ),
    "names of documents": Feature(said(DOCUMENT), some(parts(neutral.Document, "name"))),
    "what is to be cited": Feature(
        said(msgspec.structs.replace(DOCUMENT, cite=True)), some(parts(neutral.Document, "cite"))
    ),
    "sound": Feature(
        said(neutral.Audio(media_type="audio/wav", data="UklGRg==")), parts(neutral.Audio, "data")
    ),
    "calls of tools": Feature(looped(Text("mild")), arguments),
    "ids of calls": Feature(looped(Text("mild")), parts(ToolCall, "id")),
    "results of tools": Feature(
        looped(Text("mild")),
        lambda chat: [p.text for r in parts(ToolResult, "parts")(chat) for p in r[0]],
    ),
    "results that are failures": Feature(
        looped(Text("no such city"), error=True), some(parts(ToolResult, "is_error"))
    ),
    "pictures in results": Feature(
        looped(Text("mild"), IMAGE), parts(neutral.Image, "media_type", "data")
    ),
    "documents in results": Feature(
        looped(Text("mild"), DOCUMENT), parts(neutral.Document, "media_type", "data")
    ),
    "calls of tools that take text": Feature(
        looped(Text("4"), call=ToolCall(id="call_a1", name="run", arguments="2+2", kind="custom")),
        arguments,
    ),
    "tools": Feature(with_tools(), tools_of("name", "description", "schema")),
    "strict tools": Feature(
        with_tools(msgspec.structs.replace(WEATHER, strict=True)),
        lambda chat: [tool.strict for tool in chat.tools if tool.strict],
    ),
    "tools that take text": Feature(
        with_tools(Tool(name="run", kind="custom", description="Runs.")), tools_of("name", "kind")
    ),
    "the vendor's own tools": Feature(
        hosted, lambda chat: [tool.raw for tool in chat.tools if tool.kind == "hosted"]
    ),
    "a tool must be called": Feature(with_tools(tool_choice=ToolChoice("required")), choice),
    "one tool must be called": Feature(
        with_tools(tool_choice=ToolChoice("tool", ("get_time",))), choice
    ),
    "no tool may be called": Feature(with_tools(tool_choice=ToolChoice("none")), choice),
    "some tools may be called": Feature(
        with_tools(tool_choice=ToolChoice("auto", ("get_time",))), choice
    ),
    "one call at a time": Feature(
        with_tools(parallel_tool_calls=False),
        lambda chat: "one" if chat.parallel_tool_calls is False else "",
    ),
    "the most tokens": Feature(request(), field("max_tokens")),
    "temperature": Feature(request(temperature=0.5), field("temperature")),
    "temperature above 1": Feature(request(temperature=1.5), field("temperature")),
    "top_p": Feature(request(top_p=0.5), field("top_p")),
    "top_k": Feature(request(top_k=40), field("top_k")),
    "stop sequences": Feature(request(stop=("END",)), field("stop")),
    "more than 5 stop sequences": Feature(request(stop=tuple("ABCDEF")), field("stop")),
    "seed": Feature(request(seed=7), field("seed")),
    "penalties": Feature(
        request(presence_penalty=0.5, frequency_penalty=0.5), field("frequency_penalty")
    ),
    "log probabilities": Feature(request(logprobs=True, top_logprobs=2), field("top_logprobs")),
    "an answer in JSON": Feature(
        request(response_format=ResponseFormat(kind="json")),
        lambda chat: chat.response_format and chat.response_format.kind,
    ),
    "an answer by a schema": Feature(
        request(response_format=ResponseFormat(kind="json_schema", name="city", schema=SCHEMA)),
        lambda chat: chat.response_format and chat.response_format.schema,
    ),
    "effort": Feature(request(thinking=ThinkingConfig(effort="low")), thinking("effort")),
    "the most effort": Feature(request(thinking=ThinkingConfig(effort="max")), thinking("effort")),
    "a budget for thinking": Feature(
        request(thinking=ThinkingConfig(enabled=True, budget=2048)), thinking("budget")
    ),
    "no thinking": Feature(request(thinking=ThinkingConfig(enabled=False)), is_off),
    "the end user": Feature(request(user="u-1"), field("user")),
    "metadata": Feature(request(metadata={"team": "a"}), field("metadata")),
    "verbosity": Feature(request(verbosity="low"), field("verbosity")),
    "service tier": Feature(request(service_tier="flex"), field("service_tier")),
    "cache marks": Feature(marked, lambda chat: any(text.cache for text in chat.system)),
}


def answer(*given: Any, **fields: Any) -> Callable[[str], Reply]:
    whole = {"id": "a1", "model": "m", "parts": given or (Text("Mild."),)} | fields
    return lambda style: Reply(**whole)


def texts(reply: Reply) -> Any:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def count(name: str) -> Callable[[Reply], Any]:
    return lambda reply: reply.usage and getattr(reply.usage, name)


USAGE = Usage(input=100, output=50, cached_input=20, cache_write=10, cache_write_1h=4, reasoning=30)
OPAQUE = {
    "openai_responses": {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    "anthropic": {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
    "google": {"executableCode": {"language": "PYTHON", "code": "1"}},
    "bedrock": {
        "toolUse": {"toolUseId": "s1", "name": "x", "input": {}, "type": "server_tool_use"}
    },
}


def opaque(style: str) -> Reply:
    made = neutral.Opaque(style, OPAQUE.get(style, {}))
    return Reply(id="a1", model="m", parts=(Text("Mild."), made))


def proven(style: str) -> Reply:
    """Thinking with the upstream's own proof; OpenAI's Chat Completions have none."""
    if style == "openai":
        return Reply(id="a1", model="m", parts=(Text("Mild."),))
    proof = neutral.Signature(style, "c2lnbmF0dXJl", "rs_1" if style == "openai_responses" else "")
    thought = Thinking(text="Let me see.", signature=proof, summary=style == "openai_responses")
    return Reply(id="a1", model="m", parts=(thought, Text("Mild."), CALL))


def proofs(whole: Any) -> Any:
    found = parts(Thinking, "signature")(whole)
    return [proof.value for (proof,) in found if proof is not None]


def finish(reason: FinishReason) -> Feature:
    given = (CALL,) if reason is FinishReason.TOOL_CALLS else ()
    return Feature(answer(*given, finish=reason), lambda reply: str(reply.finish))


PROOF = "proof of thinking (next turn)"
ANSWERS: dict[str, Feature] = {
    "text": Feature(answer(), texts),
    "thinking": Feature(
        answer(Thinking(text="Let me see."), Text("Mild.")), parts(Thinking, "text")
    ),
    PROOF: Feature(proven, proofs),
    "calls of tools": Feature(answer(CALL, finish=FinishReason.TOOL_CALLS), arguments),
    "ids of calls": Feature(answer(CALL, finish=FinishReason.TOOL_CALLS), parts(ToolCall, "id")),
    "calls of tools that take text": Feature(
        answer(ToolCall(id="c", name="run", arguments="2+2", kind="custom")), arguments
    ),
    "pages that are cited": Feature(
        answer(Text("Mild.", citations=(Citation(url=FAR, title="A"),))),
        lambda reply: [c.url for t in parts(Text, "citations")(reply) for c in t[0]],
    ),
    "documents that are cited": Feature(
        answer(Text("Mild.", citations=(Citation(title="report", cited_text="Mild."),))),
        lambda reply: [c.title for t in parts(Text, "citations")(reply) for c in t[0]],
    ),
    "pictures": Feature(answer(Text("See."), IMAGE), parts(neutral.Image, "data")),
    "sound": Feature(
        answer(neutral.Audio(id="a", data="UklGRg==", transcript="Mild.", origin="openai")),
        parts(neutral.Audio, "data"),
    ),
    "a refusal": Feature(
        answer(neutral.Refusal("I cannot."), finish=FinishReason.REFUSAL),
        parts(neutral.Refusal, "text"),
    ),
    "log probabilities": Feature(
        answer(logprobs=(neutral.TokenLogprob("Mild", -0.5),)),
        lambda reply: [token.token for token in reply.logprobs],
    ),
    "the stop sequence": Feature(
        answer(finish=FinishReason.STOP_SEQUENCE, stop_sequence="END"), field("stop_sequence")
    ),
    "tokens": Feature(answer(usage=USAGE), lambda reply: (reply.usage.input, reply.usage.output)),
    "cached tokens": Feature(answer(usage=USAGE), count("cached_input")),
    "tokens written to a cache": Feature(answer(usage=USAGE), count("cache_write")),
    "those kept for an hour": Feature(answer(usage=USAGE), count("cache_write_1h")),
    "tokens of thinking": Feature(answer(usage=USAGE), count("reasoning")),
    "service tier": Feature(answer(service_tier="flex", usage=USAGE), field("service_tier")),
    "the vendor's own blocks": Feature(opaque, parts(neutral.Opaque, "raw")),
    **{f"ended: {reason}": finish(reason) for reason in FinishReason},
}


# --- trying ---


def quirks_of(style: str) -> Quirks:
    provider, model = ASKED[style]
    kind = providers.get(provider)
    return (kind.model_quirks(model) if kind.model_quirks else None) or kind.quirks


def read_request(style: str, body: bytes) -> Chat:
    return styles.get(style).read_request(body, model="m", stream=False)


def own_body(chat: Chat, client: str, model: str = "", quirks: Quirks = EVERYTHING) -> bytes:
    """A request as a client of the style sends it."""
    own = Target(model=model or ASKED[client][1], stream=False, quirks=quirks)
    return styles.get(client).write_request(chat, own).body


# What clients of a style ask for depends on the model: budgets of the older, levels of the newer.
OWN = (
    ({"google": "gemini-2.5-flash"}, EVERYTHING),
    (
        {"anthropic": "claude-opus-4-8", "bedrock": "us.anthropic.claude-opus-4-8"},
        msgspec.structs.replace(EVERYTHING, adaptive_thinking=True),
    ),
)


def written_for(upstream: str, chat: Chat) -> Written:
    target = Target(model=ASKED[upstream][1], stream=False, quirks=quirks_of(upstream))
    return styles.get(upstream).write_request(chat, target)


def as_sent(name: str, client: str) -> Chat | None:
    """A request with the feature as it comes of such a client; None: it has no place for it."""
    feature = REQUESTS[name]
    meant = feature.make(client)
    for models, quirks in OWN:
        sent = read_request(client, own_body(meant, client, models.get(client, ""), quirks))
        if feature.of(sent) and feature.of(sent) == feature.of(meant):
            return sent
    return None


def try_request(name: str, client: str, upstream: str) -> Cell | None:
    """None: the client's style has no such thing."""
    sent = as_sent(name, client)
    if sent is None:
        return None
    written = written_for(upstream, sent)
    if REQUESTS[name].of(read_request(upstream, written.body)) == REQUESTS[name].of(sent):
        return Cell("carried")
    how = HOW.get((name, upstream), "")
    if how:
        return Cell("approximated", written.dropped, how)
    return Cell("dropped" if written.dropped else "lost", written.dropped)


def try_answer(name: str, client: str, upstream: str) -> Cell | None:
    """None: the upstream's style has no such thing."""
    feature = ANSWERS[name]
    meant, theirs, ours = feature.make(upstream), styles.get(upstream), styles.get(client)
    sent = theirs.read_reply(theirs.write_reply(meant, **WRITTEN))
    wanted = feature.of(sent)
    if not wanted or wanted != feature.of(meant):
        return None
    body = ours.write_reply(sent, **WRITTEN)
    if name == PROOF:
        chat = read_request(client, next_turn(client, first_turn(client), json.loads(body)))
        found = feature.of(read_request(upstream, written_for(upstream, chat).body))
    else:
        found = feature.of(ours.read_reply(body))
    if found == wanted:
        return Cell("carried")
    how = HOW_BACK.get((name, client), f"`{found}`" if name.startswith("ended") else "")
    return Cell("approximated" if how else "dropped", (), how)


def first_turn(client: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(own_body(request()(client), client))
    return body


def requests(client: str, upstream: str) -> dict[str, Cell]:
    tried = {name: try_request(name, client, upstream) for name in REQUESTS}
    return {name: cell for name, cell in tried.items() if cell is not None}


def answers(client: str, upstream: str) -> dict[str, Cell]:
    tried = {name: try_answer(name, client, upstream) for name in ANSWERS}
    return {name: cell for name, cell in tried.items() if cell is not None}


PAIRS = [(client, upstream) for client in ALL for upstream in ALL if client != upstream]

# (feature, the style that it is written in) -> what stands in its place.
CLAUDES = ("anthropic", "bedrock")
OPENAIS = ("openai", "openai_responses")
BESIDE_OPENAI = ("anthropic", "bedrock", "google")


def each(names: tuple[str, ...], told: dict[str, str]) -> dict[tuple[str, str], str]:
    return {(feature, name): how for feature, how in told.items() for name in names}


HOW: dict[tuple[str, str], str] = {
    **each(
        OPENAIS,
        {
            "documents of text": "text after the name",
            "names of documents": "with the ending of their type",
            "results that are failures": "text after `Error:`",
            "a budget for thinking": "the least effort that covers it",
        },
    ),
    **each(
        BESIDE_OPENAI,
        {
            "instructions in mid-conversation": "a user's turn, between `<system>` tags",
            "calls of tools that take text": "calls with the text as `input`",
        },
    ),
    **each(
        CLAUDES,
        {
            "an answer in JSON": "words that ask for it",
            "effort": "a budget of tokens",
            "the most effort": "a budget of tokens",
            "temperature above 1": "1",
        },
    ),
    ("no tool may be called", "bedrock"): "no tools are offered",
    ("documents of text", "google"): "text after the name",
    ("names of documents", "google"): "words before them",
    ("a budget for thinking", "google"): "the level that covers it",
    ("the most effort", "google"): "`HIGH`",
    ("no thinking", "google"): "`MINIMAL`, as Gemini 3 always thinks",
    ("more than 5 stop sequences", "google"): "the first 5",
}
HOW_BACK: dict[tuple[str, str], str] = {
    **each(
        BESIDE_OPENAI,
        {
            "a refusal": "text, and the word for the ending",
            "calls of tools that take text": "calls with the text as `input`",
        },
    ),
    **each(
        ("anthropic", "bedrock", "openai_responses"), {"sound": "its words, where they are said"}
    ),
}
