"""Every alert by promtool: it fires when it should and is quiet when it should not. Series start at
minute 0, one sample a minute.
"""

from pathlib import Path

import pytest

from observability.promtool import alerts, promtool, rule_tests, story, told_by

pytestmark = pytest.mark.prometheus
ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/alerts.yaml"
BY_RULE = 'namespace="shop",pod="web-1",rule="chat",style="openai"'
SERVICE = 'namespace="shop",pod="web-1",provider="openai",model="gpt"'
SPARE = 'namespace="shop",pod="web-1",provider="spare",model="gpt"'
FIRST = 'namespace="shop",pod="web-1",gen_ai_request_model="gpt"'
HOURS = 420


def requests(good, bad):
    return {f'pilotfish_requests_total{{{BY_RULE},code="200"}}': f"0+{good}x{HOURS}", f'pilotfish_requests_total{{{BY_RULE},code="502"}}': f"0+{bad}x{HOURS}"}  # fmt: skip


def unruled(good, refused):
    """Of all requests so many are refused before a rule takes them."""
    return {**requests(good, 0), 'pilotfish_requests_total{namespace="shop",pod="web-1",rule="",style="openai",code="503"}': f"0+{refused}x{HOURS}"}  # fmt: skip


def first_tokens(in_time, late):
    name = "gen_ai_server_time_to_first_token_seconds"
    return {
        f'{name}_bucket{{{FIRST},le="5.0"}}': f"0+{in_time}x{HOURS}",
        f"{name}_count{{{FIRST}}}": f"0+{in_time + late}x{HOURS}",
    }


def states(service, spare):
    """What the two services are, minute by minute: `c` cooling, `p` on trial, `s` serving."""
    made = {
        f'pilotfish_attempts_total{{{at},rule="chat",outcome="served"}}': "0x60"
        for at in (SERVICE, SPARE)
    }
    for at, minutes in ((SERVICE, service), (SPARE, spare)):
        for letter, state in (("c", "cooling"), ("p", "probing"), ("s", "serving")):
            values = " ".join(str(int(minute == letter)) for minute in minutes)
            made[f'pilotfish_service_state{{{at},state="{state}"}}'] = values
    return made


def headroom(left, asked="0+5x60"):
    return {
        f'pilotfish_ratelimit_remaining{{{SERVICE},kind="tokens"}}': f"{left}x60",
        f'pilotfish_ratelimit_limit{{{SERVICE},kind="tokens"}}': "1000x60",
        f'pilotfish_attempts_total{{{SERVICE},rule="chat",outcome="served"}}': asked,
    }


def breaks(broken):
    return {
        f'pilotfish_stream_breaks_total{{{SERVICE},cause="broken"}}': f"0+{broken}x60",
        f'pilotfish_attempts_total{{{SERVICE},rule="chat",outcome="served"}}': f"0+{100 - broken}x60",
        f'pilotfish_attempts_total{{{SERVICE},rule="chat",outcome="broken_stream"}}': f"0+{broken}x60",
    }


def unpriced(tokens):
    return {f"pilotfish_unpriced_tokens_total{{{SERVICE}}}": tokens}


def budget(left):
    at = 'namespace="shop",pod="web-1",scope="rule",name="chat",kind="usd"'
    return {
        f"pilotfish_budget_remaining{{{at}}}": left,
        f"pilotfish_budget_limit{{{at}}}": "50x60",
    }


def refused(keys):
    at = 'namespace="shop",pod="web-1",provider="openai"'
    return {f"pilotfish_credentials_refused{{{at}}}": keys}


def lag(in_time, late):
    at = 'pilotfish_event_loop_lag_seconds_bucket{namespace="shop",pod="web-1",le='
    return {
        f'{at}"0.1"}}': f"0+{in_time}x60",
        f'{at}"0.25"}}': f"0+{in_time + late}x60",
        f'{at}"+Inf"}}': f"0+{in_time + late}x60",
    }


def gauge(name, values):
    return {f'{name}{{namespace="shop",pod="web-1"}}': values}


def entries(providers):
    at = 'pilotfish_config_entries{namespace="shop",pod="web-1",kind='
    return {f'{at}"rule"}}': "0x60", f'{at}"provider"}}': providers}


def versions(proxy, injector="2"):
    """For a day and an hour; the injector is of version 2, or there is none."""
    day = "1x1600"
    made = {
        f'pilotfish_build_info{{namespace="shop",pod="web-1",version="{proxy}"}}': day,
        'pilotfish_config_source_connected{namespace="shop",pod="web-1"}': day,
    }
    if injector:
        at = 'namespace="pilotfish",pod="injector-1"'
        made[f'pilotfish_build_info{{{at},version="{injector}"}}'] = day
        made[f"{EXPIRY}{{{at}}}"] = "9999999x1600"
    return made


