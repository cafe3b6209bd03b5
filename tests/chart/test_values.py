"""Values that people know from other charts, and names of older releases: each does what it says."""

from __future__ import annotations

import runpy
import shutil

import kubernetes_validate
import pytest
import yaml

from chart.rendering import CHART, MONITORING, ROOT, VARIANTS, by_kind, manifests, run, template

pytestmark = pytest.mark.helm
EVERYTHING, OLD_NAMES = (
    next(v for v in VARIANTS if v.stem == stem) for stem in ("everything", "old-names")
)
GATEWAY = ("--set", "gateway.enabled=true")


@pytest.fixture
def everything(helm):
    return template(helm, EVERYTHING, *MONITORING, "--kube-version", "1.30.0")


def one(text, kind, ending):
    (found,) = [m for m in by_kind(text, kind) if m["metadata"]["name"].endswith(ending)]
    return found


def pod_of(text, component):
    return one(text, "Deployment", f"-{component}")["spec"]["template"]["spec"]


# ---- names of older releases


def test_the_names_of_the_release_before_are_obeyed(helm):
    text = template(helm, OLD_NAMES, *MONITORING)
    for component, replicas, role in (("injector", 3, "1"), ("gateway", 4, "2")):
        assert one(text, "Deployment", f"-{component}")["spec"]["replicas"] == replicas
        account = one(text, "ServiceAccount", f"-{component}")
        assert account["metadata"]["annotations"] == {"role": role}
    assert "topologySpreadConstraints" not in pod_of(text, "injector")
    assert len(pod_of(text, "gateway")["topologySpreadConstraints"]) == 2
    names = {e["name"] for e in pod_of(text, "injector")["containers"][0]["env"]}
    assert "HTTPS_PROXY" in names
    for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule"):
        assert by_kind(text, kind)[0]["metadata"]["labels"]["release"] == "prometheus"


