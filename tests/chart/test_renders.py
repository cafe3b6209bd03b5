"""What the chart renders, for every variant of values and every helm."""

from __future__ import annotations

import os
import subprocess

import kubernetes_validate
import pytest
import yaml

from chart.rendering import (
    CHART,
    MONITORING,
    ROOT,
    VARIANTS,
    by_kind,
    helms,
    manifests,
    run,
    template,
)
from pilotfish.injector.settings import (
    InjectorSettings,
    SidecarSettings,
    read_settings,
    read_sidecar,
)

pytestmark = pytest.mark.helm
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=[v.stem for v in VARIANTS])
# Kinds that Kubernetes itself has no schema for.
FOREIGN = ("monitoring.coreos.com/", "cert-manager.io/", "gateway.networking.k8s.io/")


@every_variant
def test_two_renders_are_equal_byte_by_byte(helm, variant):
    """A random password or certificate would be a change at every GitOps reconciliation."""
    assert template(helm, variant, *MONITORING) == template(helm, variant, *MONITORING)


@every_variant
def test_helm_3_and_4_agree(variant):
    found = helms()
    if len(found) < 2:
        pytest.skip("NOT TESTED: only one helm is here")

    def rendered(helm):
        return sorted(str(m) for m in manifests(template(helm, variant, *MONITORING)))

    first, second = (rendered(helm) for helm in found[:2])
    assert first == second


@every_variant
def test_lint_is_content(helm, variant):
    done = run(
        helm,
        "lint",
        str(CHART),
        "--strict",
        "--values",
        str(variant),
        "--namespace",
        "pilotfish-system",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_variant
@pytest.mark.parametrize("version", ["1.25", *(f"1.{minor}" for minor in range(28, 37))])
def test_every_object_is_what_that_kubernetes_expects(one_helm, variant, version):
    for manifest in manifests(
        template(one_helm, variant, *MONITORING, "--kube-version", f"{version}.0")
    ):
        if not manifest["apiVersion"].startswith(FOREIGN):
            kubernetes_validate.validate(manifest, version, strict=True)


@every_variant
def test_no_certificate_and_no_key_is_in_a_template(helm, variant):
    text = template(helm, variant)
    assert "BEGIN " not in text
    for secret in by_kind(text, "Secret"):
        assert "data" not in secret
        assert "stringData" not in secret


@every_variant
def test_every_container_has_resources_and_the_restricted_profile(helm, variant):
    for manifest in manifests(template(helm, variant)):
        if manifest["kind"] not in ("Deployment", "Pod"):
            continue
        spec = (
            manifest["spec"]["template"]["spec"]
            if manifest["kind"] == "Deployment"
            else manifest["spec"]
        )
        for container in spec["containers"]:
            assert container["resources"]["requests"]
            security = container["securityContext"]
            assert security["runAsNonRoot"] is security["readOnlyRootFilesystem"] is True
            assert "runAsUser" not in security
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_webhook_never_reaches_the_systems_namespaces_nor_its_own(helm):
    for webhook in by_kind(template(helm, namespace="mesh"), "MutatingWebhookConfiguration")[0][
        "webhooks"
    ]:
        (excluded,) = [
            e["values"]
            for e in webhook["namespaceSelector"]["matchExpressions"]
            if e["operator"] == "NotIn"
        ]
        assert {"kube-system", "kube-public", "kube-node-lease", "mesh"} <= set(excluded)
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["reinvocationPolicy"] == "IfNeeded"
        assert webhook["sideEffects"] == "None"


def test_the_injector_understands_every_variable_that_the_chart_sets(helm, monkeypatch):
    """A setting misspelt on one side would be a default, silently."""
    known = {
        f"{model.model_config['env_prefix']}{name}".upper()
        for model in (InjectorSettings, SidecarSettings)
        for name in model.model_fields
    } | {"PILOTFISH_EXCLUDED_NAMESPACES"}
    for variant in VARIANTS:
        for deployment in by_kind(template(helm, variant), "Deployment"):
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            if container["name"] != "injector":
                continue
            given = {e["name"]: e.get("value", "") for e in container["env"]}
            assert {name for name in given if name.startswith("PILOTFISH_")} <= known
            with monkeypatch.context() as patched:
                for name, value in given.items():
                    patched.setenv(name, value)
                read_settings()
                read_sidecar()


def test_apis_that_a_cluster_lacks_are_not_used(helm):
    everything = next(v for v in VARIANTS if v.stem == "everything")
    old = template(helm, everything, "--kube-version", "1.20.2")
    new = template(helm, everything, "--kube-version", "1.29.0", *MONITORING)
    assert {m["apiVersion"] for m in by_kind(old, "PodDisruptionBudget")} == {"policy/v1beta1"}
    assert {m["apiVersion"] for m in by_kind(new, "PodDisruptionBudget")} == {"policy/v1"}
    assert {m["apiVersion"] for m in by_kind(old, "HorizontalPodAutoscaler")} == {
        "autoscaling/v2beta2"
    }
    assert {m["apiVersion"] for m in by_kind(new, "HorizontalPodAutoscaler")} == {"autoscaling/v2"}
    assert not by_kind(old, "PodMonitor")
    assert [
        len(by_kind(new, kind)) for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    ] == [1, 1, 1]


def test_sidecars_may_watch_the_named_configmaps_where_they_are_and_nothing_else(helm):
    everything = next(v for v in VARIANTS if v.stem == "everything")
    text = template(helm, everything)
    roles = {
        m["metadata"]["namespace"]: m["rules"]
        for m in by_kind(text, "Role")
        if m["metadata"]["name"].endswith("-sidecar")
    }
    assert {ns: rules[0]["resourceNames"] for ns, rules in roles.items()} == {
        "shop": ["pilotfish-rules"],
        "web": ["pilotfish-rules"],
        "platform": ["common-rules"],
    }
    bindings = {
        m["metadata"]["namespace"]: m["subjects"]
        for m in by_kind(text, "RoleBinding")
        if m["metadata"]["name"].endswith("-sidecar")
    }
    assert [s["name"] for s in bindings["platform"]] == [
        "system:serviceaccounts:shop",
        "system:serviceaccounts:web",
    ]
    assert all(
        rule["verbs"] in (["get", "list", "watch"], ["create"])
        for rules in roles.values()
        for rule in rules
    )


def test_rules_selected_by_label_need_the_right_to_see_them_all(helm):
    (variant,) = [v for v in VARIANTS if v.stem == "selected-by-label"]
    (role,) = [
        m for m in by_kind(template(helm, variant), "Role") if m["metadata"]["namespace"] == "shop"
    ]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("gatway.enabled=true", "gatway"),
        ("injector.failurePolicy=Never", "failurePolicy"),
        ("sidecar.port=80", "port"),
        ("sidecar.mode=both", "mode"),
        ("image.digest=latest", "digest"),
        ("rules.files.notes\\.txt=x", "notes.txt"),
        ("certificates.mode=existing", "certificates."),
        ("sidecar.resources.limits.memory=lots", "memory"),
    ],
)
def test_a_wrong_value_is_refused_and_named(helm, setting, told):
    done = run(helm, "template", "pilotfish", str(CHART), "--set", setting)
    assert done.returncode != 0
    assert told in done.stderr


