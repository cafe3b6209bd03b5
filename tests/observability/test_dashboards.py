"""The dashboards: every query is run against a real Prometheus that scraped a run with known traffic, and gives what is known of it."""

import json
import re
import runpy
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness import proxied
from observability.prometheus import scraping
from pilotfish.core import series as s
from pilotfish.shell.exposition import TEXT_TYPE, exposition
from pilotfish.shell.meters import Meters
from pilotfish.simulated import Fault, Profile, RateLimit, SimulatedVendor

pytestmark = pytest.mark.prometheus
CHARTS = Path(__file__).parents[2] / "charts"
FOLDER = CHARTS / "pilotfish" / "dashboards"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def rules(a, b):
    """Prices are such that an answer of 8 tokens costs 0.08 USD and input nothing."""
    return f"""
providers:
  alpha: {{kind: openai, api_base: {a.base}, no_key_required: true}}
  beta: {{kind: openai, api_base: {b.base}, no_key_required: true}}
  gamma: {{kind: anthropic, api_base: {b.base}, no_key_required: true}}
defaults: {{retries: {{max_retries: 0}}}}
rules:
  - {{name: chat, request_model: chat, services: [{{provider: alpha, model: sim-large}}, {{provider: beta, model: sim-large, tier: 1}}]}}
  - {{name: lone, request_model: lone, services: [{{provider: beta, model: sim-small}}]}}
  - {{name: other, request_model: other, services: [{{provider: gamma, model: sim-small}}]}}
  - name: race
    request_model: race
    services: [{{provider: alpha, model: sim-large}}, {{provider: beta, model: sim-ttft-300ms}}]
    race: {{strategy: first_wins, max_parallel: 2}}
  - name: hedge
    request_model: hedge
    services: [{{provider: beta, model: sim-ttft-400ms}}, {{provider: alpha, model: sim-small, tier: 1}}]
    hedge: {{after: 50, min_ms: 50, budget_percent: 100}}
  - name: rescue
    request_model: rescue
    on_stream_break: continue
    services: [{{provider: beta, model: sim-cut50}}, {{provider: alpha, model: sim-small, tier: 1}}]
prices: {{alpha/sim-large: {{input: 0, output: 10000}}, beta/sim-large: {{input: 0, output: 10000}}}}
"""


