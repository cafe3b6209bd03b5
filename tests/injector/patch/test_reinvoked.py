"""What other webhooks did to a Pod that has the sidecar already."""

import copy

import jsonpatch
import pytest

from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.reinvoked import repaired_pod
from pilotfish.injector.patch.settings import PodContext, Sidecar

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))


@pytest.fixture(params=["native", "classic"])
def pod(request):
    """A Pod with the sidecar, as the next webhook gets it."""
    before = {
        "metadata": {"labels": {"pilotfish.dev/inject": "enabled"}},
        "spec": {"containers": [{"name": "app"}]},
    }
    here = PodContext(namespace="shop", native=request.param == "native")
    return inject(before, SIDECAR, here).pod


def add(pod, **container):
    pod["spec"]["containers"].append({"name": "agent", **container})


def env(container):
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def test_what_nobody_touched_is_left_alone(pod):
    add(pod, ports=[{"containerPort": 8080}])
    assert repaired_pod(pod, {}) is None


def test_a_container_that_takes_the_port_gets_it_and_everything_leads_to_another(pod):
    add(pod, ports=[{"containerPort": 14000}])
    before = copy.deepcopy(pod)
    done = repaired_pod(pod, {})
    assert done.is_repair
    assert jsonpatch.apply_patch(before, done.patch) == done.pod
    containers = [*done.pod["spec"].get("initContainers", ()), *done.pod["spec"]["containers"]]
    named = {c["name"]: c for c in containers}
    assert env(named["pilotfish"])["PILOTFISH_LISTEN"] == "127.0.0.1:14002"
    assert env(named["app"])["OPENAI_BASE_URL"] == "http://127.0.0.1:14002/v1"
    assert env(named["app"])["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:14002"
    assert "14000 is declared by container agent" in done.warnings[0]
    assert repaired_pod(done.pod, {}) is None, "once is enough"


def test_a_value_that_only_looks_like_ours_stays(pod):
    """14000 is the beginning of 140001; and what the application set itself is its own."""
    app = pod["spec"]["containers"][-1]
    app["env"] += [
        {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:140001/v1"},
        {"name": "OWN", "value": "http://127.0.0.1:14000"},
    ]
    add(pod, ports=[{"containerPort": 14000}])
    values = env(repaired_pod(pod, {}).pod["spec"]["containers"][-2])
    assert values["OPENAI_BASE_URL"] == "http://127.0.0.1:140001/v1"
    assert values["OWN"] == "http://127.0.0.1:14000"


def test_the_admin_port_moves_with_its_probes(pod):
    add(pod, ports=[{"containerPort": 14001}])
    done = repaired_pod(pod, {}).pod
    assert "14001" not in str(
        [c for kind in ("initContainers", "containers") for c in done["spec"].get(kind, ())
         if c["name"] == "pilotfish"]
    )  # fmt: skip


@pytest.mark.parametrize("where", ["pod", "namespace"])
def test_a_port_that_was_asked_for_does_not_move_and_that_is_said(pod, where):
    asked = {"pilotfish.dev/port": "14000"}
    if where == "pod":
        pod["metadata"]["annotations"] |= asked
    add(pod, ports=[{"containerPort": 14000}])
    done = repaired_pod(pod, asked if where == "namespace" else {})
    assert done.patch == []
    assert "pilotfish.dev/port asks for it" in done.warnings[0]


@pytest.mark.parametrize("status", ["", "no JSON", "[]", '{"port": "many"}'])
def test_a_status_that_is_not_ours_is_not_acted_upon(pod, status):
    pod["metadata"]["annotations"]["pilotfish.dev/status"] = status
    add(pod, ports=[{"containerPort": 14000}])
    assert repaired_pod(pod, {}) is None


def test_placeholders_give_way_to_a_role_that_came_after_them(pod):
    """Access keys come before a role in every SDK's search: S3 would get our placeholders."""
    app = pod["spec"]["containers"][-1]
    assert "AWS_ACCESS_KEY_ID" in env(app)
    app["env"].append({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/app"})
    before = copy.deepcopy(pod)
    done = repaired_pod(pod, {})
    assert jsonpatch.apply_patch(before, done.patch) == done.pod
    left = env(done.pod["spec"]["containers"][-1])
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & left.keys()
    assert left["AWS_ROLE_ARN"] == "arn:aws:iam::1:role/app"
    assert left["OPENAI_API_KEY"]
    assert left["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    assert repaired_pod(done.pod, {}) is None, "once is enough"


def test_keys_of_the_applications_own_never_give_way(pod):
    app = pod["spec"]["containers"][-1]
    for entry in app["env"]:
        if entry["name"].startswith("AWS_") and "KEY" in entry["name"]:
            entry["value"] = "its own"
    app["env"].append({"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/app"})
    assert repaired_pod(pod, {}) is None
