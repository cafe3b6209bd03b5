"""The status page as people see it: in a real browser, with a proxy and its simulated vendors
behind it.
"""

import struct
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from browser.chromium import opened
from harness import proxied
from pilotfish.simulated import Fault, Profile, SimulatedVendor

pytestmark = pytest.mark.browser


def rules(good, bad):
    return f"""
providers:
  fast: {{kind: openai, api_base: {good.base}, no_key_required: true}}
  flaky: {{kind: openai, api_base: {bad.base}, no_key_required: true}}
rules:
  - name: chat
    request_model: gpt
    services: [{{provider: flaky, model: sim-large}}, {{provider: fast, model: sim-small, tier: 1}}]
    retries: {{max_retries: 0}}
    health: {{consecutive_error_threshold: 1, probe_enabled: false}}
"""


@asynccontextmanager
async def looked_at(tmp_path):
    (tmp_path / "profile").mkdir()
    slow = Profile(ttft_s=0.03, gap_s=0.002)
    async with (
        SimulatedVendor(name="good", profile=slow) as good,
        SimulatedVendor(name="bad", profile=slow) as bad,
        proxied(tmp_path, rules(good, bad)) as proxy,
        opened(proxy.app.admin_base + "/", tmp_path / "profile") as page,
    ):
        page.proxy, page.bad = proxy, bad
        yield page


async def test_a_service_that_fails_is_seen_within_two_seconds(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("flaky/sim-large")
        await page.shows("ready")
        for _ in range(6):
            await page.proxy.chat("gpt", stream=True)
        page.bad.always(Fault.status(503))
        assert (await page.proxy.chat("gpt", stream=True)).status == 200
        await page.shows("cooling", timeout_s=2.0)
        await page.shows("2 attempts", timeout_s=2.0)
        for _ in range(4):
            await page.proxy.chat("gpt", stream=True)
        assert page.complaints == []
        assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {
            page.proxy.app.admin_base.split("/")[2]
        }


async def test_explain_is_used_with_the_keyboard_alone(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("fast/sim-small")
        for _ in range(30):
            await page.press("Tab")
            if await page.value("document.activeElement.id") == "body":
                break
        assert await page.value("document.activeElement.id") == "body"
        await page.value("document.activeElement.select()")
        await page.type('{"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}')
        await page.press("Tab")
        await page.press("Enter")
        await page.shows("Would be asked, in this order")
        await page.shows("request_model 'gpt' is equal")
        assert page.complaints == []


async def test_a_request_that_no_rule_takes_is_explained_too(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("fast/sim-small")
        await page.value(
            "document.getElementById('body').value = JSON.stringify({model: 'nobody', messages: []})"
        )
        await page.value("document.getElementById('explain').requestSubmit()")
        await page.shows("no rule for model 'nobody'")


async def test_what_clients_say_is_shown_as_text_and_never_runs(tmp_path):
    async with looked_at(tmp_path) as page:
        evil = (
            "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
        )
        await page.proxy.chat(evil)
        await page.proxy.chat("gpt")
        await page.shows("fast/sim-small")
        await page.value("document.querySelectorAll('#recent details').forEach(d => d.open = true)")
        assert await page.value("document.title") == "Pilotfish"
        assert (
            await page.value("document.querySelectorAll('#recent img, #recent script').length") == 0
        )


async def test_on_a_phone_nothing_sticks_out_and_dark_mode_is_dark(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.screen(360, 740, dark=True)
        await page.shows("flaky/sim-large")
        assert await page.value("document.documentElement.scrollWidth <= innerWidth")
        red, green, blue = await page.value(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        )
        assert max(red, green, blue) < 64


async def test_every_control_and_graph_has_a_name_for_those_who_do_not_see_it(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("flaky/sim-large")
        nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        roles = {"button", "textbox", "image", "table", "img"}
        named = [
            (n["role"]["value"], n.get("name", {}).get("value"))
            for n in nodes
            if not n.get("ignored") and n["role"]["value"] in roles
        ]
        assert len(named) > 8
        assert [n for n in named if not n[1]] == []


async def test_rules_that_are_refused_are_shown_with_their_place(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("In force since".lower())
        page.proxy.rules.write_text(
            page.proxy.rules.read_text().replace("provider: fast", "provider: nobody")
        )
        await page.shows("rules[0].services[1]")
        await page.shows("Problems in the rules read last")


async def test_a_proxy_that_has_gone_is_not_shown_as_ready(tmp_path):
    async with looked_at(tmp_path) as page:
        await page.shows("ready")
        await page.proxy.app.admin_port.close()
        await page.shows("no answer")


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("status-page.png", (1400, 900)),
        ("status-page-800.png", (800, 600)),
        ("status-page-phone.png", (390, 844)),
    ],
)
def test_the_pictures_in_the_docs_are_pictures(name, size):
    head = (Path(__file__).parents[2] / "docs" / "images" / name).read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert struct.unpack(">II", head[16:]) == size
