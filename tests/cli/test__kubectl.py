"""`kubectl pilotfish` against a running proxy. The kubectl here answers as the real one does, but
for the road to the Pod: its port-forward names the port where the proxy listens.
"""

import asyncio
import json
import sys

import pytest

from harness import proxied
from pilotfish.cli._kubectl import STATUS, admin_port_of, main
from pilotfish.errors import StartError
from pilotfish.simulated import Fault, SimulatedVendor

RULES = """
providers: {{acme: {{kind: openai, api_base: "{base}/v1", no_key_required: true}}}}
rules: [{{name: chat, request_model: m, services: [{{provider: acme, model: sim-n2}}]}}]
"""
KUBECTL = """#!{python}
import json, signal, sys, time
words = [w for w in sys.argv[1:] if not w.startswith("--")]
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
objects = json.load(open({objects!r}))
if words[0] == "get":
    if words[1] not in objects:
        sys.exit(f'Error from server (NotFound): {{words[1]}} not found')
    print(json.dumps(objects[words[1]]))
elif words[2] != ":15001":
    sys.exit(f"error: nobody listens at {{words[2]}}")
else:
    print("Forwarding from 127.0.0.1:{port} -> 15001", flush=True)
    signal.pause()
"""


def pod(name="web-1", phase="Running", **annotations):
    return {
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "app"}]},
        "status": {"phase": phase},
    }


INJECTED = {STATUS: json.dumps({"admin_port": 15001})}


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with (
        SimulatedVendor() as vendor,
        proxied(tmp_path, RULES.format(base=vendor.base)) as proxy,
    ):
        vendor.script(Fault.status(429, retry_after=300))
        await proxy.chat("m")
        program, objects = tmp_path / "kubectl", tmp_path / "objects.json"
        proxy.log_of_kubectl = tmp_path / "kubectl.log"
        filled = KUBECTL.format(
            python=sys.executable,
            log=str(proxy.log_of_kubectl),
            objects=str(objects),
            port=proxy.app.admin_listen[1],
        )
        program.write_text(filled)
        program.chmod(0o755)
        monkeypatch.setenv("KUBECTL", str(program))

        async def run(*words, **has):
            known = {"pod/web-1": pod(**INJECTED), **has}
            objects.write_text(json.dumps({k.replace("__", "/"): v for k, v in known.items()}))
            return await asyncio.to_thread(main, words)

        proxy.kubectl = run
        yield proxy


async def test_the_status_of_a_pod_is_that_of_its_proxy(world, capsys):
    assert await world.kubectl("status", "web-1", "-n", "shop", "--context", "prod") == 0
    shown = capsys.readouterr().out
    assert "acme/sim-n2" in shown
    assert "cooling" in shown
    log = world.log_of_kubectl.read_text()
    assert log.splitlines() == [
        "--namespace=shop --context=prod get pod/web-1 --output=json",
        "--namespace=shop --context=prod port-forward --address=127.0.0.1 pod/web-1 :15001",
    ]


async def test_scripts_get_json(world, capsys):
    assert await world.kubectl("status", "web-1", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["state"] == "cooling"


async def test_a_deployment_stands_for_one_of_its_pods_that_run_with_a_proxy(world, capsys):
    deployment = {"kind": "Deployment", "spec": {"selector": {"matchLabels": {"app": "web"}}}}
    pods = [pod("web-0", "Pending", **INJECTED), pod("web-9"), pod("web-1", **INJECTED)]
    found = {"deployment/web": deployment, "pods": {"items": pods}}
    assert await world.kubectl("status", "deployment/web", **found) == 0
    log = world.log_of_kubectl.read_text()
    assert "get pods --selector=app=web" in log
    assert "pod/web-1 :15001" in log
    found["pods"] = {"items": pods[:2]}
    assert await world.kubectl("status", "deployment/web", **found) == 2
    assert "none of its 2 Pods runs with a proxy" in capsys.readouterr().err


async def test_explain_asks_the_proxy_with_what_it_knows_now(world, tmp_path, capsys):
    request = tmp_path / "request.json"
    request.write_text('{"model": "m", "messages": []}')
    assert await world.kubectl("explain", "web-1", "--request", str(request)) == 0
    shown = capsys.readouterr().out
    assert "rule        chat" in shown
    assert "acme/sim-n2" in shown
    assert "cooling" in shown, "its health is that of the Pod"
    request.write_text('{"model": "other"}')
    assert await world.kubectl("explain", "web-1", "--request", str(request)) == 1
    assert "no rule takes it" in capsys.readouterr().out
    request.write_text("not JSON")
    assert await world.kubectl("explain", "web-1", "--request", str(request)) == 2


async def test_reset_puts_a_service_back(world, capsys):
    assert await world.kubectl("reset", "web-1", "--service", "acme/sim-n2") == 0
    assert (await world.status())["services"][0]["state"] == "serving"


async def test_what_kubectl_says_of_its_failures_is_passed_on(world, capsys):
    assert await world.kubectl("status", "gone") == 2
    assert "Error from server (NotFound): pod/gone not found" in capsys.readouterr().err
    elsewhere = pod(**{STATUS: json.dumps({"admin_port": 9})})
    assert await world.kubectl("status", "web-1", **{"pod/web-1": elsewhere}) == 2
    assert "nobody listens at :9" in capsys.readouterr().err


def test_without_kubectl_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setenv("KUBECTL", "/nowhere/kubectl")
    assert main(["status", "web-1"]) == 2
    assert "/nowhere/kubectl cannot be run: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("annotation", ["", "not json", "{}"])
def test_a_gateways_pod_has_a_named_port_and_others_have_no_proxy(annotation):
    found = pod(**{STATUS: annotation})
    with pytest.raises(StartError, match="pod/web-1 has no proxy in it"):
        admin_port_of(found)
    port = {"name": "admin", "containerPort": 14001}
    found["spec"]["containers"].append({"name": "gateway", "ports": [port]})
    assert admin_port_of(found) == 14001
    sidecar = {"name": "pilotfish-admin", "containerPort": 15001}
    found["spec"]["initContainers"] = [{"name": "pilotfish", "ports": [sidecar]}]
    assert admin_port_of(found) == 15001


async def test_top_shows_the_same_until_it_is_interrupted(world, capsys, monkeypatch):
    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("pilotfish.cli.top.time.sleep", stop)
    assert await world.kubectl("top", "web-1") == 0
    assert "acme/sim-n2" in capsys.readouterr().out
