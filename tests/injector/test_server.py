"""The admission server: every answer lets the Pod run, and says what was done."""

import asyncio
import base64
import json

import jsonpatch
import pytest
from aiohttp.test_utils import TestClient, TestServer

from pilotfish.errors import Problem
from pilotfish.injector import server
from pilotfish.injector.cluster import Cluster
from pilotfish.injector.patch.settings import Reason, Sidecar
from pilotfish.injector.server import MAX_POD_MARKS, Admission
from pilotfish.telemetry.registry import Registry
from pilotfish.telemetry.series import INJECTIONS, INJECTOR_ONLY

ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
POD = {
    "metadata": {"name": "web", "labels": {"pilotfish.dev/inject": "enabled"}},
    "spec": {"containers": [{"name": "app", "image": "web:1"}]},
}


class Injector:
    def __init__(self, kube):
        self.now = 0.0
        self.registry = Registry(INJECTOR_ONLY)
        self.cluster = Cluster(kube, lambda: self.now)
        self.problems = []
        sidecar = Sidecar(image="pilotfish:1", configmaps=("rules",))
        self.admission = Admission(
            self.cluster, sidecar, self.registry, lambda source, configmap: self.problems
        )

    async def ask(self, path, kind, item, **request):
        body = {
            "uid": "u1",
            "kind": {"kind": kind},
            "namespace": "shop",
            "operation": "CREATE",
            "object": item,
            **request,
        }
        answer = await self.client.post(
            path, json={"apiVersion": "admission.k8s.io/v1", "request": body}
        )
        assert answer.status == 200
        return (await answer.json())["response"]

    def mutate(self, pod, **request):
        return self.ask("/mutate", "Pod", pod, **request)

    def counted(self):
        return {
            labels: child.value
            for labels, child in self.registry[INJECTIONS].children.items()
            if child.value
        }


@pytest.fixture
async def injector(kube, api):
    injector = Injector(kube)
    async with TestClient(TestServer(injector.admission.application())) as client:
        injector.client = client
        yield injector


def patched(pod, response):
    return jsonpatch.apply_patch(pod, json.loads(base64.b64decode(response["patch"])))


def test_what_may_be_counted_is_at_zero_before_the_first_pod(injector):
    """To Prometheus a series that begins with 1 has not increased: the alert on failed injections
    would miss the first.
    """
    assert injector.registry[INJECTIONS].children[("failed", "internal")].value == 0
    assert {r for result, r in injector.registry[INJECTIONS].children if result == "skipped"} == {
        r.value for r in Reason if r is not Reason.ALREADY_INJECTED
    }


async def test_a_pod_that_comes_again_is_no_pod_without_a_sidecar(injector):
    """Other webhooks' changes bring it here again: neither skipped nor injected twice."""
    once = patched(POD, await injector.mutate(POD))
    assert "patch" not in await injector.mutate(once)
    once["spec"]["containers"].append({"name": "b", "ports": [{"containerPort": 14000}]})
    again = patched(once, await injector.mutate(once))
    assert "127.0.0.1:14002" in str(again)
    assert injector.counted() == {
        ("injected", "classic"): 1,
        ("reinvoked", "unchanged"): 1,
        ("reinvoked", "repaired"): 1,
    }


async def test_a_problem_of_the_whole_document_has_a_place_too(injector):
    injector.problems = [Problem("configmap:shop/rules: a.yaml", "", "not YAML")]
    response = await injector.ask("/validate", "ConfigMap", {"metadata": {"name": "rules"}})
    assert response["status"]["message"] == "configmap:shop/rules: a.yaml: .: not YAML"


async def test_what_is_no_review_is_a_bad_request(injector):
    answer = await injector.client.post("/mutate", data=b"{")
    assert answer.status == 400
    assert "expected an AdmissionReview" in await answer.text()


async def test_a_pod_is_injected_even_if_nobody_says_who_may_watch(injector, api):
    api.refusals = [500]
    response = await injector.mutate(POD)
    assert patched(POD, response)["spec"]["containers"][0]["name"] == "pilotfish", (
        "classic, since the cluster's version is not known"
    )
    assert injector.counted() == {("injected", "classic"): 1}


async def test_a_bug_lets_the_pod_run(injector, monkeypatch):
    def broken(namespace):
        raise RuntimeError("a bug")

    monkeypatch.setattr(injector.cluster, "context", broken)
    response = await injector.mutate(POD)
    assert response["allowed"] is True
    assert "patch" not in response
    assert injector.counted() == {("failed", "internal"): 1}


async def test_a_skip_that_nobody_asked_for_is_told(injector):
    response = await injector.mutate({**POD, "spec": {**POD["spec"], "hostNetwork": True}})
    assert response["allowed"] is True
    assert response["warnings"] == [
        "pilotfish: no sidecar (host_network): with hostNetwork the sidecar's ports would be "
        "the node's"
    ]
    assert injector.counted() == {("skipped", "host_network"): 1}


