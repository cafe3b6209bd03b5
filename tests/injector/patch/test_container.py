"""The sidecar's container: how long it drains, what it asks for, as whom it runs."""

import pytest

from pilotfish.injector.patch.container import container_for, drain_s, hold_stop_s
from pilotfish.injector.patch.settings import PodContext, Sidecar

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))


def container(spec=None, *, native=True, sidecar=SIDECAR, **around):
    return container_for(
        spec or {"containers": [{"name": "app"}]},
        sidecar,
        PodContext(**around),
        native=native,
        mounts=[],
    )


@pytest.mark.parametrize(
    ("grace", "native", "classic"),
    [(None, 27, 22), (0, 0, 0), (1, 0, 0), (10, 7, 4), (3600, 3597, 3592)],
)
def test_holding_and_draining_are_over_before_the_grace_period_is(grace, native, classic):
    spec = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    assert drain_s(spec, SIDECAR, native=True) == native
    assert drain_s(spec, SIDECAR, native=False) == classic
    assert hold_stop_s(spec, SIDECAR) + classic <= (30 if grace is None else grace)


def test_a_native_sidecar_has_no_hooks_that_would_delay_the_pod():
    assert "lifecycle" not in container()
    assert container()["restartPolicy"] == "Always"


def test_a_classic_one_holds_the_application_back_and_outlives_it():
    classic = container(native=False)
    assert "restartPolicy" not in classic
    assert classic["lifecycle"]["postStart"]["exec"]["command"][-2:] == ["start", "14001"]
    assert classic["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["stop", "5"]


def test_liveness_bears_a_busy_minute_and_startup_does_not_wait_for_rules_for_ever():
    probes = container()
    liveness = probes["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
    assert probes["startupProbe"]["httpGet"]["path"] == "/healthz?startup_s=10"
    assert probes["readinessProbe"]["httpGet"]["path"] == "/readyz"


def resources(**of_app):
    return container({"containers": [{"name": "app", "resources": of_app}]})["resources"]


def test_a_guaranteed_pod_stays_guaranteed():
    own = resources(limits={"cpu": "1", "memory": "1Gi"})
    assert own["requests"] == own["limits"] == {"cpu": "500m", "memory": "512Mi"}


def test_a_burstable_pod_is_not_charged_for_more_than_the_proxy_needs():
    own = resources(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "100m", "memory": "1Gi"})
    assert own["requests"] == {"cpu": "50m", "memory": "96Mi"}


def test_a_pod_with_resources_of_its_own_is_not_refused_for_ours():
    """Kubernetes 1.34: a container's limit above the Pod's, or requests that add up to more than
    the Pod's, are errors.
    """
    app = {"name": "app", "resources": {"requests": {"cpu": "900m", "memory": "200Mi"}}}
    pod_level = {
        "limits": {"cpu": "1", "memory": "256Mi"},
        "requests": {"cpu": "910m", "memory": "256Mi"},
    }
    own = container({"containers": [app], "resources": pod_level})["resources"]
    assert own == {
        "requests": {"cpu": "10m", "memory": str(56 * 2**20)},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }
    full = container({"containers": [app], "resources": {"limits": {"cpu": "900m"}}})["resources"]
    assert full["requests"] == {"cpu": "0m", "memory": "96Mi"}


@pytest.mark.parametrize(
    ("range_", "user"), [("1000650000/10000", 1000650000), ("", 65532), ("nonsense", 65532)]
)
def test_a_user_is_named_only_where_the_pod_runs_as_root(range_, user):
    root = {"containers": [], "securityContext": {"runAsUser": 0}}
    annotations = {"openshift.io/sa.scc.uid-range": range_}
    assert container(root, annotations=annotations)["securityContext"]["runAsUser"] == user
    assert "runAsUser" not in container(annotations=annotations)["securityContext"]


def test_a_pull_policy_is_only_there_if_the_operator_has_one():
    assert "imagePullPolicy" not in container()
    assert (
        container(sidecar=Sidecar(image="i", image_pull_policy="Always"))["imagePullPolicy"]
        == "Always"
    )


def test_the_operators_own_variables_come_last_and_win():
    own = container(sidecar=Sidecar(image="i", env=(("PILOTFISH_LOG_LEVEL", "debug"),)))
    assert own["env"][-1] == {"name": "PILOTFISH_LOG_LEVEL", "value": "debug"}
