"""The series of a running proxy: right, bounded whatever the traffic, and never going down over a
reload.
"""

import asyncio
import random

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from harness import proxied, until
from pilotfish.simulated import Fault, Profile, SimulatedVendor
from pilotfish.telemetry.series import CATALOGUE, INJECTOR_ONLY

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def rules(vendor, *, extra=""):
    return f"""
providers:
  sim: {{kind: openai, api_base: {vendor.base}, no_key_required: true}}
  spare: {{kind: anthropic, api_base: {vendor.base}, no_key_required: true}}
rules:
  - name: chat
    request_model: gpt
    services: [{{provider: sim, model: sim-large}}, {{provider: spare, model: sim-small, tier: 1}}]
{extra}
prices: {{sim/sim-large: {{input: 2, output: 10}}}}

"""


def samples_of(text):
    return {
        (x.name, tuple(sorted(x.labels.items()))): x.value
        for f in text_string_to_metric_families(text)
        for x in f.samples
    }


async def scraped(proxy):
    return samples_of((await proxy.admin("/metrics")).text)


async def test_every_metric_of_the_catalogue_is_served_and_services_have_series_before_any_request(
    tmp_path,
):
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        text = (await proxy.admin("/metrics")).text
        types = {f.name for f in text_string_to_metric_families(text)}
        wanted = {s.name.removesuffix("_total") for s in CATALOGUE if s not in INJECTOR_ONLY}
        assert wanted <= types
        found = samples_of(text)
        for provider, model in (("sim", "sim-large"), ("spare", "sim-small")):
            at = (("model", model), ("provider", provider))
            assert (
                found[
                    "pilotfish_attempts_total",
                    (at[0], ("outcome", "timeout"), at[1], ("rule", "chat")),
                ]
                == 0
            )
            assert found["pilotfish_service_state", (*at, ("state", "serving"))] == 1
            assert found["pilotfish_malformed_events_total", at] == 0
        # What has a price has a cost, and what has none has tokens without one; neither has both.
        priced = (("model", "sim-large"), ("provider", "sim"))
        free = (("model", "sim-small"), ("provider", "spare"))
        assert found["pilotfish_cost_usd_total", (*priced, ("rule", "chat"))] == 0
        assert found["pilotfish_unpriced_tokens_total", free] == 0
        assert ("pilotfish_cost_usd_total", (*free, ("rule", "chat"))) not in found
        assert ("pilotfish_unpriced_tokens_total", priced) not in found
        for stream in ("false", "true"):
            assert (
                found[
                    "pilotfish_request_duration_seconds_count",
                    (("rule", "chat"), ("stream", stream), ("style", "openai")),
                ]
                == 0
            )


async def test_a_rule_that_buffers_has_series_of_what_it_may_restart(tmp_path):
    """Beside those of streams that another service goes on with, if it does that, too."""
    async with SimulatedVendor() as vendor:
        text = rules(vendor).replace(
            "request_model: gpt",
            "request_model: gpt\n    buffer: true\n    on_stream_break: continue",
        )
        async with proxied(tmp_path, text) as proxy:
            found = await scraped(proxy)
            rescues = {
                dict(at)["mode"] for name, at in found if name == "pilotfish_stream_rescues_total"
            }
            assert rescues == {"restart", "continue"}
            assert (
                found["pilotfish_wasted_tokens_total", (("reason", "rescue"), ("rule", "chat"))]
                == 0
            )


async def test_known_traffic_gives_known_numbers(tmp_path):
    async with (
        SimulatedVendor(profile=Profile(chunks=8)) as vendor,
        proxied(tmp_path, rules(vendor)) as proxy,
    ):
        vendor.script(Fault.status(401))  # the first service is out at once, the spare one answers
        assert (await proxy.chat("gpt", stream=True)).status == 200
        await proxy.app.engine.in_flight.idle.wait()
        assert (
            await proxy.metric("pilotfish_attempts_total", provider="sim", outcome="auth_failed")
            == 1
        )
        assert (
            await proxy.metric("pilotfish_attempts_total", provider="spare", outcome="served") == 1
        )
        assert await proxy.metric("pilotfish_fallbacks_total", rule="chat") == 1
        assert (
            await proxy.metric("pilotfish_requests_total", rule="chat", style="openai", code="200")
            == 1
        )
        assert await proxy.metric("pilotfish_tokens_total", provider="spare", kind="output") == 8
        assert (
            await proxy.metric(
                "gen_ai_client_token_usage_sum",
                gen_ai_provider_name="spare",
                gen_ai_token_type="output",
            )
            == 8
        )
        assert (
            await proxy.metric(
                "gen_ai_server_time_to_first_token_seconds_count", gen_ai_provider_name="spare"
            )
            == 1
        )
        assert (
            await proxy.metric(
                "pilotfish_request_duration_seconds_count", rule="chat", stream="true"
            )
            == 1
        )
        assert await proxy.metric("pilotfish_service_state", provider="sim", state="cooling") == 1
        assert await proxy.metric("pilotfish_service_cooldown_seconds", provider="sim") > 0


async def test_cost_is_what_the_prices_say(tmp_path):
    async with (
        SimulatedVendor(profile=Profile(chunks=8)) as vendor,
        proxied(tmp_path, rules(vendor)) as proxy,
    ):
        usage = (await proxy.chat("gpt")).json["usage"]
        expected = (usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 10) / 1e6
        assert (
            abs(await proxy.metric("pilotfish_cost_usd_total", provider="sim") - expected) < 1e-12
        )


