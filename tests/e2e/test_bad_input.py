"""Bad rules, bad requests, bad context: each has a clear error, and no traceback reaches
anybody.
"""

from __future__ import annotations

import asyncio
import os
import socket

import orjson
import pytest

from harness import command, environment, proxied, until

GOOD = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}]
"""
MANY = """
providers:
  v: {kind: opnai, api_base: http://127.0.0.1:9/v1, no_key_required: true}
  w: {kind: openai, no_key_required: true, colour: red}
rules:
  - {name: r, request_model: m, services: [{provider: w, model: x, weight: -1}]}
  - {name: r, request_model: n, services: [{provider: nobody, model: x}]}
  - {name: s, request_model: 7, services: [], unknown_key: 1}
  - {name: t, request_model: t, services: [{provider: w, model: x}], lb_tactic: {type: random}, retries: {max_retries: many}}
"""


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, GOOD.format(base=vendor.base), max_body_bytes=1000) as proxy:
        yield proxy


async def run(*args: str, **env: str) -> tuple[int | None, str, str]:
    child = await asyncio.create_subprocess_exec(
        *command(*args),
        env=environment(**env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await child.communicate()
    return child.returncode, out.decode(), errors.decode()


# Rules


@pytest.mark.parametrize(
    "text", ["rules: [", "rules: {a: b", "- just\n- a list", "\tx: 1", "a: *nowhere"]
)
async def test_rules_that_are_not_yaml_leave_the_proxy_alive_and_not_ready(tmp_path, text):
    async with proxied(tmp_path, text) as proxy:
        assert (await proxy.admin("/healthz")).status == 200
        assert (await proxy.admin("/readyz")).status == 503
        rules = (await proxy.status())["rules"]
        assert (rules["version"], len(rules["problems"]) > 0) == (None, True)
        assert rules["problems"][0]["source"].endswith("rules.yaml")
        assert rules["problems"][0]["message"]
        answer = await proxy.chat("m")
        assert (answer.status, "rules" in answer.json["error"]["message"]) == (503, True)
        assert answer.headers["retry-after"]


async def test_all_problems_of_a_file_are_told_at_once_with_their_places(tmp_path):
    async with proxied(tmp_path, MANY) as proxy:
        problems = (await proxy.status())["rules"]["problems"]
        assert await proxy.metric("pilotfish_config_problems") == len(problems)
    told = {p["path"]: p["message"] for p in problems}
    assert "'opnai'" in told["providers.v.kind"]
    assert "openai" in told["providers.v.kind"]
    for path, word in {
        "providers.w.colour": "unknown",
        "rules[0].services[0].weight": "-1",
        "rules[1].name": "r",
        "rules[1].services[0].provider": "nobody",
        "rules[2].unknown_key": "unknown",
        "rules[3].retries.max_retries": "many",
    }.items():
        assert word in told[path], (path, told)
    assert all(p["source"].endswith("rules.yaml") for p in problems)


async def test_check_tells_the_same_one_a_line(tmp_path):
    path = tmp_path / "many.yaml"
    path.write_text(MANY)
    code, out, errors = await run("check", str(path))
    assert code == 1
    async with proxied(tmp_path, MANY) as proxy:
        problems = (await proxy.status())["rules"]["problems"]
    lines = out.splitlines() + errors.splitlines()
    for problem in problems:
        assert any(line.startswith(f"{path}: {problem['path']}: ") for line in lines), problem


async def test_a_missing_secret_leaves_its_service_out_and_the_others_serve(tmp_path, vendor):
    rules = f"""
providers:
  keyless: {{kind: openai, api_base: {vendor.base}/v1, token: {{env: NOT_SET_ANYWHERE}}}}
  lost: {{kind: openai, api_base: {vendor.base}/v1, token: {{secret: {{name: llm-keys, key: gone}}}}}}
  v: {{kind: openai, api_base: {vendor.base}/v1, no_key_required: true}}
rules:
  - name: r
    request_model: m
    services: [{{provider: keyless, model: a}}, {{provider: lost, model: b}}, {{provider: v, model: sim-n2, tier: 1}}]
"""
    async with proxied(tmp_path, rules, secrets_dir=str(tmp_path)) as proxy:
        problems = {p["path"]: p["message"] for p in (await proxy.status())["rules"]["problems"]}
        assert "NOT_SET_ANYWHERE" in problems["providers.keyless.token"]
        assert "gone" in problems["providers.lost.token"]
        assert (await proxy.admin("/readyz")).status == 200
        for _ in range(3):
            answer = await proxy.chat("m")
            assert (answer.status, answer.headers["x-pilotfish-service"]) == (200, "v/sim-n2")
        assert "no usable credential" in (await proxy.service("keyless", "a"))["reason"]
        assert (await proxy.chat("keyless/a")).status == 503
    assert {seen.model for seen in vendor.requests} == {"sim-n2"}


async def test_a_literal_key_is_refused_without_being_repeated(tmp_path):
    rules = "providers: {p: {kind: openai, token: sk-hush-literal}}"
    async with proxied(tmp_path, rules) as proxy:
        status = await proxy.admin("/status")
    assert status.json["rules"]["problems"]
    assert "hush" not in status.text


# Requests


def without_traceback(text: str) -> bool:
    return "Traceback" not in text and ".py" not in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"model": "m"',
        b'{"model": "m"} trailing',
        b"\xff\xfe{",
        b'{"model": "\xff"}',
        b"\x00" * 20,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1beta/models/m:generateContent",
        "/model/m/converse",
    ],
)
async def test_a_body_that_is_not_a_json_object_is_400_in_the_clients_style(
    proxy, vendor, path, body
):
    answer = await proxy.post(path, body)
    assert answer.status == 400
    error = answer.json if path.startswith("/model/") else answer.json["error"]
    assert error["message"]
    assert without_traceback(answer.text)
    assert answer.headers["x-request-id"]
    assert not vendor.requests


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"messages": []}, 404, "without a model"),
        ({"model": "unheard-of", "messages": []}, 404, "'unheard-of'"),
        ({"model": 7, "messages": []}, 400, "found 7"),
        ({"model": None, "messages": []}, 400, "found null"),
        ({"model": "nobody/x", "messages": []}, 404, "'nobody/x'"),
        ({"model": "", "messages": []}, 404, "without a model"),
    ],
)
async def test_a_model_that_is_missing_unknown_or_no_text(proxy, vendor, body, status, named):
    answer = await proxy.post("/v1/chat/completions", body)
    assert answer.status == status
    assert named in answer.json["error"]["message"]
    assert proxy.record()["code"] == status
    assert not vendor.requests


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_that_is_too_large_is_413_whether_its_length_was_told_or_not(
    proxy, vendor, told
):
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 2000}]})

    async def in_pieces():
        for i in range(0, len(body), 400):
            yield body[i : i + 400]

    async with proxy.http.post(
        f"{proxy.base}/v1/chat/completions", data=body if told else in_pieces()
    ) as answer:
        assert answer.status == 413
        assert "1000 bytes" in (await answer.json())["error"]["message"]
    assert not vendor.requests
    assert await proxy.metric("pilotfish_requests_total", code="413") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/unheard",
        "/v2/chat/completions",
        "/v1/images/../chat",
        "/v1beta/models/m:dance",
    ],
)
async def test_an_unknown_path_is_404(proxy, path):
    answer = await proxy.post(path, {"model": "m"})
    assert answer.status == 404
    assert answer.json["error"]["message"]


async def test_a_wrong_method_is_405(proxy):
    async with proxy.http.get(f"{proxy.base}/v1/embeddings") as answer:
        assert answer.status == 405
        assert "POST" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n", b"501"), (b"POST / HTTQ/1.1\r\n\r\n", b"400")],
)
async def test_what_is_not_http_is_refused_and_ends_the_connection(proxy, sent, status):
    reader, writer = await asyncio.open_connection(*proxy.app.listen)
    writer.write(sent)
    said = await reader.read()
    assert said.startswith(b"HTTP/1.1 " + status)
    writer.close()
    assert (await proxy.chat("m")).status == 200


async def test_a_request_nobody_can_answer_says_what_was_tried(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with proxied(
            tmp_path, GOOD.format(base=base) + "defaults: {retries: {base_ms: 1}}\n"
        ) as proxy:
            answer = await proxy.chat("m")
            assert answer.status == 502
            assert without_traceback(answer.text)
            assert {a["outcome"] for a in proxy.record()["attempts"]} == {"connect_failed"}


# The process


@pytest.mark.parametrize("which", ["--listen", "--admin-listen"])
async def test_a_taken_port_is_one_line_and_exit_code_2(tmp_path, vendor, which):
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD.format(base=vendor.base))
    other = {"--listen": "--admin-listen", "--admin-listen": "--listen"}[which]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, errors = await run(
            "proxy", "--config", str(path), which, at, other, "127.0.0.1:0", "--log-level", "error"
        )
    assert (code, out, len(errors.splitlines())) == (2, "", 1)
    assert at in errors
    assert "taken" in errors


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--drain-seconds", "soon"], "DRAIN_SECONDS"),
        (["--max-in-flight", "0"], "MAX_IN_FLIGHT"),
        (["--event-loop", "curio"], "EVENT_LOOP"),
        (["--log-level", "loud"], "LOG_LEVEL"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_code_2(args, named):
    code, out, errors = await run("proxy", *args)
    assert (code, out, len(errors.splitlines())) == (2, "", 1)
    assert named in errors


async def test_a_file_that_is_not_there_leaves_the_proxy_waiting_for_it(tmp_path, vendor):
    async with proxied(tmp_path, "rules: [") as proxy:
        os.remove(proxy.rules)

        async def gone() -> bool:
            return any(
                "cannot be read" in p["message"]
                for p in (await proxy.status())["rules"]["problems"]
            )

        await until(gone)
        assert (await proxy.admin("/readyz")).status == 503
        proxy.rules.write_text(GOOD.format(base=vendor.base))

        async def ready() -> bool:
            return (await proxy.admin("/readyz")).status == 200

        await until(ready)
        assert (await proxy.chat("m")).status == 200