EXPIRY = "pilotfish_webhook_certificate_expiry_timestamp_seconds"
FAILED = 'pilotfish_injections_total{result="failed",reason="internal"}'
AT = {"namespace": "shop"}
PROXY = {**AT, "pod": "web-1"}
GPT = {**AT, "provider": "openai", "model": "gpt"}
CHAT_BUDGET = {**AT, "scope": "rule", "name": "chat", "kind": "usd"}
CHAT = {**AT, "rule": "chat"}
STREAMS = {**AT, "gen_ai_request_model": "gpt"}
# The alert, when it is looked at (minutes), what is so, whom it names and what it says.
FIRING = [
    ("PilotfishRequestsFail", 90, requests(90, 10), CHAT, "10% of the requests of rule chat in shop fail"),
    ("PilotfishRequestsFail", 90, unruled(80, 20), AT, "20% of the requests in shop are refused before a rule takes them"),
    ("PilotfishRequestsFailSlowly", 400, requests(96, 4), CHAT, "4% of the requests of rule chat in shop have failed for hours"),
    ("PilotfishFirstTokenLate", 90, first_tokens(60, 40), STREAMS, "40% of the streams of gpt in shop wait longer than 5 s for their first token"),
    ("PilotfishFirstTokenLateForHours", 410, first_tokens(85, 15), STREAMS, "15% of the streams of gpt in shop have waited longer than 5 s for hours"),
    ("PilotfishServiceCoolingLong", 30, states("c" * 60, "s" * 60), GPT, "openai/gpt has been out of service in shop for a quarter of an hour"),
    # Trials in between, that last, do not hide it.
    ("PilotfishServiceCoolingLong", 30, states("ccp" * 20, "s" * 60), GPT, "openai/gpt has been out of service in shop for a quarter of an hour"),
    ("PilotfishAllServicesCooling", 10, states("ccp" * 20, "c" * 60), {**PROXY, "rule": "chat"}, "rule chat of shop/web-1 has no service left that is known to work"),
    ("PilotfishAllServicesCooling", 10, states("c" * 60, "c" * 60), {**PROXY, "rule": "chat"}, "rule chat of shop/web-1 has no service left that is known to work"),
    ("PilotfishCredentialRefused", 10, refused("0x5 2x60"), {**AT, "provider": "openai"}, "openai refuses 2 of its keys in shop"),
    ("PilotfishUsageUnpriced", 30, unpriced("0+100x60"), GPT, "1.5k tokens of openai/gpt in shop have no price"),
    ("PilotfishBudgetSpent", 20, budget("1x60"), {**CHAT_BUDGET}, "2% of the usd of rule chat are left in shop"),
    ("PilotfishHeadroomLow", 20, headroom(50), {**GPT, "kind": "tokens"}, "openai/gpt has 5% of its tokens left"),
    ("PilotfishStreamsBreak", 30, breaks(10), GPT, "10% of the answers of openai/gpt break off"),
    # All of the late tenth lies in (0.1, 0.25]: the 99th percentile is nine tenths of the way
    # through that bucket.
    ("PilotfishEventLoopLate", 30, lag(90, 10), PROXY, "the proxy in shop/web-1 is 235ms late: it is short of CPU"),
    ("PilotfishRulesRefused", 10, gauge("pilotfish_config_last_reload_successful", "0x20"), AT, "Proxies in shop refuse their newest rules and run on the ones before"),
    ("PilotfishRulesSourceAway", 20, gauge("pilotfish_config_source_connected", "0x30"), AT, "Proxies in shop cannot read their rules; edits do not arrive"),
    ("PilotfishRulesEmpty", 20, entries("0x30"), AT, "1 proxies in shop have neither rules nor providers"),
    ("PilotfishVersionsLag", 1500, versions("1"), {**AT, "version": "1"}, "1 proxies in shop run 1, which is not the injector's version"),
    ("PilotfishSidecarsOutdated", 1500, {"pilotfish_sidecar_outdated": "3x1600"}, {}, "3 Pods run with an older sidecar than they would get now"),
    ("PilotfishPodsWithoutSidecar", 20, {"pilotfish_uninjected_pods": "2x30"}, {}, "2 Pods that should have the sidecar run without it"),
    # It ends 50000 s after the beginning, half an hour of which is over.
    ("PilotfishCertificateEnds", 30, {EXPIRY: "50000x60"}, {}, "The injector's certificate ends in 13h 23m 20s"),
    ("PilotfishInjectionFails", 20, {FAILED: "0+1x30"}, {}, "Injection failed for 15 Pods in 15 minutes; they run without the sidecar"),
]  # fmt: skip
QUIET = [
    ("PilotfishRequestsFail", 90, requests(97, 3)),
    (
        "PilotfishRequestsFail",
        90,
        {f'pilotfish_requests_total{{{BY_RULE},code="499"}}': "0+50x90", **requests(100, 0)},
    ),
    ("PilotfishRequestsFail", 90, requests(0, 0)),
    ("PilotfishRequestsFail", 90, unruled(100, 1)),
    ("PilotfishRequestsFailSlowly", 400, requests(999, 4)),
    ("PilotfishFirstTokenLate", 90, first_tokens(98, 2)),
    ("PilotfishFirstTokenLateForHours", 410, first_tokens(96, 4)),
    ("PilotfishServiceCoolingLong", 30, states("s" * 20 + "c" * 40, "s" * 60)),
    # Back for three minutes; or waiting on trial for a request that nobody sends.
    ("PilotfishServiceCoolingLong", 30, states("c" * 27 + "s" * 33, "s" * 60)),
    ("PilotfishServiceCoolingLong", 50, states("c" * 20 + "p" * 40, "s" * 60)),
    ("PilotfishAllServicesCooling", 10, states("c" * 60, "s" * 60)),
    ("PilotfishAllServicesCooling", 10, states("c" * 60, "p" * 60)),
    ("PilotfishAllServicesCooling", 10, states("c" * 7 + "s" * 53, "c" * 7 + "s" * 53)),
    ("PilotfishCredentialRefused", 30, refused("2x20 0x60")),
    ("PilotfishUsageUnpriced", 30, unpriced("0x60")),
    # Used a quarter of an hour ago, and priced or unused since.
    ("PilotfishUsageUnpriced", 50, unpriced("0+100x20 2000x60")),
    ("PilotfishBudgetSpent", 20, budget("6x60")),
    ("PilotfishBudgetSpent", 40, budget("0x20 10x60")),
    ("PilotfishHeadroomLow", 20, headroom(500)),
    ("PilotfishHeadroomLow", 20, headroom(50, asked="7x60")),
    ("PilotfishStreamsBreak", 30, breaks(1)),
    ("PilotfishEventLoopLate", 30, lag(1000, 1)),
    ("PilotfishRulesRefused", 10, gauge("pilotfish_config_last_reload_successful", "0x3 1x20")),
    ("PilotfishRulesSourceAway", 20, gauge("pilotfish_config_source_connected", "0x8 1x30")),
    ("PilotfishRulesEmpty", 20, entries("0x3 1x30")),
    ("PilotfishRulesEmpty", 20, entries("1x30")),
    ("PilotfishVersionsLag", 1500, versions("2")),
    ("PilotfishVersionsLag", 1500, versions("1", injector="")),
    ("PilotfishVersionsLag", 1200, versions("1")),
    ("PilotfishSidecarsOutdated", 1500, {"pilotfish_sidecar_outdated": "3x100 0x1500"}),
    ("PilotfishSidecarsOutdated", 1300, {"pilotfish_sidecar_outdated": "3x1600"}),
    ("PilotfishPodsWithoutSidecar", 20, {"pilotfish_uninjected_pods": "2x5 0x30"}),
    ("PilotfishCertificateEnds", 30, {EXPIRY: "900000x60"}),
    ("PilotfishInjectionFails", 20, {FAILED: "4x30"}),
]


