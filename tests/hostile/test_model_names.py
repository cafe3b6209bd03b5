"""Names of models that a client makes up, for every kind of provider: where the name becomes part of
a URL nothing leads out of the vendor's path, and where it does not nothing is refused.
"""

from __future__ import annotations

import json
import random

import pytest

from pilotfish import providers, styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.request_url import target_of
from pilotfish.core.model.service import Provider
from pilotfish.core.routing.router import Router
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.core.state.race_history import RaceHistory
from pilotfish.errors import ClientError, RuleError
from pilotfish.tactics import all_tactics

OPTIONS: dict[str, str] = {
    "azure": "options: {endpoint: 'https://e.example', api_version: '2024-10-21'}, ",
    "bedrock": "options: {region: us-east-1, access_key: {env: A}, secret_key: {env: B}}, ",
    "claude_aws": "options: {region: us-east-1, workspace: w}, ",
    "claude_foundry": "options: {resource: r}, ",
    "vertex": "options: {project: p, location: us-central1}, ",
    "openai_compatible": "api_base: 'http://v.example/v1', ",
    "vllm": "api_base: 'http://v.example/v1', ",
}
LEAVING = [
    "a/../b", "../../v1/files", "a/./b", "a/..", "..", "a\\..\\b", "a/%2e%2e/b", "a%2f..%2fb", "%2e%2e%2fb", "%252e%252e", "a/..;/b", "models/../x",
    "a/../../../../openai/deployments/other/chat/completions?x=", "..%5cb",
]  # fmt: skip
ODD = ["a?b=c", "a#b", "a b", "a%00b", "a\r\nHost: x", "a;b", "a:generateContent", "a&alt=sse", "é", "a//b", "@", "a@b:c"]  # fmt: skip
KINDS = sorted(providers.names())
IN_PATH = {"azure", "bedrock", "google", "vertex"}


def router(kind: str, model: str = "") -> Router:
    named = f", model: {json.dumps(model)}" if model else ""
    text = (
        f"providers:\n  p: {{kind: {kind}, {OPTIONS.get(kind, '')}token: {{env: K}}}}\n"
        f"rules:\n  - {{name: r, request_model: 'r*', services: [{{provider: p{named}}}]}}\n"
        f"  - {{name: any, services: [{{provider: p{named}}}]}}\n"
    )
    if kind == "bedrock":
        text = text.replace("token: {env: K}", "tags: []")
    made = Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random(1))
    made.adopt(
        compile_documents(
            documents_of_text("rules.yaml", text),
            kinds=providers.all_kinds(),
            tactics=all_tactics(),
        )
    )
    return made


def provider_of(made: Router) -> Provider:
    return made.snapshot.providers["p"]


def asked(model: str) -> Inbound:
    path = "/v1/chat/completions"
    endpoint = endpoints.find(path)
    assert endpoint is not None
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]}).encode()
    return Inbound(endpoint, path, "", [], body, "r", "10.0.0.7")


def test_every_kind_with_the_model_in_its_paths_is_among_those_that_are_tested() -> None:
    found = {
        kind
        for kind in KINDS
        if any("{model}" in p.partition("?")[0] for p in provider_of(router(kind)).paths.values())
    }
    assert found == IN_PATH


@pytest.mark.parametrize("model", LEAVING)
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_would_leave_the_path_is_refused(kind: str, model: str) -> None:
    made = router(kind)
    for named in (model, f"r/{model}", f"p/{model}"):
        if kind in IN_PATH or model == ".." or model.endswith("/.."):
            with pytest.raises(ClientError, match="must be a name") as refused:
                made.take(asked(named))
            assert refused.value.status == 400
        else:
            assert made.take(asked(named)).rule_state.rule.services[0].provider.name == "p"


@pytest.mark.parametrize("model", LEAVING)
@pytest.mark.parametrize("kind", sorted(IN_PATH))
def test_rules_may_not_name_one_either(kind: str, model: str) -> None:
    with pytest.raises(RuleError) as refused:
        router(kind, model)
    assert "leave the path" in refused.value.problems[0].message


@pytest.mark.parametrize("model", ODD)
@pytest.mark.parametrize("kind", KINDS)
def test_other_odd_names_stay_within_their_place(kind: str, model: str) -> None:
    provider = provider_of(router(kind))
    for key in provider.paths:
        op, _, streamed = key.partition(":")
        if "{subpath}" in provider.paths[key]:
            continue
        plain = target_of(provider, op, "x", "", bool(streamed))
        target = target_of(provider, op, model, "", bool(streamed))
        assert target.isascii()
        assert not set(target) & set(" \r\n\0#\\")
        for mark in "/?&:":
            assert target.count(mark) == plain.count(mark)
