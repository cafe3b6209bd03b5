"""What the access log leaves out: most of what went well, if asked to, and every secret and word of
a client, always.
"""

from types import SimpleNamespace

import pytest

from harness import proxied
from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.simulated import Fault, SimulatedVendor
from pilotfish.telemetry import access_log
from pilotfish.telemetry.access_log import AccessLog
from planted import CLIENT_KEY, PROVIDER_KEY

WORDS = "the launch code is 0000"


def request(code=200, attempts=1, last_resort=False, failure=None):
    return SimpleNamespace(
        plan=None,
        scenario="openai",
        started=0.0,
        started_wall=0.0,
        code=code,
        attempts=[None] * attempts,
        last_resort=last_resort,
        failure=failure,
    )


@pytest.fixture
def logged(monkeypatch):
    """How many of these requests a log with this sample writes."""
    monkeypatch.setattr(access_log, "line_of", lambda request: {"code": request.code})

    def count(sample, requests):
        written = []
        log = AccessLog(written.append, sample=sample)
        log._add = lambda record, kept, unusual: written.append(record)
        for one in requests:
            log.request(one)
        return len(written)

    return count


@pytest.mark.interpreted
@pytest.mark.parametrize(("sample", "expected"), [(1.0, 100), (0.25, 25), (0.0, 0)])
def test_of_what_went_well_that_share_is_logged(logged, sample, expected):
    assert logged(sample, [request() for _ in range(100)]) == expected


@pytest.mark.interpreted
@pytest.mark.parametrize(
    "odd", [request(code=502), request(attempts=2), request(last_resort=True), request(code=400)]
)
def test_what_did_not_go_well_at_once_is_always_logged(logged, odd):
    assert logged(0.0, [odd] * 10) == 10


@pytest.mark.interpreted
def test_a_failure_after_the_status_was_sent_is_always_logged(logged):
    broken = Failure(outcome=Outcome.BROKEN_STREAM, status=200, message="cut")
    assert logged(0.0, [request(failure=broken)] * 3) == 3


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
