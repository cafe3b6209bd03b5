"""`pilotfish probe` as a person or a script calls it."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pilotfish.cli import main


@pytest.fixture(autouse=True)
def no_log_set_up(monkeypatch):
    """It holds for the whole process: other tests listen to the log."""
    monkeypatch.setattr("pilotfish.telemetry.logs.set_up", lambda level, form: None)


@pytest.fixture
def vendor():
    """A models list that wants the key `hush-good`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers.get("authorization") == "Bearer hush-good"
            self.send_response(200 if good else 401)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def rules(tmp_path, vendor, monkeypatch):
    monkeypatch.setenv("GOOD_KEY", "hush-good")
    monkeypatch.setenv("BAD_KEY", "bad-hush")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    file = tmp_path / "rules.yaml"
    file.write_text(
        f"""
providers:
  well: {{kind: openai, api_base: "{vendor}", token: {{env: GOOD_KEY}}}}
  wrong-key: {{kind: openai, api_base: "{vendor}", token: {{env: BAD_KEY}}}}
  gone: {{kind: openai_compatible, api_base: "http://127.0.0.1:{closed}/v1", no_key_required: true}}
  off: {{kind: openai, api_base: "{vendor}", token: {{env: GOOD_KEY}}, enabled: false}}
rules:
  - {{name: r, request_model: m, services: [{{provider: well, model: m}}]}}
"""
    )
    return str(file)


def test_one_that_fails_makes_the_answer_no(rules, capsys):
    assert main(["probe", "--config", rules, "--format", "json"]) == 1
    out, err = capsys.readouterr()
    results = {r["provider"]: r for r in json.loads(out)}
    assert {name: (r["ok"], r["stage"], r["status"]) for name, r in results.items()} == {
        "well": (True, "authentication", 200),
        "wrong-key": (False, "authentication", 401),
        "gone": (False, "connectivity", None),
    }
    assert set(results["well"]) == {"provider", "ok", "stage", "status", "latency_ms", "message"}
    assert "hush" not in out + err


def test_one_provider_alone(rules, capsys):
    assert main(["probe", "--config", rules, "--provider", "well"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["provider", "ok", "stage", "status", "ms", "message"]
    assert lines[1].split()[:4] == ["well", "yes", "authentication", "200"]


def test_one_token_of_a_model(rules, capsys):
    assert main(["probe", "--config", rules, "--provider", "well", "--chat", "gpt-4o"]) == 0
    assert "ok: gpt-4o answered" in capsys.readouterr().out
    assert main(["probe", "--config", rules, "--provider", "wrong-key", "--chat", "gpt-4o"]) == 1


def test_a_model_off_a_providers_list_is_not_asked_for(rules, capsys):
    with open(rules) as file:
        text = file.read()
    with open(rules, "w") as file:
        file.write(text.replace("token: {env: GOOD_KEY}}", "token: {env: GOOD_KEY}, models: [m]}"))
    arguments = ["probe", "--config", rules, "--provider", "well", "--chat", "gpt-4o"]
    assert main([*arguments, "--format", "json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["stage"], result["message"]) == (
        "unsupported",
        "not tested: 'gpt-4o' is not in its models",
    )


def test_a_provider_that_is_switched_off_is_probed_when_it_is_named(rules):
    assert main(["probe", "--config", rules, "--provider", "off"]) == 0


def test_an_unknown_provider(rules, capsys):
    assert main(["probe", "--config", rules, "--provider", "nobody"]) == 2
    assert "unknown provider 'nobody'; known: gone, off, well, wrong-key" in capsys.readouterr().err


def test_no_rules(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("PILOTFISH_CONFIG", raising=False)
    assert main(["probe"]) == 2
    assert main(["probe", "--config", str(tmp_path / "none.yaml")]) == 2
    broken = tmp_path / "broken.yaml"
    broken.write_text("providers: {p: {kind: nonsense}}")
    assert main(["probe", "--config", str(broken)]) == 2
    err = capsys.readouterr().err
    assert "give --config PATH" in err
    assert "Traceback" not in err


def test_no_providers(tmp_path, capsys):
    empty = tmp_path / "rules.yaml"
    empty.write_text("rules: []")
    assert main(["probe", "--config", str(empty)]) == 0
    assert capsys.readouterr().out == "no providers to probe\n"


def test_a_library_that_is_missing_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pilotfish.credentials.store._installed", lambda extra: False)
    file = tmp_path / "rules.yaml"
    file.write_text(
        "providers: {b: {kind: bedrock, options: {profile: p}}}\nrules: [{name: r, request_model: m, services: [{provider: b, model: m}]}]"
    )
    assert main(["probe", "--config", str(file)]) == 1
    assert "pip install 'pilotfish[aws]'" in capsys.readouterr().out