def injector_app():
    meters = Meters(s.INJECTOR_ONLY)
    meters[s.INJECTIONS].number("injected", "").inc(3)
    meters[s.UNINJECTED].number().set(2.0)
    meters[s.CERTIFICATE_EXPIRY].number().set(time.time() + 7200)

    async def metrics(request):
        return web.Response(body="".join(exposition(meters)).encode(), headers={"content-type": TEXT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def known_traffic(tmp_path):
    """20 streamed answers of alpha, 8 tokens each, first token after 150 ms; of them 4 by beta since alpha failed; 5 failures of `lone`."""
    slow = Profile(ttft_s=0.15, gap_s=0.01, chunks=8, cached_ratio=0.5, rate_limit=RateLimit(requests=1000))
    async with (
        SimulatedVendor(name="a", profile=slow) as a,
        SimulatedVendor(name="b", profile=slow) as b,
        TestServer(injector_app()) as injector,
        proxied(tmp_path, rules(a, b)) as proxy,
    ):
        targets = {
            str(proxy.app.admin_listen).replace("0.0.0.0", "127.0.0.1"): {"namespace": "shop", "pod": "web-1"},
            f"127.0.0.1:{injector.port}": {"namespace": "pilotfish", "pod": "injector-1"},
        }
        (tmp_path / "prometheus").mkdir()
        async with scraping(tmp_path / "prometheus", targets, sorted((CHARTS / "pilotfish/alerts").glob("*.yaml"))) as prometheus:
            await prometheus.until("sum(up)", 2)
            await prometheus.until("sum(pilotfish_requests_in_flight)", 0)
            traced = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hello there, how are you?"}]}
            for n in range(20):
                if n in (5, 6, 12, 13):
                    a.script(Fault.status(500))
                answer = await proxy.post("/v1/chat/completions", body, traced)
                assert answer.status == 200
            for _ in range(5):
                b.script(Fault.status(400))
                assert (await proxy.chat("lone")).status == 400
            b.script(Fault.status(500))
            assert (await proxy.chat("lone")).status == 500
            for model in ("race", "race", "hedge", "hedge"):
                assert (await proxy.chat(model, stream=True)).status == 200
            assert (await proxy.chat("rescue", "say:one two three four five six seven eight nine ten", stream=True)).status == 200
            assert (await proxy.chat("other", logit_bias={"1": 2}, seed=1)).status == 200
            await prometheus.until("sum(pilotfish_requests_total)", 32)
            await prometheus.until("min(count_over_time(pilotfish_dropped_fields_total[1m])) > bool 2", 1)  # a rate needs two
            yield prometheus


def queries(name):
    for panel in json.loads((FOLDER / f"{name}.json").read_text())["panels"]:
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", "1m")
            for variable in ("namespace", "rule", "provider", "model"):
                expr = expr.replace(f"${variable}", ".*")
            yield panel["title"], expr


def single(name, title):
    return next(expr for found, expr in queries(name) if found == title)


async def test_every_query_returns_data_and_those_that_can_be_known_what_is_known(tmp_path):
    async with known_traffic(tmp_path) as prometheus:
        empty = [(name, title, expr) for name in NAMES for title, expr in queries(name) if not await prometheus.query(expr)]
        assert empty == []
        # Counts, exactly.
        assert await prometheus.number('sum(pilotfish_requests_total{rule="chat",code="200"})') == 20
        assert await prometheus.number('sum(pilotfish_attempts_total{rule="chat",provider="alpha",outcome="served"})') == 16
        assert await prometheus.number('sum(pilotfish_attempts_total{rule="chat",outcome="server_error"})') == 4
        assert await prometheus.number('pilotfish_fallbacks_total{rule="chat"}') == 4
        assert await prometheus.number('sum(pilotfish_tokens_total{rule="chat",kind="output"})') == 20 * 8
        assert await prometheus.number('sum(pilotfish_cost_usd_total{rule="chat"})') == pytest.approx(20 * 0.08)
        assert await prometheus.number('pilotfish_races_total{rule="race",provider="alpha",result="won"}') == 2
        assert await prometheus.number('pilotfish_races_total{rule="race",provider="beta",result="lost"}') == 2
        assert await prometheus.number('pilotfish_hedges_total{rule="hedge",result="won"}') == 2
        assert await prometheus.number('sum(pilotfish_stream_breaks_total{provider="beta"})') == 1
        assert await prometheus.number('pilotfish_stream_rescues_total{rule="rescue",mode="continue",result="rescued"}') == 1
        # Of rates only ratios are exact: how a few seconds are extrapolated to a minute cancels out.
        only_lone = single("overview", "Requests answered").replace('rule=~".*"', 'rule="lone"')
        assert await prometheus.number(only_lone) == pytest.approx(5 / 6, abs=0.05)
        # Percentiles, as exact as their buckets: 150 ms lies in (100, 250].
        late = single("overview", "Time to first token").replace(
            'gen_ai_provider_name=~".*"', 'gen_ai_provider_name="alpha",gen_ai_request_model="chat"'
        )
        assert 0.1 < await prometheus.number(late) <= 0.25
        # 8 tokens, 10 ms apart: 7 gaps, so 8 / 0.07 s = 114 tokens a second; timers are late, not early.
        speed = single("overview", "Output speed").replace('rule=~".*"', 'rule="chat"')
        assert 50 < await prometheus.number(speed) <= 150
        # What the injector and the process say.
        assert await prometheus.number(single("fleet", "Pods without their sidecar")) == 2
        assert 7000 < await prometheus.number(single("fleet", "Webhook's certificate")) <= 7200
        assert await prometheus.number(single("fleet", "Memory")) > 20e6
        # A measurement leads to its trace.
        found = await prometheus.exemplars("gen_ai_server_time_to_first_token_seconds_bucket")
        assert {e["labels"]["trace_id"] for series in found for e in series["exemplars"]} == {TRACE}
        # The rules of the chart run on it, too.
        await prometheus.until('count(pilotfish:requests:rate5m{rule="chat"})', 1, timeout_s=40)


@pytest.mark.parametrize("name", NAMES)
def test_grafana_knows_every_field_of_a_dashboard(name):
    """Read by the types that Grafana publishes and written again, nothing is missing. Only .ci/observability installs these."""
    from grafana_foundation_sdk.cog import encoder, plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    own = json.loads((FOLDER / f"{name}.json").read_text())
    back = json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(own)))
    assert list(lost(own, back)) == []


def lost(own, back, at=""):
    if isinstance(own, dict) and isinstance(back, dict):
        for key, value in own.items():
            yield from lost(value, back[key], f"{at}.{key}") if key in back else [f"{at}.{key}"]
    elif isinstance(own, list) and isinstance(back, list) and len(own) == len(back):
        for i, (x, y) in enumerate(zip(own, back, strict=True)):
            yield from lost(x, y, f"{at}[{i}]")
    elif own != back:
        yield f"{at}: {own!r} became {back!r}"


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_what_the_script_writes_and_every_panel_says_what_it_is(name):
    assert (FOLDER / f"{name}.json").read_text() == runpy.run_path(str(CHARTS / "dashboards.py"))["written"](name)
    panels = json.loads((FOLDER / f"{name}.json").read_text())["panels"]
    assert all(panel["description"] and panel["targets"] for panel in panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_only_metrics_of_the_catalogue_are_asked_for():
    known = {series.name for series in s.CATALOGUE}
    words = {w for name in NAMES for _, expr in queries(name) for w in re.findall(r"(?:pilotfish|gen_ai)_[a-z_]+(?=[{\[ )]|$)", expr)}
    assert {
        w.removesuffix("_bucket").removesuffix("_count")
        for w in words
        if w.split("_")[-1] in ("total", "bucket", "seconds", "state", "info")
    } <= known
