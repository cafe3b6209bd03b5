"""A client's request as read from the wire, and which of its headers and of the response's may pass
the proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from pilotfish.core.exchange import multipart
from pilotfish.core.exchange.endpoints import Endpoint, scenario_of_style
from pilotfish.core.exchange.platforms import as_anthropic, takes_anthropic_form
from pilotfish.core.formats.bodies import Members, is_true, members_of, repeated_key, text_of
from pilotfish.core.formats.neutral import Chat
from pilotfish.errors import ClientError

Headers = list[tuple[bytes, bytes]]

# The longest model names are Amazon's ARNs with 2048 characters. State is kept per model name, so
# longer ones, which only a hostile client sends, are refused.
MODEL_CHARS = 2048
# How much of a client's text errors and logs repeat.
SHOWN_CHARS = 200

# An option that the proxy looks into is an object of a few members.
OPTION_BYTES = 64 * 1024

# A rough mean over vendors and languages, for estimates before the vendor has counted.
BYTES_PER_TOKEN = 4


class Inbound:
    """One request. The constructor raises `ClientError` for a body or a model name that cannot be
    used.

    `headers`: (lower-case name, value). `members`: the top level of a JSON body, None for
    multipart. `tokens`: estimated input tokens. `chat`: the neutral form, None until
    `core.exchange.calls.chat_of` has read it. `usage_requested`: the client asks an OpenAI stream
    for usage. `written`: the service, the operation and the call's body that was written last, to
    see what it loses. `thinking`: it asks for reasoning, so the first token may take long. `array`:
    a Google stream that is to be sent as a JSON array (no `alt=sse`). `framed`: the client reads
    Anthropic's style in Bedrock's frames.
    """

    __slots__ = (
        "array",
        "body",
        "chat",
        "client_ip",
        "content_type",
        "fields",
        "framed",
        "headers",
        "members",
        "model",
        "op",
        "path",
        "query",
        "request_id",
        "scenario",
        "stream",
        "style",
        "subpath",
        "thinking",
        "tokens",
        "usage_requested",
        "written",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        path: str,
        query: str,
        headers: Headers,
        body: bytes,
        request_id: str,
        client_ip: str,
        fields: dict[bytes, bytes] | None = None,
    ) -> None:
        self.op, self.style, self.subpath = endpoint.op, endpoint.style, endpoint.subpath
        self.scenario = endpoint.scenario or scenario_of_style(endpoint.style)
        self.path, self.query, self.headers, self.body = path, query, headers, body
        self.request_id, self.client_ip = request_id, client_ip
        self.array = bool(endpoint.stream) and self.op == "generate" and "alt=sse" not in query
        self.fields = dict(reversed(headers)) if fields is None else fields
        content_type = self.content_type = self.fields.get(b"content-type") or b"application/json"
        self.usage_requested = self.thinking = self.framed = False
        self.chat: Chat | None = None
        self.written: tuple[object, str, object] | None = None
        self.tokens = len(body) // BYTES_PER_TOKEN + 1
        if content_type[:10].lower() == b"multipart/":
            self.members: Members | None = None
            self.model = endpoint.model or multipart.model_of(body, self.content_type)
            self.stream = endpoint.stream or False
        else:
            members = self.members = self._members()
            twice = repeated_key(body, members)
            if twice is not None:
                # Servers differ in which of the two they take.
                raise ClientError(
                    400, "invalid_json", f"the request body has {shown(twice)!r} twice at its top"
                )
            if b"json" not in content_type.lower():
                # The body is JSON whatever its label says: `curl -d` labels every body a form.
                self.content_type = b"application/json"
            model = endpoint.model or text_of(members, "model")
            if model is None and "model" in members:
                found = bytes(members["model"])[:40].decode("utf-8", "replace")
                raise ClientError(400, "invalid_model", f"'model' must be a string, found {found}")
            self.model = model or ""
            self.stream = is_true(members, "stream") if endpoint.stream is None else endpoint.stream
            self._read_options(members)
        if endpoint.by_cloud:
            self._read_platforms_form(endpoint)
        if len(self.model) > MODEL_CHARS:
            raise ClientError(
                400,
                "invalid_model",
                f"'model' has {len(self.model)} characters, expected at most {MODEL_CHARS}",
            )
        if self.model.rpartition("/")[2] in (".", ".."):
            # In the path of a vendor's URL it would be a dot segment.
            raise ClientError(
                400, "invalid_model", f"'model' must be a name, found {shown(self.model)!r}"
            )

    def _members(self) -> Members:
        try:
            return members_of(self.body)
        except ClientError:
            encoding = (self.header(b"content-encoding") or b"identity").decode("latin-1")
            if encoding.lower() == "identity":
                raise
            found = f"the request body's content-encoding is {shown(encoding)!r}"
            raise ClientError(
                415, "unsupported_encoding", f"{found}, expected a body that is not compressed"
            ) from None

    def _read_options(self, members: Members) -> None:
        if not _THINKING.keys().isdisjoint(members):
            for name, asks in _THINKING.items():
                if name in members:
                    self.thinking = asks(bytes(members[name]))
                    break
        if self.stream and "stream_options" in members:
            self.usage_requested = (
                bytes(_object(bytes(members["stream_options"])).get("include_usage", b""))
                == b"true"
            )

    def _read_platforms_form(self, endpoint: Endpoint) -> None:
        """From a cloud's client: Claude in Anthropic's form, or another model in its own."""
        members = self.members
        if members is None or (self.op == "invoke" and not takes_anthropic_form(members)):
            return
        if self.op == "invoke":
            self.op, self.style, self.framed = "messages", "anthropic", True
            self.scenario = endpoint.scenario or self.style
        self.body, self.headers = as_anthropic(self.body, members, self.headers, stream=self.stream)
        self.members = members_of(self.body)
        self.fields = dict(reversed(self.headers))

    @property
    def keeps_answer(self) -> bool:
        """Whether the vendor keeps the answer under an id: those of Responses unless it is told not
        to, others if it is told to.
        """
        members = self.members
        return self.op == "responses" or (
            self.op == "chat" and members is not None and "store" in members
        )

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name; None if it is absent."""
        return self.fields.get(name)


