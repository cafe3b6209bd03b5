"""The request path without sockets: pools that a test scripts, clients that keep what they get.

    world = World("a b@1")                       a rule `chat` over services of providers a and b
    client = world.asks()                        a client sends a request
    call = world.call(0)                         ... and this is what goes upstream
    call.sent(); call.head(200); call.body(b"..."); call.end()      or call.lost("reset")
    assert client.json["id"] == "c1"

Tests that use it run in virtual time (`virtual_time`), since deadlines and keep-alives are part of
the stories.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.routing.router import Router
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.credentials.keys import (
    CredentialError,
    Headers,
    Key,
    NoKey,
    PlainKey,
    SignedCall,
)
from pilotfish.http1.exchange import Exchange, Header
from pilotfish.http1.origin import Origin
from pilotfish.http1.pending import Listener, PendingRequest
from pilotfish.providers import all_kinds
from pilotfish.proxy.attempt import Attempt
from pilotfish.proxy.engine import Engine
from pilotfish.proxy.local_reply import LocalReplies
from pilotfish.proxy.translation import Translation
from pilotfish.tactics import all_tactics
from pilotfish.telemetry.access_log import AccessLog
from pilotfish.telemetry.record import AttemptRecord, RequestRecord
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.reporter import Reporter
from style_wire import sse

JSON = "application/json"
EVENTS = "text/event-stream"
_IN_ORDER = "{type: round_robin, params: {request_threshold: 1000000}}"


# ---- upstream


class ScriptedCall(PendingRequest):
    """A request on its way upstream. What the test calls is what the connection would report."""

    def __init__(self, origin: Origin, request: Sequence[bytes], listener: Listener) -> None:
        super().__init__(request, listener, 5.0)
        self.origin = origin
        self.is_paused = False
        head, _, self.body_sent = b"".join(request).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}

    @property
    def json_sent(self) -> Any:
        return orjson.loads(self.body_sent)

    # What happens.

    def sent(self) -> ScriptedCall:
        self.listener.on_sent(self)  # type: ignore[arg-type]
        return self

    def head(self, status: int = 200, kind: str = JSON, **headers: str) -> ScriptedCall:
        lines = [(b"content-type", kind.encode())]
        lines += [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
        if not self.cancelled:
            self.listener.on_head(status, lines)
        return self

    def body(self, *pieces: bytes) -> ScriptedCall:
        for piece in pieces:
            if not self.cancelled:
                self.listener.on_body(piece)
        return self

    def end(self) -> ScriptedCall:
        if not self.cancelled:
            self.ended()
        return self

    def breaks(self, kind: str = "reset", message: str = "the upstream closed it") -> None:
        self.lost(kind, message)

    # Whole stories.

    def answers(self, status: int = 200, body: Any = None, **headers: str) -> None:
        """At once, with a body of JSON."""
        data = body if isinstance(body, bytes) else orjson.dumps(REPLY if body is None else body)
        self.sent().head(status, **headers).body(data).end()

    def streams(self, *events: Any) -> ScriptedCall:
        """The head of a stream and these events; it goes on."""
        self.sent().head(200, EVENTS)
        return self.says(*events)

    def says(self, *events: Any) -> ScriptedCall:
        return self.body(*sse(*events))

    # What the proxy does with the connection.

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class ScriptedPool:
    """Stands for all connections to one origin."""

    closed = False

    def __init__(self, origin: Origin, calls: list[ScriptedCall]) -> None:
        self.origin, self._calls = origin, calls
        self.swept: list[float] = []

    def send(
        self, request: Sequence[bytes], listener: Listener, connect_s: float, *, fresh: bool = False
    ) -> PendingRequest:
        call = ScriptedCall(self.origin, request, listener)
        self._calls.append(call)
        return call

    def sweep(self, now: float) -> None:
        self.swept.append(now)

    def close(self) -> None:
        self.closed = True


class ScriptedPools(dict[Origin, Any]):
    """As the engine keeps its pools; each is made when somebody looks for it."""

    def __init__(self, calls: list[ScriptedCall]) -> None:
        super().__init__()
        self._calls = calls

    def get(self, origin: Origin, default: Any = None) -> Any:
        if origin not in self:
            self[origin] = ScriptedPool(origin, self._calls)
        return self[origin]


class AbsentKey(PlainKey):
    """A key whose source is away, or that is not there at all. `at_once`: that is known without
    asking.
    """

    label = "a source"

    def __init__(self, outcome: Outcome, *, at_once: bool) -> None:
        self.error, self.at_once = CredentialError(outcome, "the source is away"), at_once

    def headers(self, call: SignedCall | None) -> Headers | None:
        if self.at_once:
            raise self.error
        return None

    async def fetch(self) -> None:
        raise self.error

    def refused(self, sent: Headers) -> bool:
        return False


# ---- clients


class _Port:
    draining = False


class Client:
    """A client's connection with one request on it, and the answer as far as it is here."""

    peer = "127.0.0.1"

    def __init__(self, target: str, headers: list[Header], body: bytes) -> None:
        self.server = _Port()
        self.exchange = Exchange(self, b"POST", target.encode(), headers)  # type: ignore[arg-type]
        self.exchange.body = body
        self.raw = b""
        self.is_answered = self.is_broken_off = False

    # As a connection.

    def write(self, data: bytes) -> None:
        self.raw += data

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.raw += b"".join(pieces)

    def answered(self, exchange: Exchange) -> None:
        self.is_answered = True

    def close(self, *, reset: bool) -> None:
        self.is_broken_off = True

    # As whoever reads the answer.

    def leaves(self) -> None:
        responder = self.exchange.detach()
        if responder is not None:
            responder.on_client_disconnect()

    @property
    def status(self) -> int:
        """0 where no answer has begun."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        data = self.raw.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return data
        found = b""
        while data:
            size, _, data = data.partition(b"\r\n")
            found, data = found + data[: int(size, 16)], data[int(size, 16) + 2 :]
        return found

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """The data of each event; comments are left out."""
        return [
            line[6:] if line == "data: [DONE]" else orjson.loads(line[6:])
            for line in self.body.decode().split("\n")
            if line.startswith("data: ")
        ]

    @property
    def said(self) -> str:
        """The text of a Chat Completions stream."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", [])
        )


