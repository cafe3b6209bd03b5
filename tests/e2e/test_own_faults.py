"""What goes wrong on our own side: no descriptor is left, or there is an error in our code. One
request's trouble stays its own.
"""

from __future__ import annotations

import asyncio

import aiohttp
import orjson
import pytest

from harness import command, environment, proxied, until
from pilotfish import styles
from pilotfish.proxy.request import ProxyRequest
from pilotfish.proxy.translation import Translation
from pilotfish.simulated import Fault

RULES = """
providers: {{v: {{kind: openai, api_base: {base}/v1, no_key_required: true}}}}
rules: [{{name: r, request_model: m, services: [{{provider: v, model: sim-n2}}]}}]
"""
REQUESTS = 40


@pytest.fixture
async def proxy(tmp_path, vendor):
    async with proxied(tmp_path, RULES.format(base=vendor.base)) as proxy:
        yield proxy


def nothing_is_left(proxy) -> bool:
    engine = proxy.app.engine
    return not engine.in_flight and not any(
        state.in_flight for state in engine.ledger.services.values()
    )


@pytest.mark.interpreted
async def test_an_error_while_a_request_begins_is_a_500_and_nothing_stays_in_flight(
    proxy, monkeypatch
):
    begin = ProxyRequest.begin

    def broken(self, now):
        begin(self, now)
        raise ZeroDivisionError

    monkeypatch.setattr(ProxyRequest, "begin", broken)
    answer = await proxy.chat("m")
    assert (answer.status, answer.json["error"]["code"]) == (500, "internal_error")
    assert "ZeroDivision" not in answer.text
    assert nothing_is_left(proxy)
    assert proxy.record()["code"] == 500
    monkeypatch.undo()
    assert (await proxy.chat("m")).status == 200


@pytest.mark.interpreted
async def test_an_error_while_an_error_is_told_ends_the_connection_and_the_drain_does_not_wait_for_it(
    proxy, monkeypatch
):
    def broken(self, *now):
        raise ZeroDivisionError

    monkeypatch.setattr(ProxyRequest, "begin", broken)
    monkeypatch.setattr(ProxyRequest, "_reply_failure", broken)
    with pytest.raises(aiohttp.ClientError):
        await proxy.chat("m")
    assert not proxy.app.engine.in_flight
    assert proxy.app.engine.in_flight.idle.is_set()


@pytest.mark.interpreted
async def test_an_error_in_one_requests_clock_does_not_stop_the_others_clocks(
    proxy, vendor, monkeypatch
):
    gate = asyncio.Event()
    vendor.always(Fault.hold(gate))
    tick = ProxyRequest.tick

    def broken(self, now):
        if self.record.request_id == "unlucky":
            raise ZeroDivisionError
        tick(self, now)

    monkeypatch.setattr(ProxyRequest, "tick", broken)
    lucky = asyncio.create_task(proxy.chat("m"))
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = await proxy.post("/v1/chat/completions", body, {"x-request-id": "unlucky"})
    assert answer.status == 500
    assert proxy.app.engine.in_flight._is_ticking
    gate.set()
    assert (await lucky).status == 200
    assert nothing_is_left(proxy)


@pytest.mark.interpreted
async def test_an_error_at_an_answers_end_is_told_and_nothing_stays_in_flight(proxy, monkeypatch):
    def broken(self, call):
        raise ZeroDivisionError

    told = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: told.append(context["exception"])
    )
    monkeypatch.setattr(Translation, "inspector", broken)
    answer = await proxy.chat("m")
    assert (answer.status, "inside the proxy" in answer.json["error"]["message"]) == (502, True)
    assert nothing_is_left(proxy)
    assert {type(e) for e in told} == {ZeroDivisionError}


def test_styles_that_could_not_be_looked_up_once_are_found_the_next_time(monkeypatch):
    """Without a descriptor the folder seems to be empty; the proxy once remembered that, and served
    nobody any more.
    """
    monkeypatch.setattr(styles, "names", styles.names.__wrapped__)
    monkeypatch.setattr(styles, "names_in", lambda path: ())
    with pytest.raises(OSError, match="cannot be read"):
        styles.get.__wrapped__("openai")
    monkeypatch.undo()
    assert "openai" in styles.names()


@pytest.mark.parametrize("event_loop", ["uvloop", "asyncio"])
async def test_without_descriptors_requests_are_told_so_and_no_service_is_put_out(
    tmp_path, vendor, event_loop
):
    gate = asyncio.Event()
    vendor.always(Fault.hold(gate))
    (tmp_path / "rules.yaml").write_text(RULES.format(base=vendor.base))
    args = [
        "proxy",
        "--config",
        str(tmp_path / "rules.yaml"),
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]
    args += ["--event-loop", event_loop, "--log-format", "json"]
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", 'ulimit -n 48; exec "$@"', "sh", *command(*args),
        env=environment(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    try:
        said = [orjson.loads(await child.stderr.readline())]
        while said[-1]["event"] != "listening":
            said.append(orjson.loads(await child.stderr.readline()))
        warning = next(line for line in said if line["event"] == "few_descriptors")
        assert (warning["limit"], warning["needed"] > 2000) == (48, True)
        base, admin = f"http://{said[-1]['listen']}", f"http://{said[-1]['admin']}"
        body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        answers: list[tuple[int, str]] = []

        async def ask(http: aiohttp.ClientSession) -> None:
            try:
                async with http.post(f"{base}/v1/chat/completions", data=body) as answer:
                    answers.append((answer.status, await answer.text()))
            except aiohttp.ClientError as e:
                answers.append((0, str(e)))  # its connection could not even be taken

        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True)
        ) as http:
            asking = [asyncio.create_task(ask(http)) for _ in range(REQUESTS)]
            await until(lambda: any(status == 503 for status, _ in answers), 20)
            gate.set()
            await asyncio.gather(*asking)
            assert {status for status, _ in answers} <= {0, 200, 503}
            assert all("Too many open files" in text for status, text in answers if status == 503)
            await ask(http)
            assert answers[-1][0] == 200
            async with http.get(f"{admin}/status") as answer:
                service = orjson.loads(await answer.read())["services"][0]
        assert (
            service["state"],
            service["in_flight"],
            service["outcomes"]["connect_failed"] > 0,
        ) == ("serving", 0, True)
        child.terminate()
        rest = await child.stderr.read()
        assert await child.wait() == 0
        assert b"Traceback" not in rest
        assert len(rest.splitlines()) < 20
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