def notes(helm, folder, variant=None):
    """What is printed after an install: in a copy of the chart that renders it as an object."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    shutil.copy(chart / "templates" / "NOTES.txt", chart / "NOTES-copy.txt")
    text = 'said: {{ tpl (.Files.Get "NOTES-copy.txt") . | toJson }}'
    (chart / "templates" / "notes.yaml").write_text(text)
    values = ("--values", str(variant)) if variant else ()
    done = run(helm, "template", "pf", str(chart), "--show-only", "templates/notes.yaml", *values)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)["said"]


def test_each_of_them_is_warned_of_with_what_replaces_it(helm, tmp_path):
    said = notes(helm, tmp_path, OLD_NAMES)
    for old, new in (
        ("injector.replicas", "injector.replicaCount"),
        ("gateway.env", "gateway.extraEnv"),
        ("injector.topologySpread", "injector.topologySpreadConstraints"),
        ("gateway.serviceAccountAnnotations", "gateway.serviceAccount.annotations"),
        ("podMonitor.labels", "podMonitor.additionalLabels"),
        ("prometheusRule.labels", "prometheusRule.additionalLabels"),
    ):
        assert f"{old}: now {new}" in said


def test_without_them_there_is_nothing_to_warn_of(helm, tmp_path):
    assert "WARNING" not in notes(helm, tmp_path)


# ---- every object


def test_common_labels_are_on_every_object_of_ours_and_in_no_selector(everything):
    for manifest in manifests(everything):
        if manifest["metadata"]["name"] in ("pilotfish-extra", "as-text"):
            continue
        assert manifest["metadata"]["labels"]["cost-centre"] == "42", manifest["kind"]
        assert "cost-centre" not in str((manifest.get("spec") or {}).get("selector"))


def test_extra_objects_may_be_objects_or_text_and_know_the_release(everything):
    assert one(everything, "ConfigMap", "pilotfish-extra")["data"] == {"a": "b"}
    assert one(everything, "ConfigMap", "as-text")


def test_the_registry_is_one_value_and_a_global_one_wins(helm, everything):
    digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    for component in ("injector", "gateway"):
        image = pod_of(everything, component)["containers"][0]["image"]
        assert image == f"registry.example:5000/pilotfish@{digest}"
    other = template(helm, EVERYTHING, "--set", "global.imageRegistry=mirror.example/cache")
    env = {e["name"]: e.get("value") for e in pod_of(other, "injector")["containers"][0]["env"]}
    assert env["PILOTFISH_SIDECAR_IMAGE"] == f"mirror.example/cache/pilotfish@{digest}"


def test_pull_secrets_reach_every_pod_of_ours_and_the_injected_ones(everything):
    expected = ["everywhere", "registry"]
    pods = [pod_of(everything, c) for c in ("injector", "gateway")]
    pods.append(one(everything, "Pod", "-test")["spec"])
    for pod in pods:
        assert [s["name"] for s in pod["imagePullSecrets"]] == expected
    env = {e["name"]: e.get("value") for e in pods[0]["containers"][0]["env"]}
    assert env["PILOTFISH_SIDECAR_IMAGE_PULL_SECRETS"] == ",".join(expected)


# ---- injector and gateway


def test_an_account_that_is_there_is_used_and_not_made(everything):
    assert not [
        m for m in by_kind(everything, "ServiceAccount") if "gateway" in m["metadata"]["name"]
    ]
    assert pod_of(everything, "gateway")["serviceAccountName"] == "gateway-with-a-cloud-role"
    bound = [
        m["subjects"][0]["name"]
        for m in by_kind(everything, "RoleBinding")
        if m["metadata"]["name"].endswith("-gateway")
    ]
    assert bound == ["gateway-with-a-cloud-role"] * 2


def test_what_a_deployment_may_be_told_reaches_it(everything):
    deployment = one(everything, "Deployment", "-injector")
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0}
    assert deployment["spec"]["revisionHistoryLimit"] == 2
    pod = pod_of(everything, "injector")
    assert pod["securityContext"] == {"fsGroup": 2000}
    assert pod["topologySpreadConstraints"][0]["labelSelector"] == {
        "matchLabels": {"own": "selector"}
    }
    for component in ("injector", "gateway"):
        pod = pod_of(everything, component)
        assert {"name": "ca", "configMap": {"name": "company-ca"}} in pod["volumes"]
        mounts = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"]]
        assert "/etc/company" in mounts


def test_constraints_without_a_selector_get_ours_and_none_are_none(helm):
    text = template(helm, None, *GATEWAY, "--set-json", "injector.topologySpreadConstraints=[]")
    assert "topologySpreadConstraints" not in pod_of(text, "injector")
    for constraint in pod_of(text, "gateway")["topologySpreadConstraints"]:
        labels = constraint["labelSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] == "gateway"


def test_a_disruption_budget_says_one_of_both(everything, helm):
    budgets = {m["metadata"]["name"]: m for m in by_kind(everything, "PodDisruptionBudget")}
    assert budgets["pilotfish-injector"]["spec"]["minAvailable"] == "50%"
    assert budgets["pilotfish-gateway"]["spec"]["minAvailable"] == 1
    assert all("maxUnavailable" not in m["spec"] for m in budgets.values())
    (plain,) = by_kind(template(helm), "PodDisruptionBudget")
    assert plain["spec"]["maxUnavailable"] == 1
    assert "minAvailable" not in plain["spec"]


# ---- webhooks


def test_a_prefix_is_in_every_place_that_names_the_webhooks(everything):
    name = "zz-pilotfish-injector-pilotfish-system"
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        assert [m["metadata"]["name"] for m in by_kind(everything, kind)] == [name]
    env = {
        e["name"]: e.get("value") for e in pod_of(everything, "injector")["containers"][0]["env"]
    }
    assert env["PILOTFISH_WEBHOOKS"] == name
    (role,) = by_kind(everything, "ClusterRole")
    assert [name] in [rule.get("resourceNames") for rule in role["rules"]]


def test_further_selectors_are_beside_ours(everything):
    (configuration,) = by_kind(everything, "MutatingWebhookConfiguration")
    assert configuration["metadata"]["annotations"] == {"note": "1"}
    for webhook in configuration["webhooks"]:
        keys = {e["key"] for e in webhook["namespaceSelector"]["matchExpressions"]}
        assert {"team", "kubernetes.io/metadata.name"} <= keys
        assert webhook["namespaceSelector"]["matchLabels"] == {"tier": "prod"}
        keys = {e["key"] for e in webhook["objectSelector"]["matchExpressions"]}
        assert keys == {"pilotfish.dev/inject", "skip-mesh"}


def test_conditions_are_for_servers_that_know_them(helm, everything):
    (configuration,) = by_kind(everything, "MutatingWebhookConfiguration")
    assert [w["matchConditions"][0]["name"] for w in configuration["webhooks"]] == ["not-ci"] * 2
    old = template(helm, EVERYTHING, "--kube-version", "1.27.0")
    (configuration,) = by_kind(old, "MutatingWebhookConfiguration")
    assert all("matchConditions" not in w for w in configuration["webhooks"])


# ---- the gateway's ways in


def test_an_ingress_leads_to_the_gateway(everything):
    (ingress,) = by_kind(everything, "Ingress")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    paths = {r["host"]: r["http"]["paths"][0] for r in ingress["spec"]["rules"]}
    assert (paths["llm.example"]["path"], paths["llm.example"]["pathType"]) == ("/", "Prefix")
    assert (paths["two.example"]["path"], paths["two.example"]["pathType"]) == ("/v1", "Exact")
    backend = paths["llm.example"]["backend"]["service"]
    assert backend == {"name": "pilotfish-gateway", "port": {"name": "http"}}


def test_a_route_leads_to_the_gateway(everything):
    (route,) = by_kind(everything, "HTTPRoute")
    assert route["spec"]["parentRefs"][0]["sectionName"] == "https"
    (rule,) = route["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": "pilotfish-gateway", "port": 8080}]
    assert rule["timeouts"] == {"request": "0s"}


@pytest.mark.parametrize(("kind", "missing"), [("ingress", "hosts"), ("httpRoute", "parentRefs")])
def test_what_they_need_is_asked_for(helm, kind, missing):
    switch = f"gateway.{kind}.enabled=true"
    done = run(helm, "template", "pf", str(CHART), *GATEWAY, "--set", switch)
    assert done.returncode != 0
    assert f"gateway.{kind}.{missing} is needed" in done.stderr


def gateway_environment(text):
    (gateway,) = [d for d in by_kind(text, "Deployment") if "gateway" in d["metadata"]["name"]]
    (container,) = gateway["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e.get("value") for e in container["env"]}


def test_the_gateway_knows_the_names_that_lead_to_it(everything, one_helm):
    """Else it would take a call by its Ingress for one by a name that strangers point at it."""
    named = gateway_environment(everything)
    assert named["PILOTFISH_ALLOWED_HOSTS"] == "llm.example,two.example"
    assert "PILOTFISH_ALLOWED_ORIGINS" not in named
    more = "--set", "gateway.allowedHosts={a.example}", "--set", "gateway.allowedOrigins={https://b.example}"  # fmt: skip
    named = gateway_environment(template(one_helm, None, *GATEWAY, *more))
    assert named["PILOTFISH_ALLOWED_HOSTS"] == "a.example"
    assert named["PILOTFISH_ALLOWED_ORIGINS"] == "https://b.example"


def test_who_reaches_the_gateway_is_limited_from_the_start(one_helm):
    (policy,) = by_kind(template(one_helm, None, *GATEWAY), "NetworkPolicy")
    assert policy["spec"]["ingress"][0]["from"] == [{"namespaceSelector": {}}]
    outside = "--set", "gateway.service.type=LoadBalancer"
    (policy,) = by_kind(template(one_helm, None, *GATEWAY, *outside), "NetworkPolicy")
    assert "from" not in policy["spec"]["ingress"][0]
    without = "--set", "networkPolicy.gateway=false"
    assert not by_kind(template(one_helm, None, *GATEWAY, *without), "NetworkPolicy")


def test_it_scales_by_what_it_is_told(everything):
    (scaler,) = by_kind(everything, "HorizontalPodAutoscaler")
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "pilotfish_requests_in_flight"
    assert scaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 600


# ---- monitors


def test_the_gateway_is_scraped_once(helm):
    """Twice, every sum over its series would be doubled."""
    options = ("--set", "podMonitor.enabled=true", "--set", "serviceMonitor.enabled=true")
    text = template(helm, None, *GATEWAY, *options, *MONITORING)
    (by_pod,) = by_kind(text, "PodMonitor")[0]["spec"]["podMetricsEndpoints"]
    ports = {p["name"] for p in pod_of(text, "gateway")["containers"][0]["ports"]}
    assert by_pod["port"] not in ports
    (by_service,) = by_kind(text, "ServiceMonitor")[0]["spec"]["endpoints"]
    assert by_service["port"] in {
        p["name"] for p in one(text, "Service", "-gateway")["spec"]["ports"]
    }


def test_monitors_take_what_monitors_are_told(everything):
    monitors = [
        (m, m["spec"].get("podMetricsEndpoints") or m["spec"]["endpoints"])
        for kind in ("PodMonitor", "ServiceMonitor")
        for m in by_kind(everything, kind)
    ]
    assert len(monitors) == 2
    for monitor, (endpoint,) in monitors:
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        assert monitor["spec"]["podTargetLabels"] == ["team"]
        assert endpoint["scrapeTimeout"] == "10s"
        assert endpoint["metricRelabelings"][0]["action"] == "drop"
        targets = [r["targetLabel"] for r in endpoint["relabelings"]]
        assert targets[0] == "workload"
        assert targets[-1] in ("node", "cluster")


# ---- the chart itself


def booleans(values, path=()):
    for name, value in values.items():
        if isinstance(value, bool):
            yield ".".join((*path, name)), value
        elif isinstance(value, dict):
            yield from booleans(value, (*path, name))


SWITCHES = sorted(booleans(yaml.safe_load((CHART / "values.yaml").read_text())))


@pytest.mark.parametrize("base", [None, EVERYTHING], ids=["default", "everything"])
@pytest.mark.parametrize(("switch", "value"), SWITCHES, ids=[name for name, _ in SWITCHES])
def test_every_switch_may_be_turned(one_helm, base, switch, value):
    turned = f"{switch}={str(not value).lower()}"
    needed = {
        "gateway.ingress.enabled": ("gateway.ingress.hosts[0].host=a.example",),
        "gateway.httpRoute.enabled": ("gateway.httpRoute.parentRefs[0].name=public",),
    }.get(switch, ()) if base is None else ()  # fmt: skip
    sets = [part for value in (turned, *needed) for part in ("--set", value)]
    text = template(one_helm, base, *MONITORING, "--kube-version", "1.33.0", *sets)
    foreign = ("monitoring.coreos.com", "gateway.networking.k8s.io", "cert-manager.io")
    for manifest in manifests(text):
        if not manifest["apiVersion"].startswith(foreign):
            kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_the_readme_has_the_values_as_they_are():
    table = runpy.run_path(str(ROOT / "docs" / "chart_values.py"))["table"]()
    assert table in (CHART / "README.md").read_text(), "make docs"


def test_what_is_told_to_a_hub_of_charts_can_be_read():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["home"].startswith("https://")
    assert chart["icon"].startswith("https://")
    assert chart["sources"]
    assert chart["maintainers"]
    annotations = chart["annotations"]
    assert all(name.startswith("artifacthub.io/") for name in annotations)
    assert all(isinstance(value, str) for value in annotations.values())
    (image,) = yaml.safe_load(annotations["artifacthub.io/images"])
    assert image["image"] == f"pilotfish:{chart['appVersion']}"
    kinds = {c["kind"] for c in yaml.safe_load(annotations["artifacthub.io/changes"])}
    assert kinds <= {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert all(
        {"name", "url"} == set(x) for x in yaml.safe_load(annotations["artifacthub.io/links"])
    )