def shown(text: str) -> str:
    """A client's text, cut to `SHOWN_CHARS` for errors and logs."""
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."


def _object(raw: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object; empty for any other value, and for one so large that it cannot
    be what is looked for.
    """
    if len(raw) > OPTION_BYTES:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {}


def _is_on(raw: bytes) -> bool:
    """Anthropic's `thinking`, which Bedrock takes too."""
    return raw != b"null" and bytes(_object(raw).get("type", b"")) != b'"disabled"'


def _is_effort(raw: bytes) -> bool:
    return raw not in (b"null", b'"none"', b'"minimal"')


def _google_thinks(raw: bytes) -> bool:
    config = _object(bytes(_object(raw).get("thinkingConfig", b"null")))
    return bool(config) and bytes(config.get("thinkingBudget", b"")) != b"0"


def _bedrock_thinks(raw: bytes) -> bool:
    """Claude's `thinking`, Nova's `reasoningConfig`, gpt-oss's `reasoning_effort`."""
    more = _object(raw)
    return (
        ("thinking" in more and _is_on(bytes(more["thinking"])))
        or ("reasoningConfig" in more and _is_on(bytes(more["reasoningConfig"])))
        or ("reasoning_effort" in more and _is_effort(bytes(more["reasoning_effort"])))
    )


# Top-level field -> whether its value asks for thinking. A style has one of these at most.
_THINKING: dict[str, Callable[[bytes], bool]] = {
    "thinking": _is_on,
    "reasoning_effort": _is_effort,
    "reasoning": lambda raw: raw != b"null" and _is_effort(bytes(_object(raw).get("effort", b""))),
    "generationConfig": _google_thinks,
    "additionalModelRequestFields": _bedrock_thinks,
}


# Request headers that never go upstream: credentials and account names of the client, hop-by-hop
# headers, what would reveal the cluster's inside or a browser's page to a vendor, and what tells
# other gateways to send the provider's key somewhere else.
_PRIVATE = frozenset(
    {
        b"host", b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"expect", b"content-length", b"content-type",
        b"accept-encoding", b"authorization", b"proxy-authorization", b"proxy-authenticate",
        b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key", b"x-goog-user-project",
        b"ocp-apim-subscription-key", b"openai-organization", b"openai-project", b"forwarded",
        b"via", b"x-real-ip", b"x-request-id", b"http2-settings", b"x-amzn-bedrock-api-key",
        b"origin", b"referer", b"true-client-ip", b"client-ip", b"x-client-ip",
        b"x-cluster-client-ip", b"fastly-client-ip", b"x-original-forwarded-for",
        b"x-original-url", b"x-rewrite-url", b"x-original-host", b"x-host",
        b"x-http-method-override", b"helicone-target-url", b"helicone-target-provider",
        b"helicone-openai-api-base", b"x-litellm-api-base",
    }
)  # fmt: skip
_PRIVATE_PREFIXES = (
    b"x-forwarded-",
    b"x-amz-",
    b"x-pilotfish-",
    b"x-envoy-",
    b"x-portkey-",
    b"sec-",
    b"cf-",
)
_SECRET_WORDS = (
    b"authorization",
    b"api-key",
    b"apikey",
    b"secret",
    b"password",
    b"token",
    b"cookie",
    b"credential",
)
# The only request headers that go to a service of another style than the client's: the others are
# one vendor's own.
ANY_VENDOR = frozenset(
    {
        b"user-agent",
        b"traceparent",
        b"tracestate",
        b"baggage",
        b"idempotency-key",
        b"accept-language",
    }
)


def filter_request_headers(headers: Headers, same_style: bool) -> Headers:
    """The client's headers that may go upstream. `same_style`: the service speaks the client's
    style.
    """
    if not same_style:
        return [h for h in headers if h[0] in ANY_VENDOR]
    kept = [h for h in headers if _MAY_GO_UPSTREAM[h[0]]]
    wishes = [h[1] for h in headers if h[0] == b"connection"]
    if not wishes:
        return kept
    # RFC 9110, 7.6.1: headers that `connection` names are hop-by-hop too.
    named = [name.strip() for wish in wishes for name in wish.lower().split(b",")]
    return [h for h in kept if h[0] not in named]


# Bounded, since a client or an upstream may make up any number of names.
CACHED_HEADER_NAMES = 512


class _Decided(dict[bytes, bool]):
    """Header names with a decision already made; `decide` makes the others."""

    def __init__(self, decide: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, name: bytes) -> bool:
        allowed = self._decide(name)
        if len(self) < CACHED_HEADER_NAMES:
            self[name] = allowed
        return allowed


def _may_go_upstream(name: bytes) -> bool:
    return (
        name not in _PRIVATE
        and not name.startswith(_PRIVATE_PREFIXES)
        and not any(w in name for w in _SECRET_WORDS)
    )


_MAY_GO_UPSTREAM = _Decided(_may_go_upstream)


# Response headers that never reach the client: hop-by-hop headers, those of the vendor's web site,
# and those that the proxy sets itself.
_KEPT_FROM_CLIENT = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"trailer",
        b"upgrade", b"te", b"content-length", b"content-encoding", b"set-cookie", b"server",
        b"date", b"alt-svc", b"via", b"strict-transport-security", b"x-request-id", b"report-to",
        b"nel", b"proxy-authenticate", b"www-authenticate", b"access-control-expose-headers",
        b"x-envoy-upstream-service-time", b"x-content-type-options", b"vary",
        # What a browser would obey.
        b"location", b"content-location", b"refresh", b"clear-site-data", b"set-cookie2",
        b"service-worker-allowed", b"sourcemap", b"public-key-pins",
        # A server that echoes request headers would reveal the provider's key.
        b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key",
        b"x-goog-api-key", b"ocp-apim-subscription-key", b"x-amzn-bedrock-api-key",
        b"x-amz-security-token",
    }
)  # fmt: skip
_KEPT_FROM_CLIENT_PREFIXES = (b"cf-", b"x-pilotfish-", b"x-amz-cf-", b"access-control-")


def filter_response_headers(
    headers: Iterable[tuple[bytes, bytes]], key_headers: frozenset[bytes] = frozenset()
) -> Headers:
    """The response headers that may reach the client. `headers`: (lower-case name, value).
    `key_headers`: names that carried a key on the way to this upstream, which may echo them.
    """
    kept: Headers = []
    named: list[bytes] = []
    for h in headers:
        if _MAY_REACH_CLIENT[h[0]]:
            if h[0] not in key_headers:
                kept.append(h)
        elif h[0] == b"connection":
            named += [name.strip() for name in h[1].lower().split(b",")]
    # RFC 9110, 7.6.1: headers that `connection` names are hop-by-hop too.
    return [h for h in kept if h[0] not in named] if named else kept


def _may_reach_client(name: bytes) -> bool:
    return name not in _KEPT_FROM_CLIENT and not name.startswith(_KEPT_FROM_CLIENT_PREFIXES)


_MAY_REACH_CLIENT = _Decided(_may_reach_client)
