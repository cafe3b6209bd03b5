"""What the access log leaves out: most of what went well, if asked to, and every secret and word of
a client, always.
"""

import pytest

from harness import proxied
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.simulated import Fault, SimulatedVendor
from pilotfish.telemetry.access_log import AccessLog
from planted import CLIENT_KEY, PROVIDER_KEY
from telemetry.rules import USAGE, attempt, request, snapshot

WORDS = "the launch code is 0000"


RULE = snapshot("chat").rules[0]


def served(code=200, attempts=1, **fields):
    tried = [attempt(RULE.services[0], usage=USAGE) for _ in range(attempts)]
    return request(RULE, *tried, code=code, **fields)


async def logged(sample, requests):
    """How many of these requests a log with this sample writes."""
    written = []
    log = AccessLog(written.append, sample=sample)
    for one in requests:
        log.request(one)
    log.flush()
    return b"".join(written).count(b"\n")


@pytest.mark.parametrize(("sample", "expected"), [(1.0, 100), (0.25, 25), (0.0, 0)])
async def test_of_what_went_well_that_share_is_logged(sample, expected):
    assert await logged(sample, [served() for _ in range(100)]) == expected


@pytest.mark.parametrize(
    "odd", [served(code=502), served(attempts=2), served(last_resort=True), served(code=400)]
)
async def test_what_did_not_go_well_at_once_is_always_logged(odd):
    assert await logged(0.0, [odd] * 10) == 10


async def test_a_failure_after_the_status_was_sent_is_always_logged():
    broken = Failure(outcome=Outcome.BROKEN_STREAM, status=200, message="cut")
    assert await logged(0.0, [served(failure=broken)] * 3) == 3


async def test_no_key_and_no_word_of_a_client_is_in_the_log_or_on_the_admin_port(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SEE_VENDOR_KEY", PROVIDER_KEY)
    async with SimulatedVendor(key=PROVIDER_KEY) as vendor:
        rules = f"""
providers: {{sim: {{kind: openai, api_base: {vendor.base}, token: {{env: SEE_VENDOR_KEY}}}}}}
rules: [{{name: chat, request_model: gpt, services: [{{provider: sim, model: sim-large}}]}}]
"""
        async with proxied(tmp_path, rules) as proxy:
            body = {"model": "gpt", "messages": [{"role": "user", "content": WORDS}]}
            assert (
                await proxy.post(
                    "/v1/chat/completions", body, {"authorization": f"Bearer {CLIENT_KEY}"}
                )
            ).status == 200
            vendor.script(Fault.status(401))
            await proxy.post(
                "/v1/chat/completions",
                body,
                {"authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY},
            )
            assert len(proxy.log) + len(proxy.app.log._lines) == 2
            proxy.record()
            shown = str(proxy.log)
            for path in ("/status", "/recent", "/metrics", "/"):
                shown += (await proxy.admin(path)).text
            shown += (await proxy.admin("/explain", body)).text
    for secret in (CLIENT_KEY, PROVIDER_KEY, WORDS):
        assert secret not in shown
