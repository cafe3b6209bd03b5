"""Pods that nobody means: a sidecar or a reason why not, and never more work than in proportion to
what the Pod holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonpatch
import pytest

from hostile.steps import LOOP_S, cpu_s, steps
from pilotfish.injector.patch.annotations import MAX_NAMES
from pilotfish.injector.patch.manifests import UnreadableManifest, inject_manifest
from pilotfish.injector.patch.pod import MAX_ENTRIES, MAX_VALUES, inject
from pilotfish.injector.patch.settings import STATUS, Injected, PodContext, Reason, Sidecar, Skipped

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))
HERE = PodContext(namespace="shop", native=True)
LABELS = {"pilotfish.dev/inject": "enabled"}
AWS = [{"name": "AWS_ROLE_ARN", "value": "x"}]
KEYS = [{"name": "AWS_ACCESS_KEY_ID", "value": "pilotfish-placeholder"}]
OWN = {"name": "pilotfish", "restartPolicy": "Always", "env": [{"name": "PILOTFISH_LISTEN"}]}


def pod(annotations: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": LABELS, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "app"}], **spec},
    }


def containers(n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"c{i}", **more} for i in range(n)]


def ports(first: int, last: int) -> list[dict[str, int]]:
    return [{"containerPort": port} for port in range(first, last + 1)]


def names(n: int, separator: str = ",") -> str:
    return separator.join(f"secret-{i}" for i in range(n))


def status_of(**more: Any) -> str:
    return json.dumps({"mode": "native", "port": 14000, "admin_port": 14001, **more})


# What it is, how many fit, and the Pod with so many.
GROWING: dict[str, tuple[int, Callable[[int], dict[str, Any]]]] = {
    "containers": (256, lambda n: pod(containers=containers(n))),
    "containers with variables": (256, lambda n: pod(containers=containers(n, env=AWS))),
    "containers that come from elsewhere": (256, lambda n: pod(containers=containers(n, envFrom=[{}]))),
    "init containers": (256, lambda n: pod(initContainers=containers(n))),
    "variables": (5000, lambda n: pod(containers=[{"name": "a", "env": containers(n)}])),
    "variables of one name": (5000, lambda n: pod(containers=[{"name": "a", "env": AWS * n}])),
    "ports": (9000, lambda n: pod(containers=[{"name": "a", "ports": ports(20000, 20000 + n)}])),
    "ports from ours on": (9000, lambda n: pod(containers=[{"name": "a", "ports": ports(14000, 14000 + n)}])),
    "volumes": (1024, lambda n: pod(volumes=[{"name": f"v{i}", "emptyDir": {}} for i in range(n)])),
    "volumes of our names": (1024, lambda n: pod({"pilotfish.dev/secrets": "a"}, volumes=[{"name": f"pilotfish-secret-a-{i}"} for i in range(1, n)] + [{"name": "pilotfish-secret-a"}])),
    "mounts": (4000, lambda n: pod(containers=[{"name": "a", "volumeMounts": containers(n)}])),
    "secrets": (20000, lambda n: pod({"pilotfish.dev/secrets": names(n)})),
    "secrets that are none": (20000, lambda n: pod({"pilotfish.dev/secrets": names(n).upper()})),
    "configmaps": (20000, lambda n: pod({"pilotfish.dev/configmaps": names(n)})),
    "pull secrets asked for": (20000, lambda n: pod({"pilotfish.dev/image-pull-secrets": names(n)})),
    "pull secrets of its own": (4000, lambda n: pod({"pilotfish.dev/image-pull-secrets": names(64)}, imagePullSecrets=containers(n))),
    "annotations": (9000, lambda n: pod({f"pilotfish.dev/x{i}": "y" for i in range(n)})),
    "a sidecar's status": (9000, lambda n: pod({STATUS: status_of(env=names(n).split(","))}, initContainers=[OWN], containers=[{"name": "a", "ports": ports(14000, 14000), "env": containers(min(n, 3000))}])),
    "placeholders": (3000, lambda n: pod({STATUS: status_of()}, initContainers=[OWN], containers=[{"name": "a", "env": AWS + KEYS * n}])),
    "tolerations": (4000, lambda n: pod(tolerations=containers(n))),
}  # fmt: skip


def injected(made: dict[str, Any]) -> Callable[[], Any]:
    return lambda: inject(made, SIDECAR, HERE)


@pytest.mark.interpreted
@pytest.mark.parametrize("what", GROWING)
def test_twice_the_pod_is_twice_the_work_and_never_too_much(what: str) -> None:
    most, make = GROWING[what]
    injected(make(2))()
    small, large = steps(injected(make(most // 40))), steps(injected(make(most // 20)))
    assert large <= 2.5 * small + 5000, f"{small} steps, {large} for twice as much"
    assert cpu_s(injected(make(most))) < LOOP_S


@pytest.mark.parametrize("what", GROWING)
def test_the_patch_leads_from_the_pod_to_what_is_meant(what: str) -> None:
    _, make = GROWING[what]
    made = json.loads(json.dumps(make(20)))
    result = inject(made, SIDECAR, HERE)
    assert isinstance(result, Injected)
    assert jsonpatch.apply_patch(made, result.patch) == result.pod


TOO_LARGE: dict[str, Callable[[], dict[str, Any]]] = {
    "every port that there is": lambda: pod(containers=[{"name": "a", "ports": ports(1024, 65535)}]),
    "20,000 containers": lambda: pod(containers=containers(20_000)),
    "20,000 init containers": lambda: pod(initContainers=containers(20_000)),
    "a container more than fits": lambda: pod(containers=containers(MAX_ENTRIES["containers"] + 1)),
    "100,000 volumes": lambda: pod(volumes=containers(100_000)),
    "a million variables": lambda: pod(containers=[{"name": "a", "env": [{}] * 1_000_000}]),
    "100,000 labels": lambda: {"metadata": {"labels": {**LABELS, **{f"l{i}": "" for i in range(100_000)}}}, "spec": {"containers": [{}]}},
    "values in a field of nobody's": lambda: pod(x=[[]] * (MAX_VALUES + 1)),
    "20,000 containers and a sidecar": lambda: pod({STATUS: status_of()}, initContainers=[OWN], containers=containers(20_000)),
}  # fmt: skip


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_is_too_large_stays_as_it_is_and_that_is_told(what: str) -> None:
    made = TOO_LARGE[what]()
    result = inject(made, SIDECAR, HERE)
    assert isinstance(result, Skipped)
    assert result.reason is Reason.TOO_LARGE
    assert "at most" in result.detail or "more than" in result.detail
    assert cpu_s(injected(made)) < LOOP_S


def test_of_very_many_secrets_some_are_mounted_and_the_rest_is_told() -> None:
    result = inject(pod({"pilotfish.dev/secrets": names(20_000)}), SIDECAR, HERE)
    assert isinstance(result, Injected)
    mounted = [v for v in result.pod["spec"]["volumes"] if "secret" in v]
    assert len(mounted) == MAX_NAMES
    assert any("20000 names" in warning for warning in result.warnings)


MALFORMED: dict[str, Any] = {
    "nothing": {},
    "no metadata": {"spec": {"containers": [{}]}},
    "metadata that is a list": {"metadata": [], "spec": {"containers": [{}]}},
    "labels that are a text": {"metadata": {"labels": "x"}, "spec": {"containers": [{}]}},
    "a label that is a list": {"metadata": {"labels": {"pilotfish.dev/inject": []}}, "spec": {}},
    "no spec": {"metadata": {"labels": LABELS}},
    "a spec that is a number": {"metadata": {"labels": LABELS}, "spec": 1},
    "containers that are an object": pod(containers={"a": 1}),
    "containers that are a text": pod(containers="abc"),
    "a container that is null": pod(containers=[None]),
    "a container that is a number": pod(containers=[1]),
    "variables that are a text": pod(containers=[{"name": "a", "env": "abc"}]),
    "variables that are numbers": pod(containers=[{"name": "a", "env": [1, 2]}]),
    "a variable named by a list": pod(containers=[{"name": "a", "env": [{"name": ["a"]}]}]),
    "ports that are texts": pod(containers=[{"name": "a", "ports": ["80"]}]),
    "a port that is an object": pod(containers=[{"name": "a", "ports": [{"containerPort": {}}]}]),
    "a port that is null": pod(containers=[{"name": "a", "ports": [{"containerPort": None}]}]),
    "volumes that are numbers": pod(volumes=[1]),
    "a volume named by an object": pod(volumes=[{"name": {}}]),
    "an annotation that is a number": pod({"pilotfish.dev/secrets": 5}),
    "a status that is no JSON": pod({STATUS: "{"}, initContainers=[OWN]),
    "a status that is a list": pod({STATUS: "[]"}, initContainers=[OWN]),
    "a status that is deep": pod({STATUS: "[" * 100_000}, initContainers=[OWN]),
    "a status of texts": pod({STATUS: '{"port": "x", "env": 5, "mode": []}'}, initContainers=[OWN]),
    "resources that are a list": pod(containers=[{"name": "a", "resources": [1]}]),
    "a quantity of a megabyte": pod(containers=[{"name": "a", "resources": {"limits": {"cpu": "9" * 1_000_000}}}]),
    "a grace period of words": pod(terminationGracePeriodSeconds="soon"),
    "a grace period beyond 64 bits": pod(terminationGracePeriodSeconds=10**40),
    "an operating system that is a text": pod(os="linux"),
    "keys with slashes and tildes": pod({"a/b~c": "x", "": "y"}),
    "names with line ends": pod({"pilotfish.dev/image": "a\nb"}, containers=[{"name": "a\r\nb"}]),
    "an image of a megabyte": pod({"pilotfish.dev/image": "a" * 1_000_000}),
    "a port of a megabyte": pod({"pilotfish.dev/port": "1" * 1_000_000}),
    "a cpu of letters": pod({"pilotfish.dev/cpu": "a" * 100_000}),
    "a memory of dots": pod({"pilotfish.dev/memory": "." * 100_000}),
    "a namespace/name/name": pod({"pilotfish.dev/configmaps": "a/b/c,//,/,a/"}),
    "a name with a path": pod({"pilotfish.dev/secrets": "../../etc,..,."}),
    "lone surrogates": pod({"pilotfish.dev/secrets": "\ud800"}, containers=[{"name": "\udfff"}]),
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_no_pod_keeps_others_from_theirs(what: str) -> None:
    made = MALFORMED[what]
    before = json.dumps(made)
    result = inject(made, SIDECAR, HERE)
    assert json.dumps(made) == before, "the Pod itself is never touched"
    if isinstance(result, Injected):
        assert jsonpatch.apply_patch(made, result.patch) == result.pod
        assert "../" not in json.dumps(result.patch)
    else:
        assert len(result.detail) < 1000
    assert all(len(warning) < 1000 for warning in result.warnings)


def deep(n: int) -> str:
    return "a: " + "[" * n + "]" * n


def bomb(levels: int, merge: bool) -> str:
    lines = ["a0: &a0 {x: y}"]
    for i in range(1, levels):
        nine = ", ".join([f"*a{i - 1}"] * 9)
        lines.append(f"a{i}: &a{i} {{<<: [{nine}]}}" if merge else f"a{i}: &a{i} [{nine}]")
    return "\n".join([*lines, "kind: Pod"])


MANIFESTS = {
    "aliases that unfold without end": bomb(12, merge=False),
    "merges that unfold without end": bomb(12, merge=True),
    "a thousand merges": "a: &a {x: y}\n" + "\n".join(f"b{i}: &b{i}\n  <<: *{'a' if i == 0 else f'b{i - 1}'}" for i in range(1000)),
    "deep": deep(10_000),
    "deep JSON": '{"a": ' + "[" * 100_000,
    "itself": "kind: Pod\nspec: &a\n  containers: [*a]",
    "a tag of Python's": "kind: Pod\nspec: !!python/object/apply:os.system [id]",
    "keys that are lists": "? [a, b]\n: c",
    "thousands of documents": "---\n" * 2_000,
}  # fmt: skip


@pytest.mark.interpreted
@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_that_is_a_trap_is_refused_or_read_in_proportion(what: str) -> None:
    text, said = MANIFESTS[what], []
    offline = PodContext(namespace="shop", native=True, label_needed=False)

    def read() -> None:
        try:
            inject_manifest(text, SIDECAR, offline)
        except UnreadableManifest as refused:
            said.append(str(refused))

    assert steps(read) < 5_000_000
    assert all(len(words) < 1000 for words in said)
    assert bool(said) == (what != "thousands of documents")
