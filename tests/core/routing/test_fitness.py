"""Who can take a request, by what it holds and by what it names."""

from __future__ import annotations

import orjson
import pytest

from pilotfish import styles
from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.calls import call_body
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.routing.fitness import Fitness
from pilotfish.core.routing.rule_state import op_for
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.state.holders import Holder
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

RULES = {
    "providers": {
        "openai": {"kind": "openai", "no_key_required": True},
        "claude": {"kind": "anthropic", "no_key_required": True},
    },
    "rules": [
        {
            "name": "r",
            "services": [
                {"provider": "openai", "model": "gpt"},
                {"provider": "claude", "model": "claude"},
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def services():
    documents = [RulesDocument("t", RULES)]
    snapshot = compile_documents(documents, kinds=all_kinds(), tactics=all_tactics())
    return snapshot.rules[0].services


def inbound(path="/v1/chat/completions", **body):
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **body}
    return Inbound(endpoints.find(path), path, "", [], orjson.dumps(body), "id", "")


def lacks(services, request, unsupported="safe", holder=None):
    fitness = Fitness(request, styles.get, unsupported, holder)
    return [fitness.lacks(service) for service in services]


def test_nobody_of_the_same_style_loses_anything(services):
    assert lacks(services, inbound(n=2)) == ["", "cannot carry n"]
    assert lacks(services, inbound(top_k=1, logit_bias={"1": 1})) == ["", ""]


def test_with_reject_every_loss_counts_and_with_drop_none(services):
    assert lacks(services, inbound(logit_bias={"1": 1}), "reject")[1] == "cannot carry logit_bias"
    assert lacks(services, inbound(n=2), "drop") == ["", ""]


def test_state_is_with_its_holder_only(services):
    said = "its state is elsewhere: provider 'claude' holds what the request names"
    assert lacks(services, inbound(), holder=Holder("claude")) == [said, ""]


def test_what_was_written_to_see_its_losses_is_what_is_sent(services):
    request, claude = inbound(n=2), services[1]
    Fitness(request, styles.get, "safe", None).lacks(claude)
    op = op_for(claude, "chat")
    assert call_body(request, claude, op, styles.get) is request.written[2]
    assert call_body(request, services[0], "chat", styles.get).op == "chat"


def test_a_request_that_cannot_be_written_is_for_the_attempt_to_refuse(services):
    assert lacks(services, inbound(messages=[{"role": 7}])) == ["", ""]
