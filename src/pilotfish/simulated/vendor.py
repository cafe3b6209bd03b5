"""The server: takes connections, knows what came in, and answers each request as its fault and
profile say.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from types import TracebackType
from typing import Any

import orjson

from pilotfish.simulated.admission import RateWindow, key_of
from pilotfish.simulated.answer import answer_to
from pilotfish.simulated.asked import BadRequest
from pilotfish.simulated.behaviour import HUGE_LINE_BYTES, Fault, Profile
from pilotfish.simulated.bodies import body_of, model_in
from pilotfish.simulated.connection import VendorConnection
from pilotfish.simulated.endpoint import VendorEndpoint, endpoint_of
from pilotfish.simulated.faults import Behaviour, Faults
from pilotfish.simulated.http import VendorRequest
from pilotfish.simulated.playing import BodyEnded, LeftOff, Part, Player, Tempo
from pilotfish.simulated.sides import Missing, side_answer
from pilotfish.simulated.wires.wire import Trouble

_JSON = ("content-type", "application/json")
# Request headers that are not echoed: as an answer's they would mean something else.
_FRAMING = {
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
}


@dataclass(slots=True)
class Seen:
    """A request that came in. `when` is the event loop's clock (monotonic seconds); `left` the
    same, if the client left before the answer was whole; `sent` counts the content events that were
    written; `status` what was answered (None: nothing yet, or never)."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    when: float
    connection: int
    number: int
    model: str | None = None
    status: int | None = None
    sent: int = 0
    left: float | None = None

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return orjson.loads(self.body)


