"""Manifests as people keep them: several documents, lists, comments, values that YAML would like to
misread.
"""

import json

import pytest
import yaml

from pilotfish.injector.patch.manifests import UnreadableManifest, inject_manifest
from pilotfish.injector.patch.settings import Injected, PodContext, Sidecar, Skipped

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))
OFFLINE = PodContext(native=True, label_needed=False)


def run(text, around=OFFLINE):
    return inject_manifest(text, SIDECAR, around)


TEMPLATED = """apiVersion: v1
kind: {kind}
metadata: {{name: web}}
spec:
  template:
    spec:
      containers:
      - {{name: app, image: web:1}}
"""


@pytest.mark.parametrize("text", ["a: [", "\tb: 1", "a: 1\n---\nb: {", "{"])
def test_what_is_not_yaml_says_where(text):
    with pytest.raises(UnreadableManifest, match="line"):
        run(text)


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"]
)
def test_every_kind_with_a_template_gets_it_there(kind):
    text, told = run(TEMPLATED.format(kind=kind))
    assert [(t.what, type(t.result)) for t in told] == [(f"{kind} web", Injected)]
    assert (
        yaml.safe_load(text)["spec"]["template"]["spec"]["initContainers"][0]["name"] == "pilotfish"
    )


def test_a_cron_job_keeps_its_pod_deeper():
    text, _ = run("""
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: app}]}}}}
""")
    assert "pilotfish" in str(
        yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    )


def test_a_job_on_a_cluster_without_native_sidecars_is_left_alone_and_that_is_said():
    manifest = TEMPLATED.format(kind="Job").replace(
        "spec:\n      containers", "spec:\n      restartPolicy: Never\n      containers"
    )
    text, told = run(manifest, PodContext(native=False, label_needed=False))
    assert text == manifest
    assert isinstance(told[0].result, Skipped)
    assert "never completing" in told[0].result.detail or "completing" in told[0].result.detail


def test_lists_are_opened():
    text, told = run(
        "kind: List\nitems:\n- {kind: Pod, metadata: {name: a}, spec: {containers: [{name: "
        "c}]}}\n- {kind: Service}\n"
    )
    assert [t.what for t in told] == ["Pod a"]
    assert yaml.safe_load(text)["items"][1] == {"kind": "Service"}


def test_documents_without_a_pod_come_out_byte_for_byte():
    service = "# the door\nkind: Service   # yes: 'on'\nspec: {type: on}\n"
    text, told = run(
        service
        + "---\n"
        + TEMPLATED.format(kind="Deployment")
        + "--- # last\nkind: ConfigMap\ndata: {a: 012}\n"
    )
    assert text.startswith(service + "---\n")
    assert text.endswith("--- # last\nkind: ConfigMap\ndata: {a: 012}\n")
    assert len(told) == 1


def test_nothing_to_inject_is_no_change_at_all():
    manifest = "kind: Service\n---\n---\n# nothing\n--- {}\n"
    assert run(manifest) == (manifest, [])


def test_a_line_of_dashes_inside_a_text_is_no_separator():
    manifest = (
        TEMPLATED.format(kind="Deployment")
        + "    metadata:\n      annotations:\n        a: |\n          ---\n          b\n"
    )
    text, _ = run(manifest)
    assert yaml.safe_load(text)["spec"]["template"]["metadata"]["annotations"]["a"] == "---\nb\n"


def test_values_that_yaml_would_misread_are_kept():
    manifest = (
        TEMPLATED.format(kind="Deployment")
        + """    metadata:
      annotations: {date: 2024-10-21, time: 12:30, yes: on, number: "1", mode: 0644, none: ~,
                    half: 0.5, plain: "null"}
"""
    )
    text, _ = run(manifest)
    annotations = yaml.safe_load(text)["spec"]["template"]["metadata"]["annotations"]
    del annotations["pilotfish.dev/status"]
    assert annotations == {
        "date": "2024-10-21", "time": "12:30", "yes": "on", "number": "1", "mode": 420,
        "none": None, "half": 0.5, "plain": "null",
    }  # fmt: skip


def test_json_stays_json():
    text, _ = run(
        json.dumps(
            {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}
        )
    )
    assert json.loads(text)["spec"]["initContainers"][0]["name"] == "pilotfish"


def test_json_with_nothing_to_do_is_untouched():
    assert run('{"kind":  "Service"}') == ('{"kind":  "Service"}', [])


@pytest.mark.parametrize(
    "document",
    [
        "kind: Deployment\nspec: {}\n",
        "kind: Pod\n",
        "- 1\n",
        "kind: [Pod]\n",
        "kind: PodList\n",
        "kind: Deployment\nspec: 3\n",
    ],
)
def test_what_holds_no_pod_is_passed_on(document):
    text, told = run(document)
    assert text == document
    assert not any(isinstance(t.result, Injected) for t in told)


def test_anchors_are_written_out_since_the_sidecar_must_not_be_shared_by_reference():
    text, told = run(
        "kind: List\nitems:\n- &p {kind: Pod, metadata: {name: a}, spec: {containers: [{name: "
        "c}]}}\n- {<<: *p, metadata: {name: b}}\n"
    )
    assert "&" not in text.replace("&&", "")
    assert len(told) == 2


def test_the_namespace_of_the_object_counts():
    manifest = TEMPLATED.format(kind="DaemonSet").replace(
        "{name: web}", "{name: web, namespace: kube-system}"
    )
    text, told = run(manifest)
    assert text == manifest
    assert told[0].result.reason.value == "protected_namespace"
