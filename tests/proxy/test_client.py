"""The way to one provider: where a call goes, what its head says, and which headers go along."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.credentials.keys import CredentialError, Headers, PlainKey, SignedCall
from pilotfish.http1.origin import Origin
from pilotfish.proxy.client import REMEMBERED, ProviderClient
from proxy.scripted import AbsentKey, ScriptedPool, World
from virtual_time import in_virtual_time

pytestmark = pytest.mark.interpreted


class Key(PlainKey):
    """Knows where its calls go, and what they are signed with."""

    label = "a key"

    def __init__(self, base: str = "") -> None:
        self._base = base
        self.signed: list[SignedCall | None] = []
        self.served_at: frozenset[str] | None = None

    def headers(self, call: SignedCall | None) -> Headers | None:
        self.signed.append(call)
        return ((b"x-key", b"of-a-test"),)

    async def fetch(self) -> None: ...
    def refused(self, sent: Headers) -> bool:
        return False

    def base(self) -> str:
        return self._base

    def endpoints(self, model: str) -> frozenset[str] | None:
        return self.served_at


class Made:
    """A client of one provider, and the pools that it asked for."""

    def __init__(self, provider: str, *keys: Any) -> None:
        world = World(
            rules=f"providers: {{p: {{{provider}}}}}\n"
            "rules: [{name: chat, services: [{provider: p, model: m/1}]}]"
        )
        self.service = world.snapshot.rules[0].services[0]
        self.pools: list[ScriptedPool] = []
        self.client = ProviderClient(
            self.service.provider, keys or (Key(),), self.pool, frozenset({b"x-tenant-key"})
        )

    def pool(self, origin: Origin) -> Any:
        self.pools.append(ScriptedPool(origin, []))
        return self.pools[-1]

    def lines(self, op: str = "chat", subpath: str = "", key: int = 0) -> list[str]:
        head = self.client.head(self.service, op, subpath, False, key)
        return head.lines.decode().split("\r\n")


OPENAI = "kind: openai, token: {env: KEY}"
PLAIN = "kind: openai_compatible, api_base: 'http://books.test:8080/base', no_key_required: true"


# ---- credentials


@in_virtual_time
async def test_a_credential_that_is_missing_is_the_keys_own_error():
    made = Made(OPENAI, AbsentKey(Outcome.AUTH_FAILED, at_once=True))
    head = made.client.head(made.service, "chat", "", False, 0)
    with pytest.raises(CredentialError, match="the source is away"):
        made.client.secret(head, 0, (b"{}",))


@in_virtual_time
async def test_a_credential_that_must_be_fetched_first_is_none():
    made = Made(OPENAI, AbsentKey(Outcome.AUTH_FAILED, at_once=False))
    head = made.client.head(made.service, "chat", "", False, 0)
    assert made.client.secret(head, 0, (b"{}",)) is None


@in_virtual_time
async def test_headers_of_the_rules_that_authenticate_take_the_place_of_a_credential():
    made = Made("kind: openai, headers: {authorization: Bearer of-the-rules}")
    head = made.client.head(made.service, "chat", "", False, 0)
    assert made.client.secret(head, 0, (b"{}",)) == ()
    assert "authorization: Bearer of-the-rules" in made.lines()


@in_virtual_time
async def test_what_is_signed_is_what_is_sent():
    key = Key()
    made = Made(
        "kind: bedrock, options: {region: us-east-1, access_key: {env: A}, secret_key: {env: B}}",
        key,
    )
    head = made.client.head(made.service, "converse", "", False, 0)
    made.client.secret(head, 0, (b'{"one":', b"1}"))
    assert key.signed == [SignedCall("POST", head.host, head.target, b'{"one":1}')]
    assert head.target == "/model/m%2F1/converse"


@in_virtual_time
async def test_where_nothing_is_signed_no_body_is_put_together():
    key = Key()
    made = Made(OPENAI, key)
    made.client.secret(made.client.head(made.service, "chat", "", False, 0), 0, (b"{}",))
    assert key.signed == [None]


# ---- headers


@in_virtual_time
async def test_no_header_that_carries_a_key_of_the_rules_comes_from_a_client():
    made = Made(f"{PLAIN}, headers: {{x-team: blue}}")
    sent = [(b"x-tenant-key", b"theirs"), (b"x-team", b"red"), (b"x-other", b"1")]
    assert made.client.filled(sent, "chat") == [(b"x-other", b"1")]
    assert "x-team: blue" in made.lines()


@in_virtual_time
async def test_a_version_of_the_kinds_gives_way_to_the_clients_own():
    made = Made("kind: anthropic, token: {env: KEY}")
    own = made.client.filled([], "messages")
    assert [name for name, _ in own] == [b"anthropic-version"]
    theirs = [(b"anthropic-version", b"2099-01-01")]
    assert made.client.filled(theirs, "messages") == theirs
    assert not any(line.startswith("anthropic-version") for line in made.lines("messages"))


@in_virtual_time
async def test_the_names_of_all_headers_that_carry_a_key_are_known():
    made = Made(f"{PLAIN}, headers: {{x-tenant-key: of-the-rules}}")
    names = made.client.key_headers(((b"x-key", b"of-a-test"),))
    assert {b"x-key", b"x-tenant-key"} <= names
    assert b"x-key" not in made.client.key_headers(((b"x-new", b"1"),))


# ---- where it goes


@in_virtual_time
async def test_a_port_and_a_path_of_the_base_url_are_sent_as_they_stand_there():
    lines = Made(PLAIN).lines()
    assert lines[0] == "POST /base/chat/completions HTTP/1.1"
    assert lines[1:3] == ["host: books.test:8080", "accept-encoding: identity"]


@in_virtual_time
async def test_a_token_may_name_another_host_and_each_host_has_its_pool():
    made = Made(OPENAI, Key(), Key("https://tenant.test/v9"))
    assert "host: api.openai.com" in made.lines(key=0)
    assert "host: tenant.test" in made.lines(key=1)
    made.client.pool(0)
    made.client.pool(1)
    assert [p.origin.host for p in made.pools] == ["api.openai.com", "tenant.test"]


@in_virtual_time
async def test_a_pool_is_looked_up_again_once_it_is_closed():
    made = Made(OPENAI)
    first = made.client.pool(0)
    assert made.client.pool(0) is first
    first.close()
    assert made.client.pool(0) is not first


@in_virtual_time
async def test_an_operation_follows_from_what_the_vendor_serves_the_model_at():
    key = Key()
    made = Made(OPENAI, key)
    assert made.client.op(made.service, "chat") == "chat"
    assert made.client.op(made.service, "messages") == "chat"
    assert made.client.op(made.service, "rerank") == ""
    key.served_at = frozenset({"/responses"})
    assert made.client.op(made.service, "chat") == "responses"


@in_virtual_time
async def test_paths_that_clients_make_up_fill_no_memory():
    made = Made(OPENAI)
    for n in range(REMEMBERED + 10):
        assert made.lines("images", f"edits/{n}")[0] == f"POST /v1/images/edits/{n} HTTP/1.1"
    assert len(made.client._heads) == REMEMBERED
