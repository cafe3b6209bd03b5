"""Who a session is offered to: one service after the other, and the last one again."""

from __future__ import annotations

from talking import REALTIME, refused


async def test_nobody_is_left_and_the_client_reads_why(proxy_with):
    async with proxy_with("refuse-429") as proxy:
        await refused(proxy, "/v1/realtime?model=alone")
        status, error = await refused(proxy, "/v1/realtime?model=alone")
        assert status in (429, 503)
        assert "a/refuse-429: cooling until" in error["message"]


async def test_the_only_service_is_asked_again_as_often_as_the_rules_say(proxy_with, vendor):
    async with proxy_with("refuse-503", max_retries=2) as proxy:
        status, _ = await refused(proxy, "/v1/realtime?model=alone")
        assert (status, len(vendor.sessions)) == (503, 3)
        assert (await proxy.metric("pilotfish_retries_total", rule="alone")) == 2


async def test_a_request_that_is_wrong_is_wrong_everywhere(proxy_with, vendor):
    async with proxy_with("refuse-400") as proxy:
        status, _ = await refused(proxy, REALTIME)
        assert (status, len(vendor.sessions)) == (400, 1)


async def test_no_more_services_are_asked_than_the_rules_allow(proxy_with, vendor):
    async with proxy_with("refuse-500", max_attempts=1) as proxy:
        status, _ = await refused(proxy, REALTIME)
        assert (status, len(vendor.sessions)) == (500, 1)