async def test_requests_in_flight_are_seen_while_they_are_in_flight(tmp_path):
    gate = asyncio.Event()
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        vendor.script(Fault.hold(gate))
        asked = asyncio.create_task(proxy.chat("gpt"))
        await vendor.until_requests(1)
        assert await proxy.metric("pilotfish_requests_in_flight", rule="chat") == 1
        gate.set()
        await asked
        assert await proxy.metric("pilotfish_requests_in_flight", rule="chat") == 0


async def test_measurements_name_the_trace_of_their_request_once_somebody_reads_openmetrics(
    tmp_path,
):
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        ask = {"accept": "application/openmetrics-text; version=1.0.0"}
        async with proxy.http.get(proxy.app.admin_base + "/metrics", headers=ask) as answer:
            assert "trace_id" not in await answer.text()
        body = {"model": "gpt", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        await proxy.post(
            "/v1/chat/completions", body, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        )
        async with proxy.http.get(proxy.app.admin_base + "/metrics", headers=ask) as answer:
            found = [
                (x.name, x.exemplar.labels)
                for f in openmetrics_families(await answer.text())
                for x in f.samples
                if x.exemplar
            ]
        assert {name for name, _ in found} == {
            "gen_ai_server_request_duration_seconds_bucket",
            "gen_ai_server_time_to_first_token_seconds_bucket",
            "pilotfish_request_duration_seconds_bucket",
        }
        assert all(labels == {"trace_id": TRACE} for _, labels in found)


async def test_made_up_models_paths_headers_and_fields_make_no_series(tmp_path):
    """One of each kind first: what may exist does then, and nothing that a client makes up adds to
    it.
    """
    rng = random.Random(7)

    def word():
        return "".join(rng.choices("abcdefghij-._", k=9))

    async def one_of_each(proxy):
        await proxy.chat(word())
        for known in ("large", "small"):
            await proxy.chat(f"sim/sim-{known}")
        await proxy.chat(f"sim/{word()}")
        await proxy.post(
            f"/{word()}/v1/chat/completions",
            {"model": "gpt", "messages": [{"role": "user", "content": "x"}]},
        )
        await proxy.post(f"/{word()}", {})
        await proxy.post(f"/v1/images/{word()}", {"model": "gpt"})
        await proxy.post(
            "/v1/messages",
            {"model": word(), "max_tokens": 9, "messages": []},
            {"anthropic-version": word()},
        )
        for model, verb in (
            (word(), "generateContent"),
            (word(), "streamGenerateContent"),
            ("gpt", word()),
        ):
            await proxy.post(
                f"/v1beta/models/{model}:{verb}", {"contents": [{"parts": [{"text": "x"}]}]}
            )
        await proxy.post(
            f"/openai/deployments/{word()}/chat/completions?api-version={word()}", {"messages": []}
        )
        await proxy.post("/v1/chat/completions", b"{")
        message = {
            "model": "spare/sim-small",
            "messages": [{"role": "user", "content": "x"}],
            word(): 1,
            f"{word()}.x": 2,
        }
        await proxy.post(
            "/v1/chat/completions",
            message,
            {f"x-{rng.randrange(9**9)}": word(), "x-request-id": word()},
        )

    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        for _ in range(2):
            await one_of_each(proxy)
        before = set(await scraped(proxy))
        for _ in range(30):
            await one_of_each(proxy)
        assert set(await scraped(proxy)) - before == set()


EDITS = {
    "a rule more": lambda text: text.replace(
        "prices:",
        "  - {name: more, request_model: x, services: [{provider: sim, model: sim-small}]}\nprices:",
    ),
    "another service": lambda text: text.replace(
        "model: sim-large}", "model: sim-large}, {provider: spare, model: sim-large}"
    ),
    "other prices": lambda text: text.replace("output: 10", "output: 20"),
    "another tactic": lambda text: text.replace(
        "request_model: gpt\n", "request_model: gpt\n    lb_tactic: round_robin\n"
    ),
    "an address that changed": lambda text: text.replace("127.0.0.1", "localhost"),
    "a mistake": lambda text: text.replace("request_model", "request_modle"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
async def test_counters_do_not_go_down_when_rules_change(tmp_path, edit):
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        vendor.script(Fault.status(500))
        for _ in range(3):
            await proxy.chat("gpt", stream=True)
            await proxy.chat("nobody")
        await proxy.settled()
        before = await scraped(proxy)
        status = (await proxy.status())["rules"]
        assert edit(rules(vendor)) != rules(vendor)
        proxy.rules.write_text(edit(rules(vendor)))
        await until(
            lambda: (
                proxy.app.store.problems or proxy.app.store.snapshot.version != status["version"]
            )
        )
        after = await scraped(proxy)
        counters = {
            k
            for k in before
            if k[0].endswith(("_total", "_count", "_sum", "_bucket"))
            and not k[0].startswith("process_")
        }
        assert counters - set(after) == set()
        assert [k for k in counters if after[k] < before[k]] == []
        await proxy.chat("gpt")
        assert await proxy.metric("pilotfish_requests_total", rule="chat") == 4


async def test_a_rule_that_goes_while_it_serves_leaves_no_series_behind(tmp_path):
    gate = asyncio.Event()
    async with SimulatedVendor() as vendor, proxied(tmp_path, rules(vendor)) as proxy:
        vendor.script(Fault.hold(gate))
        asked = asyncio.create_task(proxy.chat("gpt"))
        await vendor.until_requests(1)
        proxy.rules.write_text(rules(vendor).replace("name: chat", "name: talk"))
        await until(lambda: [r.name for r in proxy.app.store.snapshot.rules] == ["talk"])
        gate.set()
        assert (await asked).status == 200
        assert [k for k in await scraped(proxy) if ("rule", "chat") in k[1]] == []
