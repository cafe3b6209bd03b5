"""One call to one provider: written, authenticated, sent, and given up."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import CredentialError, Headers, PlainKey, SignedCall
from pilotfish.errors import ClientError
from pilotfish.proxy.upstream_call import UpstreamCall
from proxy.scripted import AbsentKey, Parts, World, inbound_of
from virtual_time import in_virtual_time, passes, settles

pytestmark = pytest.mark.interpreted


class Key(PlainKey):
    """Its token is fetched once, then at hand; a refusal is answered by another one."""

    label = "a token"

    def __init__(self, *, renews: bool = True) -> None:
        self.token = b""
        self.renews = renews

    def headers(self, call: SignedCall | None) -> Headers | None:
        return ((b"authorization", b"Bearer " + self.token),) if self.token else None

    async def fetch(self) -> None:
        await passes(1)
        self.token = b"fetched-token"

    def refused(self, sent: Headers) -> bool:
        self.token = b"renewed-token"
        return self.renews


class Made:
    """A call of the rule's only service that is prepared, and what it was refused with."""

    def __init__(self, key: Any = None, **more: Any) -> None:
        key = key or Key()
        self.world = World("a", keys={"a": [key]}, a="token: {env: KEY}")
        self.parts = Parts(self.world, inbound_of(**more))
        self.call = UpstreamCall(
            self.parts.client,
            self.parts.record.service,
            self.parts.inbound,
            connect_s=5.0,
            trace_headers=[b"traceparent: 00-1-2-01\r\n"],
        )
        self.refusals: list[CredentialError] = []

    def sends(self) -> None:
        self.call.prepare(self.parts.translation, resumes=False, prefill=False)
        self.call.send(self.parts.attempt.reader, self.refusals.append)


@pytest.mark.parametrize("at_once", [True, False])
@in_virtual_time
async def test_without_a_credential_nothing_is_sent_and_it_is_refused_once(at_once):
    made = Made(AbsentKey(Outcome.AUTH_FAILED, at_once=at_once))
    made.sends()
    await settles()
    assert (len(made.refusals), made.world.calls) == (1, [])


@in_virtual_time
async def test_a_request_that_cannot_be_put_to_the_service_is_an_error_before_anything_is_sent():
    made = Made(path="/v1/messages", body={"model": "chat", "messages": "none"})
    with pytest.raises(ClientError):
        made.call.prepare(made.parts.translation, resumes=False, prefill=False)
    assert made.world.calls == []


@in_virtual_time
async def test_a_token_is_waited_for_and_then_the_request_goes_as_it_was_prepared():
    made = Made(headers=[("x-own", "1"), ("authorization", "Bearer hush-client")])
    made.sends()
    await passes(0.9)
    assert made.world.calls == []
    await passes(0.2)
    call = made.world.call(0)
    assert call.headers["authorization"] == "Bearer fetched-token"
    assert (call.headers["x-own"], call.headers["traceparent"]) == ("1", "00-1-2-01")
    assert call.headers["content-length"] == str(len(call.body_sent))
    assert call.json_sent["model"] == "m"


@in_virtual_time
async def test_a_call_that_is_closed_while_its_token_is_fetched_is_never_sent():
    made = Made()
    made.sends()
    await settles()
    assert made.call.close() is None
    await passes(10)
    assert (made.world.calls, made.refusals) == ([], [])


@pytest.mark.parametrize("renews", [True, False])
@in_virtual_time
async def test_a_credential_is_renewed_once_and_only_where_another_one_is_at_hand(renews):
    key = Key(renews=renews)
    made = Made(key)
    made.sends()
    await passes(2)
    assert made.call.renews_credential() is renews
    assert made.world.call(0).cancelled is renews, "the refused one is given up"
    assert not made.call.renews_credential()


@in_virtual_time
async def test_before_a_credential_was_sent_there_is_none_to_renew():
    made = Made()
    made.sends()
    assert not made.call.renews_credential()
    made.call.close()
    await settles()


@in_virtual_time
async def test_what_is_still_on_a_connection_is_handed_back_by_its_close():
    made = Made()
    made.sends()
    await passes(2)
    call = made.world.call(0)
    assert made.call.close() is call
    assert made.call.close() is None
    assert not call.cancelled, "whoever closes it says what becomes of the connection"


@in_virtual_time
async def test_what_must_be_known_of_a_refusal_holds_the_secrets_that_went_along():
    made = Made()
    made.sends()
    await passes(2)
    facts = made.call.facts()
    assert (facts.provider, facts.model, facts.op, facts.style) == ("a", "m", "chat", "openai")
    assert facts.secrets == [b"fetched-token"]
    assert not facts.client_path
