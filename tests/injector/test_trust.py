"""An injector whom no API server trusts yet says that it is not ready."""

import asyncio
import base64

import pytest

from pilotfish.injector.trust import Trust

OURS, OTHER = b"-----ours-----\n", b"-----other-----\n"
MUTATING, VALIDATING = KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def naming(*bundles):
    return {
        "webhooks": [
            {"clientConfig": {"caBundle": base64.b64encode(b).decode()} if b else {}}
            for b in bundles
        ]
    }


@pytest.mark.parametrize(
    "configurations",
    [
        {MUTATING: naming(b"")},
        {MUTATING: naming(OTHER)},
        {MUTATING: naming(OURS, b"")},
        {MUTATING: naming(OURS), VALIDATING: naming(b"")},
        {MUTATING: {"webhooks": None}},
        {},
    ],
)
def test_it_is_not_trusted_while_any_webhook_does_not_name_its_authority(configurations):
    trust = Trust(KINDS)
    trust.signed_by(OURS)
    for kind, configuration in configurations.items():
        trust.configured(kind, configuration)
    assert not trust.established.is_set()


@pytest.mark.parametrize("webhooks_first", [True, False])
def test_it_is_trusted_once_all_do_among_others_in_whatever_order_that_is_seen(webhooks_first):
    trust = Trust(KINDS)
    if not webhooks_first:
        trust.signed_by(OURS)
    trust.configured(MUTATING, naming(OTHER + OURS, OURS))
    assert not trust.established.is_set(), "the other was not looked at"
    trust.configured(VALIDATING, naming(b""))
    assert not trust.established.is_set()
    trust.configured(VALIDATING, naming(OURS))
    if webhooks_first:
        assert not trust.established.is_set(), "with nothing served there is nothing to trust"
        trust.signed_by(OURS)
    assert trust.established.is_set()


def test_a_configuration_that_goes_is_waited_for_no_more():
    trust = Trust(KINDS)
    trust.signed_by(OURS)
    trust.configured(VALIDATING, naming(b""))
    trust.configured(MUTATING, naming(OURS))
    trust.configured(VALIDATING, None)
    assert trust.established.is_set()


async def test_where_there_are_no_webhooks_it_does_not_wait_for_ever():
    trust = Trust(KINDS)
    for kind in KINDS:
        trust.configured(kind, None)
    trust.signed_by(OURS)
    await trust.wait(absent_s=0)
    assert not trust.established.is_set()


async def test_where_there_are_some_it_does():
    trust = Trust(KINDS)
    trust.configured(MUTATING, naming(b""))
    waiting = asyncio.create_task(trust.wait(absent_s=0))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    trust.signed_by(OURS)
    trust.configured(MUTATING, naming(OURS))
    trust.configured(VALIDATING, None)
    await waiting
