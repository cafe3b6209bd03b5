"""Pod in, Pod out: one golden file a case, one runner. `UPDATE_GOLDENS=1` writes them anew; review
reads the diff.

A case is `NAME.yaml` (why it exists, what surrounds the Pod, a line of dashes, the Pod) with
`NAME.out.yaml` beside it.
"""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest
import yaml

from pilotfish.injector.patch.environment import PLACEHOLDER_KEY
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import Injected, PodContext, Sidecar, Skipped

FOLDER = Path(__file__).parents[2] / "fixtures" / "inject"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.name.endswith(".out.yaml"))
DEFAULTS = Sidecar(
    image="registry.example/pilotfish:0.1.0", version="0.1.0", configmaps=("pilotfish-rules",)
)


def read_case(name: str) -> tuple[dict[str, Any], Sidecar, PodContext]:
    head, pod = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())
    own = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in (head.get("sidecar") or {}).items()
    }
    return (
        pod,
        replace(DEFAULTS, **own),
        PodContext(**{"namespace": "shop", **(head.get("around") or {})}),
    )


def as_written(result: Injected | Skipped) -> dict[str, Any]:
    if isinstance(result, Skipped):
        return {
            "skipped": result.reason.value,
            "detail": result.detail,
            "warnings": list(result.warnings),
        }
    patch = [f"{operation['op']} {operation['path']}" for operation in result.patch]
    return {
        "injected": result.mode,
        "warnings": list(result.warnings),
        "patch": patch,
        "pod": result.pod,
    }


@pytest.mark.parametrize("name", CASES)
def test_pod_in_pod_out(name):
    pod, sidecar, around = read_case(name)
    written = as_written(inject(pod, sidecar, around))
    golden = FOLDER / f"{name}.out.yaml"
    if os.environ.get("UPDATE_GOLDENS") == "1":
        golden.write_text(yaml.safe_dump(written, sort_keys=False, width=140))
    assert written == yaml.safe_load(golden.read_text())


@pytest.mark.parametrize("name", CASES)
def test_the_patch_leads_to_the_pod_and_the_pod_that_came_in_is_not_touched(name):
    pod, sidecar, around = read_case(name)
    before = copy.deepcopy(pod)
    result = inject(pod, sidecar, around)
    assert pod == before
    if isinstance(result, Injected):
        assert jsonpatch.apply_patch(before, result.patch) == result.pod


@pytest.mark.parametrize("name", CASES)
def test_what_came_out_is_left_alone_the_second_time(name):
    """`reinvocationPolicy: IfNeeded` shows us our own work; a manifest injected offline arrives a
    second time.
    """
    pod, sidecar, around = read_case(name)
    result = inject(pod, sidecar, around)
    if isinstance(result, Injected):
        again = inject(result.pod, sidecar, around)
        assert isinstance(again, Skipped)
        assert again.reason.value == "already_injected"


@pytest.mark.parametrize("name", CASES)
def test_nothing_that_the_pod_held_is_changed_or_lost(name):
    """Other webhooks' work and fields of later versions survive: every operation adds, but for our
    own status and a dropped restartPolicy.
    """
    pod, sidecar, around = read_case(name)
    result = inject(pod, sidecar, around)
    if isinstance(result, Injected):
        replaced = {op["path"] for op in result.patch if op["op"] != "add"} - {
            "/metadata/annotations/pilotfish.dev~1status"
        }
        for path in replaced:
            before = jsonpatch.JsonPointer(path).resolve(pod)
            assert not before or is_ours(pod, path, before), f"{path} held {before!r}"


def is_ours(pod, path, value):
    """Whether we put it there the first time: the sidecar itself, and variables that lead to it."""
    _, spec, kind, index, *_ = path.split("/")
    container = pod[spec][kind][int(index)]
    leads_here = str(value).startswith("http://127.0.0.1:14000")
    return container["name"] == "pilotfish" or (path.endswith("/value") and leads_here)


@pytest.mark.parametrize("name", CASES)
def test_every_sidecar_has_resources_and_the_restricted_profile(name):
    pod, sidecar, around = read_case(name)
    result = inject(pod, sidecar, around)
    if not isinstance(result, Injected) or name == "restart-policy-dropped":
        return
    spec = result.pod["spec"]
    own = next(
        c
        for c in [*(spec.get("initContainers") or ()), *spec["containers"]]
        if c["name"] == "pilotfish"
    )
    assert all(
        own["resources"][kind][of] for kind in ("requests", "limits") for of in ("cpu", "memory")
    )
    security = own["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security.get("runAsUser") != 0
    assert PLACEHOLDER_KEY not in str(own), "the placeholders are for the application"


# Their Pods are not what Kubernetes accepts, before or after: fields that no version knows,
# annotations that are no text.
NOT_VALID = ("unknown-fields-survive", "nonsense-annotations")


@pytest.mark.parametrize("name", [case for case in CASES if case not in NOT_VALID])
def test_what_comes_out_is_a_pod_that_kubernetes_accepts(name):
    pod, sidecar, around = read_case(name)
    result = inject(pod, sidecar, around)
    if isinstance(result, Injected):
        for version in ("1.29", "1.33", "1.36"):
            kubernetes_validate.validate(result.pod, version, strict=True)


def test_there_are_the_cases_that_the_issue_asks_for():
    assert len(CASES) >= 30
