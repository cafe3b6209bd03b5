"""The background probe that asks a service itself: one token from that very model.

What listing models cannot tell: a service whose list is fine and whose chats fail for ever.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.answer import ERROR as ERROR_STATUS
from pilotfish.core.exchange.answer import ERROR_BYTES, Answer
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.refusal import read_error_answer, read_error_event
from pilotfish.core.formats.style import ERROR, MALFORMED
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.model.snapshot import Rule, Timeouts
from pilotfish.credentials.keys import CredentialError
from pilotfish.errors import ClientError
from pilotfish.http1.exchange import Header
from pilotfish.http1.pending import SendingConnection
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.failures import LOST
from pilotfish.proxy.translation import Translation
from pilotfish.proxy.upstream_call import UpstreamCall

# A style whose limit of tokens every other one has a word for.
_PATH = "/v1/messages"
TOKENS = 1
# Responses takes no smaller limit. Source: OpenAI API reference, "Create a model response",
# `max_output_tokens`, read 2026-11.
RESPONSES_TOKENS = 16


async def chat_probe(client: ProviderClient, service: Service, key: int) -> Outcome | None:
    """Asks for one token, with the provider's credential number `key`. None where the service is
    not one to chat with."""
    op = client.op(service, "messages", key)
    if not op:
        return None
    asked = _request(service, op)
    call = UpstreamCall(client, service, asked, connect_s=Timeouts().connect_s, trace_headers=[])
    call.key = key
    hearing = _Hearing(call)
    try:
        translation = Translation(asked, Rule(name="probe"), time.time())
        call.prepare(translation, resumes=False, prefill=False)
        call.send(hearing, hearing.refused)
        return await hearing.outcome
    except ClientError:
        return None
    finally:
        pending = call.close()
        if pending is not None:
            pending.cancel()


def _request(service: Service, op: str) -> Inbound:
    endpoint = endpoints.find(_PATH)
    assert endpoint is not None
    body = {
        "model": service.model,
        "max_tokens": RESPONSES_TOKENS if op == "responses" else TOKENS,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    return Inbound(endpoint, _PATH, "", [], msgspec.json.encode(body), "probe", "")


class _Hearing:
    """Hears the answer of one call; `outcome` is set when it is judged."""

    def __init__(self, call: UpstreamCall) -> None:
        self._call, self._answer = call, Answer()
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def _set(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def refused(self, error: CredentialError) -> None:
        self._set(error.outcome)

    def on_sent(self, upstream: SendingConnection) -> None:
        """Nothing is done with the connection."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        try:
            self._answer.head(status, headers, self._call.op, streams=False)
        except ValueError:
            self._set(Outcome.SERVER_ERROR)

    def on_body(self, data: bytes) -> None:
        try:
            for piece in self._answer.unpack(data):
                self._answer.keep(piece)
        except ValueError:
            self._set(Outcome.SERVER_ERROR)
        if self._answer.size > ERROR_BYTES:
            self._set(Outcome.SERVER_ERROR)  # nobody says so much with one token

    def on_end(self) -> None:
        if not self.outcome.done():
            self._set(self._judged())

    def on_lost(self, kind: str, message: str) -> None:
        self._set(LOST[kind][0])

    def _judged(self) -> Outcome:
        answer, facts = self._answer, self._call.facts()
        body = answer.take_body()
        if answer.mode == ERROR_STATUS:
            return read_error_answer(
                facts, styles.get, answer.status, answer.headers, body, time.time()
            ).outcome
        inspector = styles.get(facts.style).inspector()
        found = inspector.reply(body)
        if found & MALFORMED:
            return Outcome.SERVER_ERROR
        if found & ERROR and inspector.error is not None:
            return read_error_event(
                facts, inspector.error, answer.status, answer.headers, time.time()
            ).outcome
        return Outcome.SERVED
