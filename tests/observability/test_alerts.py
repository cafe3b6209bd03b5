"""Every alert by promtool: it fires when it should and is quiet when it should not. Series start at minute 0, one sample a minute."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.prometheus
ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "charts/pilotfish/alerts").glob("*.yaml"))
BY_RULE = 'namespace="shop",pod="web-1",rule="chat",style="openai"'
SERVICE = 'namespace="shop",pod="web-1",provider="openai",model="gpt"'
SPARE = 'namespace="shop",pod="web-1",provider="spare",model="gpt"'
FIRST = 'namespace="shop",pod="web-1",gen_ai_request_model="gpt"'
HOURS = 420


def requests(good, bad):
    return {f'pilotfish_requests_total{{{BY_RULE},code="200"}}': f"0+{good}x{HOURS}", f'pilotfish_requests_total{{{BY_RULE},code="502"}}': f"0+{bad}x{HOURS}"}  # fmt: skip


def first_tokens(in_time, late):
    name = "gen_ai_server_time_to_first_token_seconds"
    return {f'{name}_bucket{{{FIRST},le="5.0"}}': f"0+{in_time}x{HOURS}", f"{name}_count{{{FIRST}}}": f"0+{in_time + late}x{HOURS}"}


def states(service, spare):
    asked = {f'pilotfish_attempts_total{{{at},rule="chat",outcome="served"}}': "0x60" for at in (SERVICE, SPARE)}
    return {f'pilotfish_service_state{{{SERVICE},state="serving"}}': service, f'pilotfish_service_state{{{SPARE},state="serving"}}': spare, **asked}  # fmt: skip


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


def lag(in_time, late):
    at = 'pilotfish_event_loop_lag_seconds_bucket{namespace="shop",pod="web-1",le='
    return {f'{at}"0.1"}}': f"0+{in_time}x60", f'{at}"0.25"}}': f"0+{in_time + late}x60", f'{at}"+Inf"}}': f"0+{in_time + late}x60"}


def gauge(name, values):
    return {f'{name}{{namespace="shop",pod="web-1"}}': values}


EXPIRY = "pilotfish_webhook_certificate_expiry_timestamp_seconds"
FAILED = 'pilotfish_injections_total{result="failed",reason="error"}'
# alert, when it is looked at (minutes), what is so, how many fire
CASES = [
    ("PilotfishRequestsFail", 90, requests(90, 10), 1),
    ("PilotfishRequestsFail", 90, requests(97, 3), 0),
    ("PilotfishRequestsFail", 90, {f'pilotfish_requests_total{{{BY_RULE},code="499"}}': "0+50x90", **requests(100, 0)}, 0),
    ("PilotfishRequestsFail", 90, requests(0, 0), 0),
    ("PilotfishRequestsFailSlowly", 400, requests(96, 4), 1),
    ("PilotfishRequestsFailSlowly", 400, requests(999, 4), 0),
    ("PilotfishFirstTokenLate", 90, first_tokens(60, 40), 1),
    ("PilotfishFirstTokenLate", 90, first_tokens(98, 2), 0),
    ("PilotfishFirstTokenLateForHours", 410, first_tokens(85, 15), 1),
    ("PilotfishFirstTokenLateForHours", 410, first_tokens(96, 4), 0),
    ("PilotfishServiceCoolingLong", 30, states("0x60", "1x60"), 1),
    ("PilotfishServiceCoolingLong", 30, states("1x20 0x40", "1x60"), 0),
    ("PilotfishAllServicesCooling", 10, states("0x60", "0x60"), 1),
    ("PilotfishAllServicesCooling", 10, states("0x60", "1x60"), 0),
    ("PilotfishHeadroomLow", 20, headroom(50), 1),
    ("PilotfishHeadroomLow", 20, headroom(500), 0),
    ("PilotfishHeadroomLow", 20, headroom(50, asked="7x60"), 0),
    ("PilotfishStreamsBreak", 30, breaks(10), 1),
    ("PilotfishStreamsBreak", 30, breaks(1), 0),
    ("PilotfishEventLoopLate", 30, lag(90, 10), 1),
    ("PilotfishEventLoopLate", 30, lag(1000, 1), 0),
    ("PilotfishRulesRefused", 10, gauge("pilotfish_config_last_reload_successful", "0x20"), 1),
    ("PilotfishRulesRefused", 10, gauge("pilotfish_config_last_reload_successful", "0x3 1x20"), 0),
    ("PilotfishRulesSourceAway", 20, gauge("pilotfish_config_source_connected", "0x30"), 1),
    ("PilotfishRulesSourceAway", 20, gauge("pilotfish_config_source_connected", "0x8 1x30"), 0),
    ("PilotfishPodsWithoutSidecar", 20, {"pilotfish_uninjected_pods": "2x30"}, 1),
    ("PilotfishPodsWithoutSidecar", 20, {"pilotfish_uninjected_pods": "2x5 0x30"}, 0),
    ("PilotfishCertificateEnds", 30, {EXPIRY: "50000x60"}, 1),
    ("PilotfishCertificateEnds", 30, {EXPIRY: "900000x60"}, 0),
    ("PilotfishInjectionFails", 20, {FAILED: "0+1x30"}, 1),
    ("PilotfishInjectionFails", 20, {FAILED: "4x30"}, 0),
]


def promtool(*words, cwd=None):
    program = shutil.which("promtool")
    assert program is not None, "no promtool in PATH: apt-get install prometheus"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=50, cwd=cwd)
    return done.returncode, done.stdout + done.stderr


def fired(fires):
    return [{"labels": "{}", "value": fires}]


def test_every_alert_fires_and_is_quiet_as_it_should(tmp_path):
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)', "eval_time": f"{minutes}m", "exp_samples": fired(fires)}
            ],
        }
        for alert, minutes, series, fires in CASES
    ]  # fmt: skip
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": list(map(str, RULES)), "evaluation_interval": "1m", "tests": tests}))
    code, said = promtool("test", "rules", str(path))
    assert code == 0, said


def test_no_alert_is_without_a_test_of_both_kinds():
    alerts = {r["alert"] for path in RULES for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"] if "alert" in r}
    assert {c[0] for c in CASES if c[3]} == alerts
    assert {c[0] for c in CASES if not c[3]} == alerts


def test_every_alert_has_a_runbook_and_a_summary():
    for path in RULES:
        for rule in (r for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"] if "alert" in r):
            assert rule["annotations"]["summary"], rule["alert"]
            assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule["annotations"]["runbook"]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_prometheus_accepts_the_rules_as_they_stand(path):
    code, said = promtool("check", "rules", str(path))
    assert code == 0, said
