"""docs/operations.md says of settings, ports and the log what the code says."""

import re
from pathlib import Path

from harness import proxied
from pilotfish.admin.routes import Admin
from pilotfish.cli import main
from pilotfish.settings import PREFIX, Settings
from pilotfish.simulated import SimulatedVendor

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ROW = re.compile(rf"^\| `{PREFIX}(\w+)` \| (?:`(.*)`)? *\| (.+) \|$", re.MULTILINE)


def test_the_table_has_every_setting_with_its_default_in_order():
    wanted = []
    for name, field in Settings.model_fields.items():
        default = field.default
        text = (
            ""
            if default in ("", ())
            else f"{default:g}"
            if isinstance(default, float)
            else str(default)
        )
        wanted.append((name.upper(), text.lower() if isinstance(default, bool) else text))
    assert [(name, default) for name, default, _ in ROW.findall(PAGE)] == wanted


def test_every_setting_is_a_flag_of_the_proxy(capsys):
    try:
        main(["proxy", "--help"])
    except SystemExit:
        pass
    said = capsys.readouterr().out
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in said


def test_every_admin_path_is_named():
    # Nothing is asked of engine or store before a request.
    routes = Admin(None, None, None, None, max_body_bytes=1).application().router.routes()
    shown = [(r.method, r.resource.canonical) for r in routes if r.method != "HEAD"]
    assert len(shown) == 9
    for method, path in shown:
        assert re.search(rf"^\| `{method} {re.escape(path)}[`?]", PAGE, re.MULTILINE), path


RULES = """
providers:
  acme: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}
rules:
  - name: chat
    request_model: m
    services: [{{provider: acme, model: sim-500}}]
    lb_tactic: {{type: random}}
    retries: {{max_retries: 0}}
"""


async def test_every_key_of_the_access_log_is_named(tmp_path):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        await proxy.chat("m", stream=True)
        record = proxy.record()
        await proxy.chat("unknown")
        turned_away = proxy.record()
    named = set(re.findall(r"`([a-z_]+)`", PAGE.partition("## Logs")[2]))
    assert record["error"] == "server_error"
    assert set(record) <= named
    assert set(record["attempts"][0]) <= named
    assert set(turned_away) <= named