async def test_an_opt_out_is_not_commented_on(injector):
    response = await injector.mutate(
        {**POD, "metadata": {"labels": {"pilotfish.dev/inject": "disabled"}}}
    )
    assert response == {"uid": "u1", "allowed": True}


async def test_a_dry_run_is_answered_the_same_and_not_counted(injector, api):
    api.refusals = [500]
    assert "patch" in await injector.mutate(POD, dryRun=True)
    assert injector.counted() == {}


@pytest.mark.parametrize(
    ("kind", "operation"), [("Deployment", "CREATE"), ("Pod", "UPDATE"), ("Pod", "DELETE")]
)
async def test_what_we_did_not_ask_for_is_let_through(injector, kind, operation):
    assert await injector.ask("/mutate", kind, POD, operation=operation) == {
        "uid": "u1",
        "allowed": True,
    }


async def test_an_account_that_may_not_watch_gets_its_rules_by_volume(injector, api):
    api.reply = {ACCESS: {"status": {"allowed": False}}}
    response = await injector.mutate(POD)
    assert "configMap" in json.dumps(patched(POD, response)["spec"]["volumes"])
    assert any("may not watch" in w for w in response["warnings"])


async def test_who_may_watch_is_asked_once_in_a_while(injector, api):
    api.reply = {ACCESS: {"status": {"allowed": True}}}
    for _ in range(3):
        await injector.mutate(POD)
    assert sum(path == ACCESS for _, path, _ in api.requests) == 2  # to list, and to watch
    injector.now += 60
    await injector.mutate(POD)
    assert sum(path == ACCESS for _, path, _ in api.requests) == 4
    spec = api.bodies[-1]["spec"]
    assert spec["user"] == "system:serviceaccount:shop:default"
    assert spec["resourceAttributes"]["name"] == "rules"


async def test_good_rules_pass_and_bad_ones_are_refused_in_the_words_of_check(injector):
    configmap = {"metadata": {"name": "rules"}, "data": {}}
    assert (await injector.ask("/validate", "ConfigMap", configmap))["allowed"] is True
    injector.problems = [
        Problem("configmap:shop/rules: a.yaml", "rules[0]", "unknown key 'x'"),
        Problem("s", "p", "m"),
    ]
    response = await injector.ask("/validate", "ConfigMap", configmap)
    assert response["allowed"] is False
    assert (
        response["status"]["message"]
        == "configmap:shop/rules: a.yaml: rules[0]: unknown key 'x'\ns: p: m"
    )


async def test_deleting_rules_and_other_kinds_are_not_ours_to_check(injector):
    injector.problems = [Problem("s", "p", "m")]
    assert (await injector.ask("/validate", "ConfigMap", None, operation="DELETE"))[
        "allowed"
    ] is True
    assert (await injector.ask("/validate", "Secret", {}))["allowed"] is True


async def test_a_bug_in_checking_lets_the_rules_through(injector):
    injector.admission._validate = lambda source, configmap: 1 / 0
    response = await injector.ask("/validate", "ConfigMap", {"metadata": {"name": "r"}})
    assert response["allowed"] is True
    assert response["warnings"]


@pytest.mark.parametrize("spec", [{"x": "y" * 10_000}, {"x": [0] * MAX_POD_MARKS}])
async def test_a_pod_that_is_too_large_to_read_runs_and_is_told_why(injector, spec, monkeypatch):
    monkeypatch.setattr(server, "MAX_POD_BYTES", 10_000 if len(spec["x"]) == 10_000 else 10**7)
    monkeypatch.setattr(server, "read_review", lambda body: pytest.fail("it was read"))
    response = await injector.mutate({**POD, "spec": {**POD["spec"], **spec}})
    assert (response["uid"], response["allowed"], "patch" in response) == ("u1", True, False)
    assert "no sidecar (too_large)" in response["warnings"][0]
    assert injector.counted() == {("skipped", "too_large"): 1}


async def test_what_is_too_large_and_no_review_is_a_bad_request(injector):
    answer = await injector.client.post("/mutate", data=b"[" * (MAX_POD_MARKS + 1))
    assert answer.status == 400


@pytest.mark.parametrize("waits", ["1ms", "?", "99999999s"])
async def test_an_answer_that_takes_too_long_is_given_without_the_sidecar(
    injector, monkeypatch, waits
):
    """Before the API server stops waiting: it would log that the webhook failed, and tell nobody.
    It says how long it waits.
    """

    async def never(*args):
        await asyncio.Event().wait()

    monkeypatch.setattr(server, "DEADLINE_S", 0.001)
    monkeypatch.setattr(injector.cluster, "look_at_rules", never)
    response = await injector.ask(f"/mutate?timeout={waits}", "Pod", POD)
    assert (response["allowed"], "patch" in response) == (True, False)
    assert "took too long" in response["warnings"][0]
    assert injector.counted() == {("failed", "deadline"): 1}