class SimulatedVendor:
    """A vendor's server on 127.0.0.1, as an async context manager. Faults come by `script`,
    `always`, or words in the model's name.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        profile: Profile | None = None,
        name: str = "vendor",
        remember: int = 10_000,
    ) -> None:
        self.key, self.name = key, name
        self.profile = profile if profile is not None else Profile()
        self.requests: deque[Seen] = deque(maxlen=remember)
        self.cancelled: deque[Seen] = deque(maxlen=remember)
        self.connections_made = 0
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()
        self._faults = Faults(self.profile)
        self._window = (
            RateWindow(self.profile.rate_limit) if self.profile.rate_limit is not None else None
        )
        self._rng = random.Random(self.profile.seed)
        self._number = 0
        self._open: set[VendorConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_gone = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def base(self) -> str:
        """`http://127.0.0.1:PORT`; an OpenAI client's base URL is this with `/v1`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def connections_open(self) -> int:
        return len(self._open)

    def script(self, *faults: Fault) -> Behaviour:
        """The next requests get these, in order; `Fault()` stands for none."""
        return self._faults.any.script(*faults)

    def always(self, fault: Fault | None, *, until: asyncio.Event | None = None) -> Behaviour:
        """Every request gets this when the script is used up, as long as `until` is not set; None
        ends it.
        """
        return self._faults.any.always(fault, until=until)

    def on(
        self, endpoint: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """The requests to an endpoint (`chat`, `models`, `embeddings`, ...), whatever the style.
        With a fault they always get it; see `Behaviour` for scripts and for narrowing it down.
        """
        return self._faults.any.on(endpoint, fault, until=until)

    def for_key(
        self, key: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """The requests with a credential, which is known beside `key` from now on; as `on`."""
        return self._faults.any.for_key(key, fault, until=until)

    def for_model(
        self, model: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """The requests for a model; as `on`."""
        return self._faults.any.for_model(model, fault, until=until)

    async def until_requests(self, count: int) -> None:
        """Returns once `count` requests in all have come in."""
        while self._number < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def until_cancelled(self, count: int = 1) -> None:
        """Returns once `count` answers were left by their clients."""
        while len(self.cancelled) < count:
            self.left.clear()
            await self.left.wait()

    async def __aenter__(self) -> SimulatedVendor:
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.reset()
        # Of connections that just ended, too: their tasks may still be on their way out.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
        if self._open:  # the loop tells of a closed connection a turn later
            await self._all_gone.wait()

    def _accept(self) -> VendorConnection:
        self.connections_made += 1
        connection = VendorConnection(self.connections_made, self._serve, self._ended, self._tasks)
        self._open.add(connection)
        self._all_gone.clear()
        return connection

    def _ended(self, connection: VendorConnection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._all_gone.set()

    async def _serve(self, connection: VendorConnection, request: VendorRequest) -> bool:
        """Answers one request; whether the connection may be used again."""
        self._number += 1
        seen = Seen(
            request.method,
            request.path,
            request.query,
            request.headers,
            request.body,
            connection.read_at,
            connection.number,
            self._number,
        )
        self.requests.append(seen)
        self.arrived.set()
        player = Player(connection, Fault(), self._tempo(Fault()))
        try:
            with suppress(BodyEnded):
                await self._answer(player, request, seen)
        except LeftOff:
            return False
        except asyncio.CancelledError:
            if not connection.left_by_us:
                seen.left = asyncio.get_running_loop().time()
                self.cancelled.append(seen)
                self.left.set()
            raise
        finally:
            seen.sent = player.sent
        return (
            request.headers.get("connection", "").lower() != "close"
            and player.fault.connection is None
        )

    async def _answer(self, player: Player, request: VendorRequest, seen: Seen) -> None:
        endpoint = endpoint_of(request)
        if endpoint is None:
            await self._plain(
                player,
                seen,
                404,
                orjson.dumps({"error": {"message": f"no such path: {request.path}"}}),
            )
            return
        try:
            body = body_of(request, endpoint)
            seen.model = endpoint.model or model_in(body)
            player.fault = self._faults.next_for(endpoint.name, key_of(request), seen.model or "")
            player.tempo = self._tempo(player.fault)
            if (
                trouble := self._refusal(player.fault, endpoint, request, seen.model or "")
            ) is not None:
                await self._trouble(player, endpoint, seen, trouble)
            elif endpoint.side:
                kind, data = side_answer(endpoint, request, body, self.profile)
                await self._whole(player, endpoint, seen, ("content-type", kind), data, 1)
            else:
                await self._chat(player, endpoint, body, seen)
        except (BadRequest, ValueError, KeyError, TypeError, AttributeError) as error:
            # A request of the wrong shape may stumble anywhere in reading; all of it is the
            # client's fault.
            text = (
                str(error)
                if isinstance(error, (BadRequest, ValueError))
                else f"malformed request: {error!r}"
            )
            await self._trouble(player, endpoint, seen, Trouble(status=400, message=text))
        except Missing as missing:
            await self._trouble(player, endpoint, seen, Trouble(status=404, model=str(missing)))

    def _tempo(self, fault: Fault) -> Tempo:
        profile = self.profile
        ttft_s = profile.ttft_s if fault.ttft_s is None else fault.ttft_s
        gap_s = profile.gap_s if fault.gap_s is None else fault.gap_s
        return Tempo(ttft_s=ttft_s, gap_s=gap_s, jitter=profile.jitter, rng=self._rng)

    def _refusal(
        self, fault: Fault, endpoint: VendorEndpoint, request: VendorRequest, model: str
    ) -> Trouble | None:
        """Why the request is not served, if it is not."""
        key = key_of(request)
        if self.key is not None and key != self.key and not self._faults.knows(key):
            return Trouble(status=401, kind="key", model=model)
        if fault.kind == "content_policy" and endpoint.wire.blocks_inside_200 and not endpoint.side:
            return None
        if fault.code is not None:
            return Trouble(
                status=fault.code, kind=fault.kind or "", model=model, retry_s=fault.retry_hint_s
            )
        return None

    async def _chat(
        self, player: Player, endpoint: VendorEndpoint, body: dict[str, Any], seen: Seen
    ) -> None:
        fault, wire = player.fault, endpoint.wire
        asked = wire.read(body, endpoint.model, endpoint.stream)
        seen.model = asked.model
        if (
            self._window is not None
            and (wait_s := self._window.take(asyncio.get_running_loop().time())) is not None
        ):
            player.fault = fault | Fault(retry_after=str(max(1, round(wait_s + 0.5))))
            await self._trouble(player, endpoint, seen, Trouble(status=429, model=asked.model))
            return
        if fault.no_prefill and asked.turns and asked.turns[-1].role == "assistant":
            await self._trouble(
                player, endpoint, seen, Trouble(status=400, kind="prefill", model=asked.model)
            )
            return
        answer = answer_to(asked, self.profile, fault, seen.number)
        if fault.kind == "content_policy" or fault.refusal is not None:
            answer = answer.refused(fault.refusal or "blocked")
        if fault.huge_line:
            answer = answer.with_piece("x" * HUGE_LINE_BYTES)
        error = Trouble(status=503, kind="overloaded", model=asked.model)
        if not asked.stream:
            data = wire.whole(asked, answer, int(time.time()))
            if fault.error_when is not None:
                data = wire.failure(error).body
            await self._whole(player, endpoint, seen, _JSON, data, answer.output_tokens)
            return
        seen.status = 200
        headers = [
            ("content-type", wire.content_type(asked)),
            *self._common(player.fault, endpoint, seen),
        ]
        part = Part(
            heartbeat=wire.heartbeat(),
            malformed=wire.malformed(),
            error=wire.error_event(error, first=False),
            error_first=wire.error_event(error, first=True),
            is_text=wire.content_type(asked).startswith("text/"),
        )
        if fault.body == "not_json":
            await self._plain(player, seen, 200, _HTML)
            return
        await player.stream(headers, wire.events(asked, answer, int(time.time())), part)

    async def _whole(
        self,
        player: Player,
        endpoint: VendorEndpoint,
        seen: Seen,
        kind: tuple[str, str],
        data: bytes,
        units: int,
    ) -> None:
        seen.status = 200
        if player.fault.body == "not_json" or player.fault.malformed:
            data = _HTML
        await player.whole(200, [kind, *self._common(player.fault, endpoint, seen)], data, units)

    async def _trouble(
        self, player: Player, endpoint: VendorEndpoint, seen: Seen, trouble: Trouble
    ) -> None:
        failure = endpoint.wire.failure(trouble)
        seen.status = failure.status
        headers = [
            _JSON,
            *failure.headers,
            *self._common(player.fault, endpoint, seen),
            *_wait_hints(player.fault),
        ]
        # Refusals are quick, whatever time answers take.
        player.tempo.ttft_s = player.fault.ttft_s or 0.0
        await player.whole(failure.status, headers, failure.body, 1)

    async def _plain(self, player: Player, seen: Seen, status: int, data: bytes) -> None:
        seen.status = status
        await player.whole(status, [_JSON], data, 1)

    def _common(self, fault: Fault, endpoint: VendorEndpoint, seen: Seen) -> list[tuple[str, str]]:
        name = "request-id" if endpoint.wire.style == "anthropic" else "x-request-id"
        headers = [(name, f"req_{self.name}_{seen.number:06d}"), ("x-simulated-vendor", self.name)]
        if self._window is not None and not endpoint.side:
            headers += self._window.headers(
                endpoint.wire.style, asyncio.get_running_loop().time(), time.time()
            )
        if fault.echoed is not None:
            names = fault.echoed or seen.headers.keys() - _FRAMING
            headers += [
                (name, seen.headers[name]) for name in sorted(names) if name in seen.headers
            ]
        return headers


_HTML = b"<html><body>Bad gateway, with status 200</body></html>"


def _wait_hints(fault: Fault) -> list[tuple[str, str]]:
    hints = []
    if fault.retry_after is not None:
        hints.append(("retry-after", fault.retry_after))
    if fault.retry_after_date_s is not None:
        hints.append(
            ("retry-after", formatdate(time.time() + fault.retry_after_date_s, usegmt=True))
        )
    if fault.retry_after_ms is not None:
        hints.append(("retry-after-ms", str(fault.retry_after_ms)))
    return hints