def test_the_plain_manifests_are_what_the_chart_renders_now(helm, tmp_path):
    made, alerts = tmp_path / "injector.yaml", tmp_path / "alerts.yaml"
    subprocess.run(
        [ROOT / "deploy" / "render.sh", helm],
        env={**os.environ, "OUT": str(made), "ALERTS": str(alerts)},
        check=True,
    )
    committed = (ROOT / "deploy" / "injector" / "injector.yaml").read_text()
    assert sorted(map(str, manifests(made.read_text()))) == sorted(
        map(str, manifests(committed))
    ), "run deploy/render.sh"
    assert yaml.safe_load(alerts.read_text()) == yaml.safe_load(
        (ROOT / "deploy" / "alerts.yaml").read_text()
    ), "run deploy/render.sh"


def test_the_plain_manifests_are_sound():
    for path in sorted((ROOT / "deploy").glob("*/*.yaml")):
        for manifest in manifests(path.read_text()):
            if manifest["kind"] != "Kustomization":
                kubernetes_validate.validate(manifest, "1.29", strict=True)


def test_workloads_and_native_histograms_are_the_monitors_affair(helm):
    options = (*MONITORING, "--set", "podMonitor.enabled=true")
    (plain,) = by_kind(template(helm, None, *options), "PodMonitor")
    assert "convertClassicHistogramsToNHCB" not in plain["spec"]
    relabelings = plain["spec"]["podMetricsEndpoints"][0]["relabelings"]
    assert {made["targetLabel"] for made in relabelings} == {"workload"}
    native = (*options, "--set", "podMonitor.nativeHistograms=true")
    (monitor,) = by_kind(template(helm, None, *native), "PodMonitor")
    assert monitor["spec"]["convertClassicHistogramsToNHCB"] is True