# ---- in OpenAI's words


REPLY = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "small fish"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> Any:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [] if delta is None and finish is None else choices,
        **more,
    }


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk(finish="stop")
USAGE = chunk(usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9})


def text(words: str) -> Any:
    return chunk({"content": words})


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


# ---- the proxy


class World:
    """An engine with rules in force. `services`: words such as `a`, `b@1` (tier 1). `rule`: more of
    the rule `chat`, in YAML's flow style; `providers`: more of a provider, by its name. `keys`: the
    credentials by the provider's name, where they are not `NoKey`. `log`: the access log's records.
    """

    def __init__(
        self,
        services: str = "a",
        rule: str = "",
        *,
        keys: dict[str, Sequence[Key]] | None = None,
        shared: Any = None,
        tracer: Any = None,
        max_in_flight: int = 100,
        rules: str = "",
        **providers: str,
    ) -> None:
        self.calls: list[ScriptedCall] = []
        self.lines: list[bytes] = []
        self.registry = Registry()
        self.access_log = AccessLog(self.lines.append)
        self.recorder = MetricsRecorder(self.registry)
        self.reporter = Reporter(self.recorder, self.access_log, tracer)
        self.ledger, self.budgets, self.history = Ledger(), Budgets(), RaceHistory()
        self.router = Router(self.ledger, self.budgets, self.history, styles.get, random.Random(1))
        self.replies = LocalReplies(self.reporter)
        self._keys = keys or {}
        self.health_changed = asyncio.Event()
        self.engine = Engine(
            self.router,
            self.reporter,
            self.replies,
            self.keys_of,
            max_in_flight=max_in_flight,
            health_changed=self.health_changed,
            shared=shared,
        )
        self.engine.pools = ScriptedPools(self.calls)
        self.snapshot = self.adopt(rules or rules_text(services, rule, providers))

    def keys_of(self, provider: Provider) -> Sequence[Key]:
        return self._keys.get(provider.name) or [NoKey() for _ in provider.tokens or [None]]

    def adopt(self, rules: str) -> Snapshot:
        snapshot = compile_documents(
            documents_of_text("rules.yaml", rules), kinds=all_kinds(), tactics=all_tactics()
        )
        self.engine.adopt(snapshot)
        return snapshot

    # ---- what clients do

    def asks(
        self,
        path: str = "/v1/chat/completions",
        body: Any = None,
        headers: Sequence[tuple[str, str]] = (),
        **more: Any,
    ) -> Client:
        """A request to the rule `chat`; `more` are fields of its body."""
        if body is None:
            body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], **more}
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [(b"content-type", JSON.encode())]
        lines += [(name.encode(), value.encode()) for name, value in headers]
        client = Client(path, lines, data)
        self.engine.handle(client.exchange)
        return client

    def streams(self, **more: Any) -> Client:
        return self.asks(stream=True, **more)

    # ---- what is seen from outside

    def call(self, n: int) -> ScriptedCall:
        assert len(self.calls) > n, f"{len(self.calls)} calls went upstream, expected {n + 1}"
        return self.calls[n]

    @property
    def asked(self) -> list[str]:
        """The providers that were asked, in order."""
        return [call.origin.host.partition(".")[0] for call in self.calls]

    @property
    def log(self) -> list[Any]:
        self.access_log.flush()
        return [orjson.loads(line) for line in b"".join(self.lines).splitlines()]

    @property
    def outcomes(self) -> list[str]:
        """Of the last request's attempts."""
        return [f"{a['service'][0]} {a['outcome']}" for a in self.log[-1]["attempts"]]

    def metric(self, series: Any, *labels: str) -> float:
        child = self.registry[series].children.get(labels)
        return 0.0 if child is None else float(child.value)