def test_every_alert_fires_when_it_should_and_names_whom_and_how_much(tmp_path):
    rules = alerts(RULES)
    code, said = rule_tests(
        tmp_path, RULES, [story(*case[:3], told_by(rules[case[0]], *case[3:])) for case in FIRING]
    )
    assert code == 0, said


def test_every_alert_is_quiet_when_it_should(tmp_path):
    code, said = rule_tests(tmp_path, RULES, [story(*case, []) for case in QUIET])
    assert code == 0, said


def test_no_alert_is_without_a_test_of_both_kinds():
    assert {case[0] for case in FIRING} == {case[0] for case in QUIET} == set(alerts(RULES))


def test_every_alert_says_what_is_so_and_what_it_means_and_leads_to_a_runbook_that_there_is():
    for name, rule in alerts(RULES).items():
        said = rule["annotations"]
        assert said.keys() == {"summary", "description", "runbook_url"}, name
        assert said["description"].endswith("."), name
        assert said["runbook_url"].startswith("https://"), name
        assert (ROOT / "docs/runbooks" / said["runbook_url"].rpartition("/")[2]).is_file(), name


def test_every_runbook_is_an_alerts_and_is_listed():
    runbooks = ROOT / "docs/runbooks"
    named = {
        rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in alerts(RULES).values()
    }
    assert named == {path.name for path in runbooks.glob("Pilotfish*.md")}
    listed = (runbooks / "README.md").read_text()
    assert [name for name in alerts(RULES) if name not in listed] == []


def test_prometheus_accepts_the_rules_as_they_stand():
    code, said = promtool("check", "rules", str(RULES))
    assert code == 0, said
