"""Every kind against its vendor's documentation: URLs, headers, bodies, errors, quota headers. A
new kind gets these for nothing.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance import FOLDER, KEY, KINDS, case, compiled, provider_of
from pilotfish import providers, styles
from pilotfish.core.exchange.calls import call_body
from pilotfish.core.exchange.endpoints import find
from pilotfish.core.exchange.inbound import (
    Inbound,
    filter_request_headers,
    filter_response_headers,
)
from pilotfish.core.exchange.request_url import auth_of, fixed_headers, native_op, target_of
from pilotfish.core.model.provider import CHAT_STYLES, OP_OF_STYLE
from pilotfish.core.state.classify import failure_of
from pilotfish.core.state.headroom import read_limits
from pilotfish.credentials import CredentialContext, Credentials, SignedCall
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.connection_test import probe_url

# 2015-10-21T07:28:00Z
NOW = 1445412480.0


def every(part: str) -> list[Any]:
    return [
        pytest.param(kind, item, id=f"{kind}-{i}")
        for kind in KINDS
        for i, item in enumerate(case(kind).get(part, []))
    ]


def keys_of(provider: Any) -> Any:
    return Credentials(provider, CredentialContext(environ={"KEY": KEY})).keys


@pytest.mark.parametrize(("kind", "request_"), every("requests"))
def test_the_outgoing_request(kind, request_):
    provider = provider_of(kind)
    model = request_.get("model", case(kind)["model"])
    target = target_of(
        provider, request_["op"], model, request_.get("tail", ""), request_.get("stream", False)
    )
    origin = "/".join(provider.base.split("/")[:3])
    assert origin + target == request_["url"]
    sent = {name.decode(): value.decode() for name, value in fixed_headers(provider)}
    headers = keys_of(provider)[0].headers(SignedCall("POST", origin.split("/")[2], target, b""))
    sent |= {name.decode(): value.decode() for name, value in headers or ()}
    wanted = request_["headers"]
    assert {name: sent.get(name) for name in wanted} == wanted
    if not case(kind).get("token_is_exchanged"):
        assert set(sent) == set(wanted), "nothing goes out that the documentation does not name"


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_carries_a_key_is_neither_taken_from_a_client_nor_given_to_one(kind):
    """Neither the vendor's own nor one that the rules set, whatever it is called."""
    spec = case(kind)["provider"]
    headers = {**spec.get("headers", {}), "X-House": KEY}
    provider = compiled({**spec, "headers": headers}, case(kind)["model"]).provider
    client = ProviderClient(provider, keys_of(provider), lambda origin: pytest.fail("no call"))
    target = SignedCall("POST", "host", "/", b"")
    sent = client.keys[0].headers(target) or ()
    names = {name for name, _ in sent} | {b"x-house", auth_of(provider).header.encode()}
    assert {name for name, value in sent if KEY.encode() in value} <= names
    echoed = [(name, KEY.encode()) for name in sorted(names)]
    other = (b"x-other", b"1")
    assert filter_response_headers([*echoed, other], client.key_headers(sent)) == [other]
    op = OP_OF_STYLE[provider.style]
    for same_style in (True, False):
        passed = client.filled(filter_request_headers([*echoed, other], same_style), op)
        assert KEY.encode() not in [value for _, value in passed]
        assert not {b"x-house", auth_of(provider).header.encode()} & {name for name, _ in passed}


@pytest.mark.parametrize(("kind", "translated"), every("translated"))
def test_the_body_of_a_request_that_is_translated(kind, translated):
    service = compiled(case(kind)["provider"], translated.get("model", case(kind)["model"]))
    client = translated["client"]
    surface = find(client["path"])
    assert surface is not None
    inbound = Inbound(
        surface, client["path"], "", [], json.dumps(client["body"]).encode(), "id", "127.0.0.1"
    )
    op = native_op(service.provider, service.model, inbound.op)
    assert op == translated["op"]
    call = call_body(inbound, service, op, styles.get)
    body = json.loads(b"".join(call.parts))
    assert {name: body.get(name) for name in translated["has"]} == translated["has"]
    assert not set(translated["lacks"]) & set(body)
    assert set(translated["dropped"]) <= set(call.dropped)


@pytest.mark.parametrize(("kind", "error"), every("errors"))
def test_an_error_and_its_outcome(kind, error):
    provider = provider_of(kind)
    body = (
        error["body"].encode()
        if isinstance(error["body"], str)
        else json.dumps(error["body"]).encode()
    )
    headers = [(name.encode(), value.encode()) for name, value in error.get("headers", {}).items()]
    named = next(
        (value for name, value in error.get("headers", {}).items() if name == "x-amzn-errortype"),
        "",
    )
    info = styles.get(provider.style).read_error(error["status"], body, named)
    failure = failure_of(provider.kind, error["status"], headers, info, NOW, body)
    assert (failure.outcome.value, failure.reason) == (error["outcome"], error.get("reason", ""))
    assert failure.wait_s == (pytest.approx(error["wait_s"]) if "wait_s" in error else None)
    assert failure.message


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "limits" in case(kind)])
def test_quota_headers(kind):
    told = read_limits(
        providers.get(kind).limits,
        [(n.encode(), v.encode()) for n, v in case(kind)["limits"]["headers"].items()],
        NOW,
    )
    assert told is not None
    assert {"remaining": told.remaining, "limit": told.limit, "reset_s": told.reset_s} == {
        part: pytest.approx(case(kind)["limits"][part])
        for part in ("remaining", "limit", "reset_s")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_probe_goes(kind):
    provider = provider_of(kind)
    assert probe_url(provider, keys_of(provider)[0]) == case(kind)["probe"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_facts_in_order(kind):
    record = providers.get(kind)
    assert record.title
    assert record.docs.startswith("https://")
    assert record.style in CHAT_STYLES.values()
    assert not record.base_url.endswith("/")
    assert all(path.startswith("/") for path in record.paths.values())
    for codes in (record.errors.outcomes, record.errors.phrases):
        assert all(word == word.lower() for word in codes), (
            "codes and messages are compared in lower case"
        )
    marks = record.errors.context_length + record.errors.content_policy
    assert all(mark == mark.lower() for mark in marks)
    assert record.extra in ("", "aws", "azure", "google")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_fixture_folder_that_says_where_it_comes_from(kind):
    about = (FOLDER / kind / "ABOUT.md").read_text()
    assert "2026-" in about
    assert "https://" in about
    assert {path.name for path in (FOLDER / kind).iterdir()} == {"ABOUT.md", "case.json"}
    for part in ("provider", "model", "requests", "translated", "errors", "probe"):
        assert part in case(kind)


def test_no_fixture_folder_is_left_of_a_kind_that_went():
    assert {path.name for path in FOLDER.iterdir()} == set(KINDS)