def rules_text(services: str, rule: str, providers: dict[str, str]) -> str:
    def provider(name: str) -> str:
        more = providers.get(name, "no_key_required: true")
        return f"  {name}: {{kind: openai_compatible, api_base: 'http://{name}.test/v1', {more}}}"

    served = []
    for word in services.split():
        name, _, tier = word.partition("@")
        served.append(f"{{provider: {name}, model: m, tier: {tier or 0}}}")
    return "\n".join(
        [
            "defaults: {retries: {jitter: 0}}",
            "providers:",
            *(provider(word.partition("@")[0]) for word in services.split()),
            f"rules: [{{name: chat, request_model: chat, lb_tactic: {_IN_ORDER}, services: [{', '.join(served)}], {rule}}}]",
        ]
    )


def cuttings(data: bytes) -> Iterator[list[bytes]]:
    """The same bytes whole, in two at every place, and one by one."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[i : i + 1] for i in range(len(data))]


# ---- parts on their own


def inbound_of(
    path: str = "/v1/chat/completions",
    body: Any = None,
    headers: Sequence[tuple[str, str]] = (),
    **more: Any,
) -> Inbound:
    """A client's request as it is read."""
    if body is None:
        body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], **more}
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    endpoint = endpoints.find(path.partition("?")[0])
    assert endpoint is not None
    lines = [(b"content-type", JSON.encode())]
    lines += [(name.encode(), value.encode()) for name, value in headers]
    return Inbound(endpoint, *path.partition("?")[::2], lines, data, "r1", "127.0.0.1")


class Parts:
    """One attempt at the first service of the rule `chat` and all that it is given. `heard`: what
    its listener heard, in words."""

    def __init__(self, world: World, inbound: Inbound | None = None, *, resumes: bool = False):
        self.world, self.inbound = world, inbound or inbound_of()
        rule_state = world.router.take(self.inbound).rule_state
        now = asyncio.get_running_loop().time()
        plan = world.router.plan(rule_state, self.inbound, now, 0.0)
        candidate = plan.candidates()[0]
        self.rule = plan.rule
        self.request = RequestRecord(
            rule=plan.rule,
            known=True,
            plan=plan,
            request_id="r1",
            style=self.inbound.style,
            op=self.inbound.op,
            path=self.inbound.path,
            model=self.inbound.model,
            scenario=self.inbound.scenario,
            stream=self.inbound.stream,
            started=now,
            started_wall=0.0,
        )
        self.record = AttemptRecord(0, candidate.service, now, resumes=resumes)
        self.request.attempts.append(self.record)
        self.client = world.engine.clients[candidate.service.provider.name]
        self.translation = Translation(self.inbound, plan.rule, 0.0)
        self.heard: list[str] = []
        self.failure: Failure | None = None
        self.drained: list[PendingRequest] = []
        self.attempt = Attempt(
            self.record,
            candidate,
            inbound=self.inbound,
            rule=plan.rule,
            request=self.request,
            client=self.client,
            translation=self.translation,
            ledger=world.ledger,
            budgets=world.budgets,
            listener=self,
            drain_upstream=lambda pending, now: self.drained.append(pending),
            prefill=False,
            counted=False,
            trace_headers=[],
        )
        self.state = candidate.state

    def starts(self) -> ScriptedCall:
        self.attempt.start(asyncio.get_running_loop().time())
        return self.world.call(0)

    def held(self) -> bytes:
        """What would be relayed to the client."""
        return b"".join(self.attempt.reader.hold)

    # As the attempt's listener.

    def on_data(self, data: bytes, now: float) -> None:
        self.heard.append(f"data {data!r}")

    def on_first_token(self, attempt: Attempt, now: float) -> None:
        self.heard.append("first token")

    def on_complete(self, attempt: Attempt, now: float) -> None:
        self.heard.append("complete")

    def on_failure(self, attempt: Attempt, failure: Failure, now: float) -> None:
        self.failure = failure
        self.heard.append(f"failed {failure.outcome} {failure.status}")
